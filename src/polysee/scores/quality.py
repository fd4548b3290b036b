"""How good translations are to a model that was taught by people's judgements."""

from __future__ import annotations

from typing import ClassVar

import pyarrow as pa

from polysee.scores.pairs import INPUTS, JudgedParams, lowest, translations, within
from polysee.services.base import Failure, Translation
from polysee.services.config import Role
from polysee.services.open import Services


class QualityParams(JudgedParams):
    """Parameters of the score."""


class Quality:
    """``quality``: from 0 (useless) to 1 (perfect), the lowest of a translation's texts, judged without a reference.

    VisionBlocks keeps translated captions from 0.85 on, by CometKiwi (arXiv:2510.21849, section 2.1).
    """

    Params: ClassVar[type[QualityParams]] = QualityParams
    version: ClassVar[int] = 1
    inputs: ClassVar[tuple[str, ...]] = INPUTS
    outputs: ClassVar[pa.Schema] = pa.schema([pa.field("quality", pa.float64())])
    service_kinds: ClassVar[dict[str, Role]] = {"service": "quality"}
    calls_per_sample: ClassVar[float | None] = None

    def __init__(self, params: QualityParams, *, services: Services) -> None:
        self._params = params
        self._estimator = services.quality(params.service)

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One value a sample; null for one that is no translation, has no words, is in a language unknown to the model,
        or of which a text could not be judged."""
        pairs = within(translations(batch, self._params.tags), self._estimator.model, self._params.languages)
        asked = [
            Translation(p.source, p.text, source_language=p.source_language, target_language=p.language) for p in pairs
        ]
        values = [None if isinstance(one, Failure) else one for one in self._estimator.estimate(asked)]
        return lowest(batch, pairs, values, "quality")
