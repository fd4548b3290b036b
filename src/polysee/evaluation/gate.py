"""Stops a model that has got worse in some language, and only if that is more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from polysee.evaluation.compare import Difference, grouped, pair
from polysee.evaluation.items import Answers, Scope, by_language, headline, read_answers
from polysee.schema.config import Config

FAILED = 3
"""The command line's exit code where a language has fallen."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class GateConfig(Config):
    """``against``: the folder of the model to hold against. ``max_drop``: how far a language may fall, as a share
    (0.01 is one point in a hundred); ``languages``: other limits for single ones. ``level``: the chance of stopping a
    model that is no worse in any language. ``splits`` and ``tasks``: only these; all by default.
    """

    against: str
    max_drop: Share = 0.01
    languages: dict[str, Share] = Field(default_factory=dict)
    level: float = Field(default=0.05, gt=0.0, lt=1.0)
    splits: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()

    def allowed(self, language: str) -> float:
        return self.languages.get(language, self.max_drop)


@dataclass(frozen=True, slots=True)
class Finding:
    """A language that has fallen too far, or (``difference`` None) that the new model was not asked in at all."""

    language: str
    allowed: float
    difference: Difference | None

    def __str__(self) -> str:
        if self.difference is None:
            return f"{self.language}: measured before, but not now"
        one = self.difference
        return (
            f"{self.language}: {100 * one.base:.1f} -> {100 * one.new:.1f} ({100 * one.value:+.1f}, "
            f"95% {100 * one.low:+.1f} to {100 * one.high:+.1f}), {100 * self.allowed:g} allowed, "
            f"p = {one.adjusted_drop:.2g} after correction"
        )


@dataclass(frozen=True)
class GateResult:
    """``findings``: empty where the model may pass. ``languages``: the family of tests, new minus base."""

    findings: tuple[Finding, ...]
    languages: dict[str, Difference]

    @property
    def exit_code(self) -> int:
        """What the command leaves with: 0, or `FAILED`."""
        return FAILED if self.findings else 0

    def lines(self) -> list[str]:
        """For a person."""
        if not self.findings:
            return [f"gate: none of {len(self.languages)} languages has fallen"]
        return ["gate: stopped", *(f"  {finding}" for finding in self.findings)]


def check(new: Path, config: GateConfig, *, resamples: int, seed: int) -> GateResult:
    """Hold the model measured in ``new`` against ``config.against``. Raises `UserError` as `gate` does."""
    return gate(read_answers(Path(config.against)), read_answers(new), config, resamples=resamples, seed=seed)


def gate(base: Answers, new: Answers, config: GateConfig, *, resamples: int, seed: int) -> GateResult:
    """Findings: languages whose mean fell by more than is allowed, with a one-sided p below ``config.level`` after
    Holm's correction over all languages; and languages that ``new`` was not asked in.

    Raises `UserError` where the two have no question in common.
    """
    scope = Scope(tasks=config.tasks, splits=config.splits)
    paired = pair(base, new, scope, resamples=resamples, seed=seed)
    languages = paired.family(grouped(headline(paired.chance), by_language), by_language)
    fallen = [
        Finding(tag, config.allowed(tag), one)
        for tag, one in languages.items()
        if one.value < -config.allowed(tag) and one.adjusted_drop < config.level
    ]
    asked = {item.key.cell.language for item in new.items if scope.holds(item.key.cell)}
    before = {item.key.cell.language for item in base.items if scope.holds(item.key.cell)}
    gone = [Finding(tag, config.allowed(tag), None) for tag in sorted(before - asked)]
    return GateResult((*fallen, *gone), languages)
