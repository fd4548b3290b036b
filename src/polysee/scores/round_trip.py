"""How much of a text comes back when its translation is translated back."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import pyarrow as pa

from polysee.schema.errors import MissingExtra
from polysee.scores.pairs import INPUTS, Pair, TranslationParams, lowest, translations
from polysee.services.base import Failure, Segment
from polysee.services.config import Role
from polysee.services.open import Services
from polysee.services.translators.guarded import translate_texts
from polysee.text.normalise import nfc


class RoundTripParams(TranslationParams):
    """Parameters of the score."""


class RoundTrip:
    """``round_trip``: chrF2 (Popović, 2015), case left aside, of the translation back against the source, from 0 to 1,
    the lowest of a translation's texts.

    Letters are compared and not words, so that it serves scripts without spaces. A translator that left the text as it
    was gets 1: see to the language as well (`language_id`).
    """

    Params: ClassVar[type[RoundTripParams]] = RoundTripParams
    version: ClassVar[int] = 1
    inputs: ClassVar[tuple[str, ...]] = INPUTS
    outputs: ClassVar[pa.Schema] = pa.schema([pa.field("round_trip", pa.float64())])
    service_kinds: ClassVar[dict[str, Role]] = {"service": "translator"}
    calls_per_sample: ClassVar[float | None] = None

    def __init__(self, params: RoundTripParams, *, services: Services) -> None:
        self._params = params
        self._translator = services.translator(params.service)

    def compute(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """One value a sample; null for one that is no translation, has no words, or of which a text could not be
        translated back. Raises `MissingExtra` without sacrebleu."""
        pairs = list(translations(batch, self._params.tags))
        segments = [Segment(pair.text, pair.language, pair.source_language) for pair in pairs]
        back = translate_texts(self._translator, segments)
        return lowest(batch, pairs, [_likeness(*one) for one in zip(pairs, back, strict=True)], "round_trip")


def _likeness(pair: Pair, back: str | Failure) -> float | None:
    if isinstance(back, Failure):
        return None
    return float(_chrf().sentence_score(nfc(back), [nfc(pair.source)]).score) / 100.0


@cache
def _chrf() -> Any:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtra("sacrebleu", "eval") from error
    # One word more or less with a capital would decide about short answers.
    return CHRF(lowercase=True)
