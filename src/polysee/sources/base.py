"""What a source is: a reader of someone's dataset that yields records and their media, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from polysee.schema.config import Config
from polysee.schema.sample import MediaKind, Origin, Turn


class Params(Config):
    """Parameters of a step as a recipe writes them."""


@dataclass(frozen=True, slots=True)
class MediaBlob:
    """Bytes of one medium exactly as the dataset holds them, and where they came from (for messages)."""

    data: bytes
    kind: MediaKind = "image"
    place: str = ""
    box: tuple[float, float, float, float] | None = None
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A sample before its media are stored: the store checks and hashes the blobs and makes the `Sample`.

    ``key`` is unique within the source and stable across runs.
    """

    key: str
    task: str
    language: str
    turns: tuple[Turn, ...]
    media: tuple[MediaBlob, ...] = ()
    instruction: str = ""
    options: tuple[str, ...] = ()
    split: str = "train"
    tags: tuple[str, ...] = ()
    licence: str = ""
    """Overrides the source's licence for this record."""
    origins: tuple[Origin, ...] = ()
    """Where the record itself says that it came from; they follow the origin that names this source."""
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not be read. ``reason`` is a short stable slug; the funnel counts it."""

    key: str
    reason: str
    detail: str = ""
    language: str = "und"


EVALUATION_ONLY = "use:evaluation-only"
"""The tag of samples that no model may be trained on, such as M3IT's translated sets."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is known of a dataset without its files. ``rows``: at most, None if nobody says; "" and () mean unknown."""

    rows: int | None
    licence: str = ""
    task: str = ""
    languages: tuple[str, ...] = ()
    split: str = ""
    dataset: str = ""


@runtime_checkable
class Foreseeable(Protocol):
    """A source class that can tell what it would read where its files are not there (`MissingData`)."""

    def expected(self, params: Any) -> Expected | None:
        """A class method; None where nothing is known."""
        ...


class Source(Protocol):
    """A class in the registry: ``Source(params, seed=...)``.

    ``version`` is raised whenever the output for equal input changes. ``read`` must be deterministic, must not
    depend on other shards, and yields `Reject` for a bad record instead of raising.
    """

    Params: ClassVar[type[Params]]
    version: ClassVar[int]
    licence: str

    def fingerprint_inputs(self) -> Sequence[str]:
        """Content hashes of all input files (``path-independent``), so that a changed file changes the dataset."""
        ...

    def shards(self) -> Sequence[str]:
        """Names of the independent parts, in order. At least one."""
        ...

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The records of one shard, in order."""
        ...
