"""The recipe's ``evaluate`` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polysee.schema.config import Config

Metric = Literal["choice", "exact_match", "chrf", "iou"]
Baseline = Literal["blank", "untrained", "shuffled"]


class TaskConfig(Config):
    """Measure ``task`` (all samples of that name outside the training split) by ``metric``.

    ``choice``: the likeliest of the sample's options; the others generate an answer freely.
    """

    task: str
    metric: Metric
    baselines: tuple[Baseline, ...] = ()


class EvaluateConfig(Config):
    """``splits``: held-out parts to measure; empty means all of them. ``resamples``: of the bootstrap."""

    tasks: tuple[TaskConfig, ...] = ()
    splits: tuple[str, ...] = ()
    resamples: int = Field(default=2000, ge=100)
    batch: int = Field(default=32, ge=1)
    max_new_tokens: int = Field(default=24, ge=1)
