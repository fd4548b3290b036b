"""The recipe: what a team writes down, and all that a run depends on."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any, ClassVar, cast

from pydantic import Field, JsonValue, field_validator, model_validator
from pydantic_core import PydanticCustomError

from polysee import scores, sources, transforms
from polysee.evaluation.config import EvaluateConfig
from polysee.mixture.config import MixConfig
from polysee.models.config import ModelConfig, TokenizerConfig
from polysee.recipe.checks import cross_findings
from polysee.schema.config import Config
from polysee.services.config import ServiceConfig
from polysee.sources.base import Params
from polysee.training.config import EncoderConfig, StageConfig

CROSS_ERROR = "polysee_cross"
"""The type of the pydantic error that stands for `cross_findings`, which the loader reports with places instead."""

_STEP_NAME = r"^[a-z0-9]+([-_][a-z0-9]+)*$"


class StepConfig(Config):
    """A named use of a registered part. ``params``: what that part's ``Params`` model takes."""

    registry: ClassVar[Callable[[str], Any]]

    name: str = Field(pattern=_STEP_NAME)
    use: str
    params: dict[str, JsonValue] = Field(default_factory=dict)

    def implementation(self) -> Any:
        """The registered class. Raises `UserError` where ``use`` names none."""
        return type(self).registry(self.use)

    def parsed_params(self) -> Params:
        """``params`` as the class's own model. Raises `pydantic.ValidationError` where they do not fit it."""
        parsed = self.implementation().Params.model_validate_json(json.dumps(self.params), strict=True)
        return cast(Params, parsed)


class SourceConfig(StepConfig):
    """A dataset. ``repeat``: how often one epoch passes over it; below 1, that share of it."""

    registry: ClassVar[Callable[[str], Any]] = sources.get

    repeat: float = Field(default=1.0, gt=0.0, le=4.0)


class TransformConfig(StepConfig):
    """A step that makes none, one or many samples of each."""

    registry: ClassVar[Callable[[str], Any]] = transforms.get


class ScoreConfig(StepConfig):
    """A step that adds columns."""

    registry: ClassVar[Callable[[str], Any]] = scores.get


class SelectConfig(Config):
    """``where``: an SQL predicate over the columns of a sample and of the scores; it fills the column `column`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    where: str = Field(min_length=1)

    @field_validator("where")
    @classmethod
    def _normalised(cls, where: str) -> str:
        return unicodedata.normalize("NFC", where)

    @property
    def column(self) -> str:
        """``keep_<name>``: true = kept, false = dropped, null = unknown."""
        return f"keep_{self.name}"


class ReportConfig(Config):
    """``gallery``: how many samples the report shows as pictures."""

    gallery: int = Field(default=24, ge=0, le=1000)


class Recipe(Config):
    """One run, from data to a measured checkpoint.

    ``name``: of the run's directory. ``seed``: of everything that is drawn. ``workers``: processes on this machine;
    never changes a result. ``tolerance``: the largest share of a step's records that may fail. ``services``: models
    that steps call by their names.
    """

    name: str = Field(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=100)
    seed: int = Field(default=0, ge=0, lt=2**32)
    workers: int = Field(default=2, ge=1, le=1024)
    tolerance: float = Field(default=0.01, ge=0.0, le=1.0)
    services: tuple[ServiceConfig, ...] = ()
    sources: tuple[SourceConfig, ...] = ()
    transforms: tuple[TransformConfig, ...] = ()
    scores: tuple[ScoreConfig, ...] = ()
    select: tuple[SelectConfig, ...] = ()
    mix: MixConfig = MixConfig()
    tokenizer: TokenizerConfig | None = None
    model: ModelConfig | None = None
    stages: tuple[StageConfig, ...] = ()
    encoder: EncoderConfig | None = None
    evaluate: EvaluateConfig | None = None
    report: ReportConfig | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        findings = cross_findings(self.model_dump(mode="json"))
        if findings:
            text = "; ".join(f"{'.'.join(map(str, finding.keys))}: {finding.cause}" for finding in findings)
            raise PydanticCustomError(CROSS_ERROR, "{text}", {"text": text})
        return self
