"""Sources: one dataset family a file. ``get(name)`` returns the class that a recipe's ``use: name`` means."""

from polysee.schema.registry import Registry

_registry = Registry(
    "source",
    {
        "microworld": "polysee.sources.microworld.source:Microworld",
        "tuxpaint": "polysee.sources.tuxpaint:TuxPaint",
        "llava": "polysee.sources.llava:Llava",
        "sharegpt": "polysee.sources.sharegpt:ShareGpt",
        "m3it": "polysee.sources.m3it:M3it",
        "huggingface": "polysee.sources.huggingface:HuggingFace",
    },
)
get = _registry.get
names = _registry.names
