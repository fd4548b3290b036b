"""Metrics by name, in two modes: as the benchmark's own code has it, and as is right in every language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

from polysee.evaluation import boxes
from polysee.evaluation.numbers import parse_number
from polysee.schema.errors import MissingExtra
from polysee.text.digits import to_ascii
from polysee.text.normalise import key, nfc

Mode = Literal["official", "multilingual"]
Value = float | str | list[float] | None


def compute(
    name: str,
    prediction: Any,
    references: Any,
    *,
    language: str = "en",
    mode: Mode = "multilingual",
    options: Sequence[str] | None = None,
) -> Value:
    """The value of metric ``name``.

    - ``exact_match``: answer text, list of gold texts -> 0 or 1.
    - ``chrf``: list of hypotheses, list of reference streams -> 0-100.
    - ``iou``: box x1, y1, x2, y2 and box -> 0-1.
    - ``bbox_parse``: answer text -> four floats, or None.
    - ``unicode_number``: text -> float, or None.

    ``official`` reproduces the benchmark's own code; ``multilingual`` knows the language's letters, digits and
    punctuation. ``options`` concerns multiple-choice metrics alone. Raises `ValueError` for an unknown name or mode.
    """
    if name not in _METRICS:
        raise ValueError(f"no metric is called {name!r}; known metrics: {', '.join(names())}")
    if mode not in get_args(Mode):
        raise ValueError(f"no mode is called {mode!r}; known modes: {', '.join(get_args(Mode))}")
    return _METRICS[name](prediction, references, language, mode)


def names() -> list[str]:
    """All metrics that `compute` knows, sorted."""
    return sorted(_METRICS)


def _exact_match(prediction: str, references: Sequence[str], language: str, mode: Mode) -> float:
    if mode == "official":
        return float(any(prediction == reference for reference in references))
    return float(any(_same(prediction, reference, language) for reference in references))


def _same(prediction: str, reference: str, language: str) -> bool:
    """Equal canonical keys, or equal numbers in whatever digits. An empty answer equals nothing."""
    first, second = (key(to_ascii(text), language) for text in (prediction, reference))
    if first == second:
        return bool(first)
    number = parse_number(first, language=language)
    return number is not None and number == parse_number(second, language=language)


def _chrf(prediction: Sequence[str], references: Sequence[Sequence[str]], language: str, mode: Mode) -> float:
    if mode == "multilingual":
        prediction = [nfc(text) for text in prediction]
        references = [[nfc(text) for text in stream] for stream in references]
    return float(_scorer().corpus_score(list(prediction), [list(stream) for stream in references]).score)


def sentence_chrf(prediction: str, references: Sequence[str]) -> float:
    """chrF2 of one sentence in NFC, 0-1."""
    return float(_scorer().sentence_score(nfc(prediction), [nfc(text) for text in references]).score) / 100.0


@lru_cache(maxsize=1)
def _scorer() -> Any:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtra("sacrebleu", "eval") from error
    return CHRF()


def _iou(prediction: Sequence[float], references: Sequence[float], language: str, mode: Mode) -> float:
    return boxes.iou(prediction, references)


def _bbox_parse(prediction: str, references: object, language: str, mode: Mode) -> list[float] | None:
    return boxes.parse_official(prediction) if mode == "official" else boxes.parse_box(prediction)


def _unicode_number(prediction: str, references: object, language: str, mode: Mode) -> float | None:
    return parse_number(prediction, language=language)


_METRICS: dict[str, Callable[[Any, Any, str, Mode], Value]] = {
    "bbox_parse": _bbox_parse,
    "chrf": _chrf,
    "exact_match": _exact_match,
    "iou": _iou,
    "unicode_number": _unicode_number,
}
