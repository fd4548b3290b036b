"""Scores: columns that are computed once; filters are queries over them."""

from polysee.schema.registry import Registry

_registry = Registry(
    "score",
    {
        "text_length": "polysee.scores.text_length:TextLength",
        "image_size": "polysee.scores.image_size:ImageSize",
        "language_id": "polysee.scores.language_id:LanguageId",
        "similarity": "polysee.scores.similarity:Similarity",
        "quality": "polysee.scores.quality:Quality",
        "round_trip": "polysee.scores.round_trip:RoundTrip",
    },
)
get = _registry.get
names = _registry.names
