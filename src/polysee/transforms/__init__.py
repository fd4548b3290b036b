"""Transforms: one sample in; none, one or many out."""

from polysee.schema.registry import Registry

_registry = Registry(
    "transform",
    {
        "instruct": "polysee.transforms.instruct:Instruct",
        "boxes": "polysee.transforms.boxes:Boxes",
        "answers": "polysee.transforms.answers:Answers",
        "caption": "polysee.transforms.caption:Caption",
        "frames": "polysee.transforms.frames:Frames",
        "paraphrase": "polysee.transforms.paraphrase:Paraphrase",
        "translate": "polysee.transforms.translate:Translate",
    },
)
get = _registry.get
names = _registry.names
