"""Text read from pictures: token F1, character and word error rates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from polysee.evaluation.metrics.base import Call, Metric, texts
from polysee.evaluation.metrics.forms import plain, small
from polysee.schema.errors import MissingExtra
from polysee.text.languages import base_language
from polysee.text.segment import words

_OFFICIAL_BY_CHARACTER = ("ar", "ja", "ko", "zh")
_BY_CHARACTER = (*_OFFICIAL_BY_CHARACTER, "yue", "wuu", "th", "lo", "km", "my", "bo")
_TINY = 1e-9  # the benchmark's guard against division by zero, which shows in the ninth decimal


def ccocr_macro_f1(prediction: str, references: Any, call: Call) -> float:
    """F1 of the multisets of tokens of one picture, 0-1 (CC-OCR). Tokens are words, or characters in some languages.

    Official: characters for Arabic, Japanese, Korean and Chinese. Multilingual: also for scripts without spaces;
    Unicode forms, digits' scripts, full width and Arabic short vowels make no difference.
    """
    best = 0.0
    for gold in texts(references):
        found, wanted = _tokens(prediction, call), _tokens(gold, call)
        right = sum((Counter(found) & Counter(wanted)).values())
        recall, precision = right / (len(wanted) + _TINY), right / (len(found) + _TINY)
        best = max(best, 2 * recall * precision / (recall + precision + _TINY))
    return best


def _tokens(text: str, call: Call) -> list[str]:
    base = base_language(call.language)
    if call.official:
        text = re.sub(r"\s+", " ", text.replace("###", "").replace("***", ""))
        by_character = base in _OFFICIAL_BY_CHARACTER
    else:
        text = plain(text.replace("###", "").replace("***", ""), call.language)
        by_character = base in _BY_CHARACTER
    parts = list(text.replace(" ", "")) if by_character else text.split(" ")
    return [token.lower() if call.official else small(token, call.language) for token in parts if token]


def cer(prediction: Sequence[str], references: Sequence[str], call: Call) -> float:
    """Character error rate of a corpus, 0 upwards: edits over gold characters, by jiwer."""
    golds, answers = _pairs(prediction, references, call)
    return float(_jiwer().cer(golds, answers))


def wer(prediction: Sequence[str], references: Sequence[str], call: Call) -> float:
    """Word error rate of a corpus, 0 upwards, by jiwer. Multilingual: over `segment.words`."""
    golds, answers = _pairs(prediction, references, call)
    if not call.official:
        golds, answers = ([" ".join(words(text)) or text for text in side] for side in (golds, answers))
    return float(_jiwer().wer(golds, answers))


def _pairs(prediction: Sequence[str], references: Sequence[str], call: Call) -> tuple[list[str], list[str]]:
    answers = [prediction] if isinstance(prediction, str) else list(prediction)
    golds = texts(references)
    if len(golds) != len(answers):
        raise ValueError(f"{len(answers)} predictions for {len(golds)} references")
    if not call.official:
        golds, answers = ([plain(text, call.language) for text in side] for side in (golds, answers))
    if not all(golds):
        raise ValueError("an error rate needs references that are not empty")
    return golds, answers


def _jiwer() -> Any:
    try:
        import jiwer
    except ImportError as error:
        raise MissingExtra("jiwer", "eval") from error
    return jiwer


METRICS: dict[str, Metric] = {"ccocr_macro_f1": ccocr_macro_f1, "cer": cer, "wer": wer}
