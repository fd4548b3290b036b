"""How alike two texts are to a model that maps all languages into one space."""

from __future__ import annotations

from typing import ClassVar, Literal

import pyarrow as pa

from polysee.scores.pairs import INPUTS, JudgedParams, exchanges, lowest, translations, within
from polysee.services.config import Role
from polysee.services.open import Services


class SimilarityParams(JudgedParams):
    """Parameters of the score."""

    against: Literal["source", "question"] = "source"
    """`source`: a translation's texts against those that they were translated from. `question`: each answer against
    its question, whatever the picture shows."""


class Similarity:
    """``similarity``: the cosine of the two texts' vectors, from -1 to 1, the lowest of a sample's pairs.

    AIN keeps translations from 0.80 on, by LaBSE (arXiv:2502.00094, section 2.2).
    """

    Params: ClassVar[type[SimilarityParams]] = SimilarityParams
    version: ClassVar[int] = 1
    inputs: ClassVar[tuple[str, ...]] = INPUTS
    outputs: ClassVar[pa.Schema] = pa.schema([pa.field("similarity", pa.float64())])
    service_kinds: ClassVar[dict[str, Role]] = {"service": "embedder"}
    calls_per_sample: ClassVar[float | None] = None

    def __init__(self, params: SimilarityParams, *, services: Services) -> None:
        self._params = params
        self._embedder = services.embedder(params.service)

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One value a sample; null for one that is no translation, has no words or is in a language unknown to the
        model."""
        params = self._params
        found = translations(batch, params.tags) if params.against == "source" else exchanges(batch, params.tags)
        pairs = within(found, self._embedder.model, params.languages)
        vectors = self._embedder.embed([text for pair in pairs for text in (pair.source, pair.text)])
        cosines = (vectors[::2] * vectors[1::2]).sum(axis=1, dtype="float64").clip(-1.0, 1.0).tolist()
        return lowest(batch, pairs, cosines, "similarity")
