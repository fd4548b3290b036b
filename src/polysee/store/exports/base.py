"""What a format is: a check of what it can hold, and a writer of files, split by split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import pyarrow as pa

from polysee.schema.sample import Sample

SHARD_BYTES = 500 * 10**6
"""A file of media and text is closed as soon as it holds so many bytes of them."""


class Unfit(Exception):
    """A sample that a format cannot hold without changing what it means. ``reason`` is a short phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Item:
    """A sample with the bytes of its media, in their order, and the values of the columns that scores added."""

    sample: Sample
    media: tuple[bytes, ...] = ()
    scores: Mapping[str, object] | None = None

    @property
    def size(self) -> int:
        """Bytes of media and (about) of text."""
        words = sum(len(turn.input) + len(turn.output) for turn in self.sample.turns)
        return sum(map(len, self.media)) + words + len(self.sample.instruction) + 512


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to write, and what is known before. ``splits``: each split with the name that its files get.

    ``scores``: the columns that scores and selects added. ``videos``: whether any sample has one.
    """

    folder: Path
    splits: Mapping[str, str]
    scores: pa.Schema
    videos: bool = False
    shard_bytes: int = SHARD_BYTES


@dataclass(frozen=True, slots=True)
class Written:
    """A finished file: its path below the folder, with ``/``, and the samples of one split in it, in order."""

    name: str
    split: str
    samples: int


class Format(Protocol):
    """A class in the registry: ``Format(plan)``. `check` is called before `add`, and again when it is read back.

    ``source`` and ``source_params``: the source that reads it again, and its parameters beside ``path``.
    ``keeps_scores``: whether the columns that scores added are written.
    """

    source: ClassVar[str]
    source_params: ClassVar[Mapping[str, str]]
    keeps_scores: ClassVar[bool]
    patterns: ClassVar[str]
    """Glob of a split's files, with ``{split}`` for the name: what a Hub reader is told."""

    def __init__(self, plan: Plan) -> None: ...

    @staticmethod
    def check(sample: Sample) -> None:
        """Raises `Unfit` for a sample that the format cannot hold."""
        ...

    def start(self, split: str) -> None:
        """From now on samples are of this split."""
        ...

    def add(self, item: Item) -> None:
        """Write one sample."""
        ...

    def finish(self) -> list[Written]:
        """Close everything; the files in the order in which they were written."""
        ...

    def discard(self) -> None:
        """Close what is open after an error; nothing of it will be used."""
        ...
