"""Scores out of a judge's text, and judges asked in both orders (FairEval)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from polysee.evaluation.extraction.number import numbers_in
from polysee.evaluation.metrics.base import Call, Metric, mean
from polysee.evaluation.numbers import fold_digits

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_LABELLED = re.compile(rf"(?<![\d.,])([12])(?!\d)[^\d:=：\n]{{0,40}}[:=：]\s*[*_<\[(\"']*\s*{_NUMBER}(?!\s*[:：])")
_OUT_OF = re.compile(rf"{_NUMBER}\s*(?:/|out of|von|sur|de|من|から|中)\s*\d+", re.IGNORECASE)
_LAST = re.compile(rf"[:=：\-–—]\s*[*_<\[(\"']*\s*{_NUMBER}[\s*_>\])\"'.。।]*$")
_MARKS = re.compile(r"[*_`#]+")


def faireval_parse(prediction: str, references: object, call: Call) -> list[float] | None:
    """The two scores of a judge's text, or None. Official: what stands behind the colons of the very last two lines.

    Multilingual: scores labelled 1 and 2, the last of each; else the numbers that end the last two lines; else a line
    of two numbers. ``8/10`` is 8; digits of every script are read, and blank lines at the end do no harm.
    """
    return _official(prediction) if call.official else parse_scores(prediction, language=call.language)


def _official(text: str) -> list[float] | None:
    lines = text.split("\n")
    if len(lines) < 2:
        return None
    try:
        return [float(line.split(":")[-1].strip()) for line in lines[-2:]]
    except ValueError:
        return None


def parse_scores(text: str, *, language: str = "en") -> list[float] | None:
    """As `faireval_parse` in multilingual mode."""
    folded = _OUT_OF.sub(r"\1", _MARKS.sub("", fold_digits(text)))
    labelled: dict[str, float] = {}
    for label, value in _LABELLED.findall(folded):
        labelled[label] = float(value.replace(",", "."))
    if len(labelled) == 2:
        return [labelled["1"], labelled["2"]]
    lines = [line.strip() for line in folded.splitlines() if line.strip()]
    ends = [_LAST.search(line) for line in lines[-2:]]
    if len(ends) == 2 and all(ends):
        return [float(end[1].replace(",", ".")) for end in ends if end is not None]
    for line in reversed(lines):
        values = [found.value for found in numbers_in(line, language=language)]
        if len(values) == 2 and not re.search(r"[^\W\d_]", line):
            return values
    bare = [line for line in lines[-2:] if re.fullmatch(r"\[*\s*" + _NUMBER + r"\s*\]*", line)]
    return [float(re.sub(r"[^\d.,]", "", line).replace(",", ".")) for line in bare] if len(bare) == 2 else None


def faireval_bpc(
    prediction: Mapping[str, Sequence[Sequence[float] | None]], references: object, call: Call
) -> list[float] | None:
    """Balanced position calibration: mean scores over both orders, those of the swapped order swapped back.

    Samples without two scores are left out; None where none is left.
    """
    pairs = [tuple(p) for p in prediction.get("order_ab", ()) if p is not None and len(p) == 2]
    pairs += [(p[1], p[0]) for p in prediction.get("order_ba", ()) if p is not None and len(p) == 2]
    known = [pair for pair in pairs if all(math.isfinite(score) and score >= 0 for score in pair)]
    if not known:
        return None
    return [mean([pair[0] for pair in known]), mean([pair[1] for pair in known])]


METRICS: dict[str, Metric] = {"faireval_bpc": faireval_bpc, "faireval_parse": faireval_parse}
