"""How a judge is asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from polysee.schema.config import Config

Mode = Literal["pair", "score", "rank"]


class Criterion(Config):
    """What an answer is judged by. ``meaning``: one sentence, in English as the rest of what the judge reads."""

    name: str = Field(min_length=1, max_length=60)
    meaning: str = Field(min_length=1, max_length=400)


class JudgeConfig(Config):
    """``mode``: two answers beside each other, one alone, or all of them ranked.

    ``samples`` independent verdicts are drawn for each order of the answers (FairEval's multiple evidence, k = 3), at
    ``temperature``; with ``both_orders`` every comparison is also made with the answers exchanged (its balanced
    positions) and the two are averaged. ``preset``: ``reference`` has accuracy, relevance and naturalness with the
    reference answer shown and no picture, as in M3IT's evaluation; ``picture`` has them with the picture instead.
    ``criteria`` replaces the preset's. Means closer than ``tie`` points are a tie.
    """

    mode: Mode = "pair"
    scale: Literal["1-10", "0-10"] = "1-10"
    samples: int = Field(default=3, ge=1, le=20)
    both_orders: bool = True
    temperature: float = Field(default=1.0, ge=0, le=2)
    max_tokens: int = Field(default=1024, ge=16)
    preset: Literal["reference", "picture"] = "reference"
    criteria: tuple[Criterion, ...] = ()
    tie: float = Field(default=0.0, ge=0, le=10)
    batch: int = Field(default=256, ge=1)

    @model_validator(mode="after")
    def _samples_differ(self) -> JudgeConfig:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("several samples at temperature 0 are one sample; raise the temperature or ask once")
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest score."""
        return (1.0, 10.0) if self.scale == "1-10" else (0.0, 10.0)
