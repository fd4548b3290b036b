"""Sources: one dataset family a file. ``get(name)`` returns the class that a recipe's ``use: name`` means."""

from polysee.schema.registry import Registry
from polysee.sources.families import ADAPTERS

_registry = Registry(
    "source",
    {
        "microworld": "polysee.sources.microworld.source:Microworld",
        "render": "polysee.sources.render.source:Render",
        "tuxpaint": "polysee.sources.tuxpaint:TuxPaint",
        "llava": "polysee.sources.llava:Llava",
        "sharegpt": "polysee.sources.sharegpt:ShareGpt",
        "m3it": "polysee.sources.m3it:M3it",
        "parquet": "polysee.sources.parquet:Parquet",
        "webdataset": "polysee.sources.webdataset:WebDataset",
        "huggingface": "polysee.sources.huggingface:HuggingFace",
        **ADAPTERS,
    },
)
get = _registry.get
names = _registry.names
