"""Records that polysee itself exported with all their fields: checked, because anybody may have changed the files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Origin, Turn
from polysee.sources.base import MediaBlob, Params, Reject, SourceRecord
from polysee.sources.fields import data_hash, files_below, language_tag, record_id

Entry = TypeVar("Entry")
"""What one sample is in a file, before it is parsed."""


class ExportedParams(Params):
    """Where the files are."""

    path: str
    """A file, or a folder whose files are read in the order of their names."""
    licence: str = "unknown"
    """The licence of records that do not name theirs."""


class _Part(BaseModel):
    """Files may hold further keys: scores, and what later versions add."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Turn(_Part):
    input: str
    output: str


class _Origin(_Part):
    source: str
    key: str
    licence: str
    parent: str = ""
    step: str = ""
    service: str = ""
    model: str = ""
    parameters: str = ""


class ExportedMedium(_Part):
    """``file``: the ending of its member in a WebDataset shard."""

    kind: Literal["image", "video", "page"]
    box: list[FiniteFloat] | None = Field(default=None, min_length=4, max_length=4)
    span: list[FiniteFloat] | None = Field(default=None, min_length=2, max_length=2)
    file: str = ""


class ExportedSample(_Part):
    """A sample's fields as they were written, but its media."""

    id: str
    task: str = Field(min_length=1)
    language: str
    instruction: str = ""
    turns: list[_Turn] = Field(min_length=1)
    options: list[str] = []
    origins: list[_Origin] = []
    split: str = Field(min_length=1)
    tags: list[str] = []
    references: list[str] = []
    media: list[ExportedMedium] = []

    def record(self, key: str, blobs: Sequence[bytes], place: str) -> SourceRecord:
        """The record with the bytes of its media, in order. Raises `BadRecord`."""
        return SourceRecord(
            key=key,
            task=self.task,
            language=language_tag(self.language),
            turns=tuple(Turn(turn.input, turn.output) for turn in self.turns),
            media=tuple(_blob(one, data, place) for one, data in zip(self.media, blobs, strict=True)),
            instruction=self.instruction,
            options=tuple(self.options),
            split=self.split,
            tags=tuple(self.tags),
            references=tuple(self.references),
            licence=self.origins[0].licence if self.origins else "",
            origins=tuple(Origin(**origin.model_dump()) for origin in self.origins),
        )


class ExportedSource(ABC, Generic[Entry]):
    """Files of an export, a shard each. ``ending``: of their names; ``kind``: what messages call one of them."""

    Params: ClassVar[type[ExportedParams]] = ExportedParams
    version: ClassVar[int] = 1
    ending: ClassVar[str]
    kind: ClassVar[str]

    def __init__(self, params: ExportedParams, *, seed: int = 0) -> None:
        self.licence = params.licence
        path = Path(params.path).expanduser()
        self._files = {path.name: path} if path.is_file() else files_below(path, (self.ending,))
        if not self._files:
            fix = f"set `path` to a {self.kind}, or to a folder of them"
            raise UserError(f"there is no {self.kind}", fix, place=params.path)

    def shards(self) -> Sequence[str]:
        """The files' paths relative to the folder."""
        return list(self._files)

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the files, in the order of the shards."""
        return [data_hash(path) for path in self._files.values()]

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The samples of one file, in order; a bad one becomes a `Reject` with its file and its place in it.

        Raises `UserError` for a file that cannot be read.
        """
        seen: set[str] = set()
        for name, entry in self.entries(self._files[shard], shard):
            place = key = f"{shard}:{name}"
            language = "und"
            try:
                sample = self.sample(entry)
                key, language = key_of(sample, seen), sample.language
                yield sample.record(key, self.blobs(sample, entry), place)
            except BadRecord as bad:
                yield Reject(key, bad.reason, f"{place}: {bad.detail}", language)

    @abstractmethod
    def entries(self, path: Path, shard: str) -> Iterator[tuple[object, Entry]]:
        """What stands in a file, each with its name or number there."""

    @abstractmethod
    def sample(self, entry: Entry) -> ExportedSample:
        """The checked fields. Raises `BadRecord`."""

    @abstractmethod
    def blobs(self, sample: ExportedSample, entry: Entry) -> Sequence[bytes]:
        """The bytes of the sample's media, in order. Raises `BadRecord`."""


def parse(data: Mapping[str, Any]) -> ExportedSample:
    """The checked fields. Raises `BadRecord` (``bad-field``) that names the first wrong one."""
    try:
        return ExportedSample.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        raise BadRecord("bad-field", f"{at}: {first['msg']}") from None


def key_of(sample: ExportedSample, seen: set[str]) -> str:
    """The id as a key. Raises `BadRecord` (``duplicate-id``) for one that came before in the same file."""
    key = record_id(sample.id)
    if key in seen:
        raise BadRecord("duplicate-id", repr(key))
    seen.add(key)
    return key


def _blob(medium: ExportedMedium, data: bytes, place: str) -> MediaBlob:
    if not data:
        raise BadRecord("zero-byte-file", f"{place}: a medium has no bytes")
    box = (medium.box[0], medium.box[1], medium.box[2], medium.box[3]) if medium.box is not None else None
    span = (medium.span[0], medium.span[1]) if medium.span is not None else None
    return MediaBlob(data, medium.kind, place, box, span)
