"""polysee: teach a vision-language model its users' languages, from data to a measured checkpoint."""

__version__ = "0.1.0"
