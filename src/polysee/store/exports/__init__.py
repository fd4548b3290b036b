"""A run's samples in the formats of others, one format a file. Import the modules; this package stays light."""

from polysee.schema.registry import Registry

_registry = Registry(
    "export",
    {
        "parquet": "polysee.store.exports.parquet:ParquetFormat",
        "webdataset": "polysee.store.exports.webdataset:WebDatasetFormat",
        "llava": "polysee.store.exports.llava:LlavaFormat",
        "sharegpt": "polysee.store.exports.sharegpt:ShareGptFormat",
        "m3it": "polysee.store.exports.m3it:M3itFormat",
    },
)
get = _registry.get
names = _registry.names
