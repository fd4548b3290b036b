"""How a judge is asked."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from polysee.schema.config import Config
from polysee.services.config import ServiceConfig

Mode = Literal["pair", "score", "rank"]


class Criterion(Config):
    """What an answer is judged by. ``meaning``: one sentence, in English as the rest of what the judge reads."""

    name: str = Field(min_length=1, max_length=60)
    meaning: str = Field(min_length=1, max_length=400)


class Asking(Config):
    """``samples`` independent verdicts are drawn for each order of the answers (FairEval's multiple evidence, k = 3),
    at ``temperature``; with ``both_orders`` every comparison is also made with the answers exchanged (its balanced
    positions) and the two are averaged. ``preset``: ``reference`` has accuracy, relevance and naturalness with the
    reference answer shown and no picture, as in M3IT's evaluation; ``picture`` has them with the picture instead.
    ``criteria`` replaces the preset's. Means closer than ``tie`` points are a tie. ``batch``: requests at once.
    """

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
    def _samples_differ(self) -> Self:
        if self.samples > 1 and self.temperature == 0:
            raise ValueError("several samples at temperature 0 are one sample; raise the temperature or ask once")
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest score."""
        return (1.0, 10.0) if self.scale == "1-10" else (0.0, 10.0)


class JudgeConfig(Asking):
    """``mode``: two answers beside each other, one alone, or all of them ranked."""

    mode: Mode = "pair"


class JudgeSection(Asking):
    """A ``judge:`` section. ``chat``: the service that judges. ``mode``: where left out, ``score`` for one model and
    ``pair`` for several. ``tasks`` and ``languages``: only these; ``limit``: the most questions of a language, about
    the same pictures in each.
    """

    chat: str = ""
    mode: Mode | None = None
    tasks: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    limit: int | None = Field(default=None, ge=1)

    def config(self, models: int) -> JudgeConfig:
        """How ``models`` models are judged. Raises `ValueError` where one is to be compared."""
        mode = self.mode or ("score" if models == 1 else "pair")
        if models == 1 and mode != "score":
            raise ValueError(f"the mode {mode!r} compares answers, and there is one model")
        asking = {name: getattr(self, name) for name in Asking.model_fields}
        return JudgeConfig(mode=mode, **asking)


class JudgeFile(Config):
    """A file for ``polysee judge``: chat services as a recipe has them, and how to judge."""

    services: tuple[ServiceConfig, ...] = ()
    judge: JudgeSection = JudgeSection()
