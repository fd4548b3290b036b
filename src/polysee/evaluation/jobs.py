"""What is to be answered: one question as it is put to a model, and how its answer is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from polysee.evaluation.tasks.models import How, MetricUse
from polysee.schema.sample import Sample

UNIT = 512
"""Questions in one commit: a few seconds of work."""


@dataclass(frozen=True, slots=True)
class Job:
    """``sample``: the question as it is put, with what precedes it; ``item``: id of the sample that it comes from.

    ``candidates``: what is weighed, or the options in the order in which they are shown; ``golds``: right answers, the
    first being a candidate where there are any. ``group``: of rotations that count together; ``variant``: how else the
    task was asked (None: directly). ``draws``: answers that vote. ``shuffled``: the question is in another language
    than the answers.
    """

    sample: Sample
    item: str
    task: str
    how: How
    measures: tuple[MetricUse, ...]
    candidates: tuple[str, ...]
    golds: tuple[str, ...]
    cluster: str
    baselines: tuple[str, ...] = ()
    group: str = ""
    variant: str | None = None
    tags: tuple[str, ...] = ()
    max_new_tokens: int = 32
    temperature: float = 0.0
    draws: int = 1
    shuffled: bool = False

    @property
    def language(self) -> str:
        """Of the answer."""
        return self.sample.language

    @property
    def order(self) -> tuple[str, ...]:
        """Sorts the questions about one picture beside each other, whatever order they came in."""
        measures = " ".join(f"{use.name}:{use.mode}" for use in self.measures)
        parts = (self.cluster, self.task, measures, self.variant or "", str(self.shuffled), self.sample.language)
        return (*parts, self.item, self.sample.id)

    @property
    def key(self) -> list[object]:
        """All that decides the answer and its score, for the fingerprint."""
        measures = [[use.name, use.mode] for use in self.measures]
        asked = [self.sample.id, self.item, self.sample.split, self.how, measures, list(self.candidates)]
        frames = [ref.frames for ref in self.sample.media]
        drawn = [self.max_new_tokens, self.temperature, self.draws]
        return [
            *asked,
            list(self.golds),
            list(self.baselines),
            self.group,
            self.variant,
            self.shuffled,
            *frames,
            *drawn,
        ]


def cluster_of(sample: Sample) -> str:
    """Answers about one image, in whatever language, are one cluster; without an image the sample is its own."""
    return sample.media[0].sha256 if sample.media else sample.id


def units_of(jobs: Iterable[Job], size: int = UNIT) -> list[list[Job]]:
    """Units of at least ``size`` jobs that never part one picture's questions, so that it is looked at once."""
    units: list[list[Job]] = []
    for job in sorted(jobs, key=lambda one: one.order):
        same = units and units[-1][-1].cluster == job.cluster
        if not units or (len(units[-1]) >= size and not same):
            units.append([])
        units[-1].append(job)
    return units


def limited(samples: Sequence[Sample], limit: int | None) -> set[str]:
    """Ids of at most ``limit`` samples of each language and split: those of the same pictures in every language."""
    if limit is None:
        return {sample.id for sample in samples}
    counts: dict[tuple[str, str], int] = {}
    chosen: set[str] = set()
    for sample in sorted(samples, key=lambda one: (_together(one), one.id)):
        cell = (sample.language, sample.split)
        counts[cell] = counts.get(cell, 0) + 1
        if counts[cell] <= limit:
            chosen.add(sample.id)
    return chosen


def _together(sample: Sample) -> str:
    return next((tag for tag in sample.tags if tag.startswith("group:")), cluster_of(sample))
