"""Translation systems behind the `polysee.services.base.Translator` protocol."""
