"""Transforms: one sample in; none, one or many out."""

from polysee.schema.registry import Registry

_registry = Registry(
    "transform",
    {
        "instruct": "polysee.transforms.instruct:Instruct",
        "boxes": "polysee.transforms.boxes:Boxes",
    },
)
get = _registry.get
names = _registry.names
