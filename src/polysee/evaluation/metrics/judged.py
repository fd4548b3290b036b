"""Scores out of a judge's text, and judges asked in both orders (FairEval)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from polysee.evaluation.judge.parse import parse_pair
from polysee.evaluation.metrics.base import Call, Metric, mean


def faireval_parse(prediction: str, references: object, call: Call) -> list[float] | None:
    """The two scores of a judge's text, or None. Official: what stands behind the colons of the very last two lines.

    Multilingual: as `polysee.evaluation.judge.parse.parse_pair` reads verdicts, on whatever scale.
    """
    if call.official:
        return _official(prediction)
    found = parse_pair(prediction)
    return None if found is None else list(found)


def _official(text: str) -> list[float] | None:
    lines = text.split("\n")
    if len(lines) < 2:
        return None
    try:
        return [float(line.split(":")[-1].strip()) for line in lines[-2:]]
    except ValueError:
        return None


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
