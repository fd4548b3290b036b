"""Boxes."""

from __future__ import annotations

from collections.abc import Sequence

from polysee.evaluation import boxes
from polysee.evaluation.metrics.base import Call, Metric


def iou(prediction: Sequence[float], references: Sequence[float], call: Call) -> float:
    """Intersection over union of two boxes x1, y1, x2, y2, 0-1. RefCOCO counts 0.5 and more as right.

    Official: as lmms-eval has it, where a box with its corners swapped keeps its area.
    """
    return boxes.iou_official(prediction, references) if call.official else boxes.iou(prediction, references)


def bbox_parse(prediction: str, references: object, call: Call) -> list[float] | None:
    """The first box of an answer in its own scale, or None. Official: of one notation only, else four zeros."""
    return boxes.parse_official(prediction) if call.official else boxes.parse_box(prediction)


METRICS: dict[str, Metric] = {"bbox_parse": bbox_parse, "iou": iou}
