"""Records that polysee itself exported with all their fields: checked, because anybody may have changed the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from polysee.schema.errors import BadRecord
from polysee.schema.sample import Origin, Turn
from polysee.sources.base import MediaBlob, Params, SourceRecord
from polysee.sources.fields import language_tag, record_id


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
            licence=self.origins[0].licence if self.origins else "",
            origins=tuple(Origin(**origin.model_dump()) for origin in self.origins),
        )


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
