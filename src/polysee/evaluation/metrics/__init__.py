"""Metrics by name, in two modes: as the benchmark's own code has it, and as is right in every language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from polysee.evaluation.metrics import answers, corpus, grounding, groups, judged, mmmu, ocr, significance, vqa
from polysee.evaluation.metrics.base import Call, Metric, Mode, Value
from polysee.evaluation.metrics.corpus import sentence_chrf, xcomet
from polysee.evaluation.metrics.groups import all_of_group, composite

__all__ = ["Mode", "Value", "all_of_group", "composite", "compute", "names", "sentence_chrf", "xcomet"]

_METRICS: dict[str, Metric] = {
    **answers.METRICS,
    **corpus.METRICS,
    **grounding.METRICS,
    **groups.METRICS,
    **judged.METRICS,
    **mmmu.METRICS,
    **ocr.METRICS,
    **significance.METRICS,
    **vqa.METRICS,
}


def compute(
    name: str,
    prediction: Any,
    references: Any,
    *,
    language: str = "en",
    mode: Mode = "multilingual",
    options: Sequence[Any] | None = None,
) -> Value:
    """The value of metric ``name``; ``docs/metrics.md`` says what each takes and returns.

    ``official`` reproduces the benchmark's own code; ``multilingual`` knows the language's letters, digits, words and
    punctuation. ``options``: the option texts of a multiple-choice question, or one map of letters to texts for each
    rotation of a circular evaluation. Raises `ValueError` for an unknown name or mode and for impossible input.
    """
    if name not in _METRICS:
        raise ValueError(f"no metric is called {name!r}; known metrics: {', '.join(names())}")
    if mode not in get_args(Mode):
        raise ValueError(f"no mode is called {mode!r}; known modes: {', '.join(get_args(Mode))}")
    return _METRICS[name](prediction, references, Call(language, mode, options))


def names() -> list[str]:
    """All metrics that `compute` knows, sorted."""
    return sorted(_METRICS)
