"""What a transform will make of samples that are only counted yet, and how often it will ask a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from polysee.schema.sample import Sample

DATASET = "dataset:"


@dataclass(frozen=True, slots=True)
class SampleKind:
    """Samples that a plan cannot tell apart; "" where it does not know, which fits everything."""

    task: str = ""
    language: str = ""
    split: str = ""
    dataset: str = ""

    def may_be(self, tasks: Sequence[str] | None, splits: Sequence[str] | None, tags: Sequence[str] | None) -> bool:
        """Whether such samples can be of the tasks and splits and have one of the tags; None stands for all.

        Of tags only ``dataset:…`` is known before a run; any other may be there.
        """
        datasets = [tag.removeprefix(DATASET) for tag in tags or () if tag.startswith(DATASET)]
        other = tags is not None and len(datasets) < len(tags)
        return (
            (tasks is None or not self.task or self.task in tasks)
            and (splits is None or not self.split or self.split in splits)
            and (tags is None or other or not self.dataset or self.dataset in datasets)
        )


Counts = Mapping[SampleKind, int]


@dataclass(frozen=True, slots=True)
class Forecast:
    """``counts``: at most, after the step. ``requests``: about. ``tokens``: of one request, and of its reply.

    ``media``: whether it makes pictures or videos, whose bytes nobody knows before.
    """

    counts: Counts
    requests: int = 0
    tokens: tuple[int, int] = (0, 0)
    media: bool = False


Forecaster = Callable[[object, Counts], Forecast]


def add(counts: dict[SampleKind, int], kind: SampleKind, number: int) -> None:
    """Count ``number`` more of a kind."""
    if number:
        counts[kind] = counts.get(kind, 0) + number


def in_language(kind: SampleKind, tag: str) -> SampleKind:
    """The same samples in another language."""
    return replace(kind, language=tag)


def has_tag(sample: Sample, tags: Sequence[str] | None) -> bool:
    """Whether a sample has one of the tags; None stands for all samples."""
    return tags is None or not set(tags).isdisjoint(sample.tags)
