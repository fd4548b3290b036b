"""The recipe's ``evaluate`` section."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polysee.evaluation.judge.config import JudgeSection
from polysee.schema.config import Config

Metric = Literal["choice", "exact_match", "chrf", "iou"]
Baseline = Literal["blank", "untrained", "shuffled"]
Distortion = Literal["blur", "noise", "jpeg", "contrast", "pixelate"]
"""Kinds of worse pictures, as `polysee.media.distort.KINDS` has them."""


class TaskConfig(Config):
    """Measure ``task`` (all samples of that name outside the training split) by ``metric``.

    ``choice``: the likeliest of the sample's options; the others generate an answer freely. ``distortions``: ask once
    more for each of these kinds and each of its three levels, with worse pictures.
    """

    task: str
    metric: Metric
    baselines: tuple[Baseline, ...] = ()
    distortions: tuple[Distortion, ...] = ()


class EvaluateConfig(Config):
    """``splits``: held-out parts to measure; empty means all of them. ``checkpoints``: ``all`` measures each stage's
    checkpoint and those of ``keep_every`` as well, without baselines and worse pictures, for curves over the training.
    ``judge``: have a chat service score answers in words as well, which makes rows of the metric `judge`.
    ``resamples``: of the bootstrap.
    """

    tasks: tuple[TaskConfig, ...] = ()
    splits: tuple[str, ...] = ()
    checkpoints: Literal["last", "all"] = "last"
    judge: JudgeSection | None = None
    resamples: int = Field(default=2000, ge=100)
    batch: int = Field(default=32, ge=1)
    max_new_tokens: int = Field(default=24, ge=1)
