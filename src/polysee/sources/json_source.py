"""What the sources of JSON files with images share: files as shards, ids, languages, rejects, fingerprints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from polysee.schema.errors import BadRecord, MissingData, UserError
from polysee.schema.sample import Turn
from polysee.sources.base import Expected, MediaBlob, Params, Reject, SourceRecord
from polysee.sources.fields import (
    LanguageTag,
    data_hash,
    files_below,
    hash_files,
    image_file,
    language_tag,
    optional_field,
    record_id,
    safe_path,
    video_file,
)
from polysee.sources.rows import Row, read_rows


class JsonParams(Params):
    """Where the files are and what their records do not say themselves."""

    path: str
    """A JSON or JSON-lines file, or a folder of them (``*.json``, ``*.jsonl``, read in the order of their names)."""
    language: LanguageTag | None = None
    """The language of records that do not name theirs."""
    language_field: str | None = None
    """The field of a record that names its language."""
    task: str = "dialogue"
    task_field: str | None = None
    """The field of a record that names its task; `task` where it has none."""
    split: str = "train"
    split_field: str | None = None
    """The field of a record that names its split; `split` where it has none."""
    licence: str = "unknown"
    licence_field: str | None = None
    """The field of a record that names its licence; `licence` where it has none."""
    duplicate_ids: Literal["reject", "number"] = "reject"
    """What to do with a record whose id a former one has. Some sets (LLaVA-Instruct-150K) use the image's id for
    several dialogues: ``number`` keeps them as ``id#2``, ``id#3`` …"""

    expect: int | None = Field(default=None, ge=0)
    """How many records there will be: `polysee plan` then does not need the files."""

    @model_validator(mode="after")
    def _has_language(self) -> JsonParams:
        if self.language is None and self.language_field is None:
            raise ValueError("give `language`, or `language_field` if each record names its own")
        return self


class ImageFolderParams(JsonParams):
    """JSON records that name image files."""

    images: str | None = None
    """The folder that image paths are relative to; the folder of the JSON file if left out."""
    instruction_field: str | None = None
    """The field of a record that holds an instruction which its first question begins with; it is taken out there."""


class JsonSource(ABC):
    """Reads records from JSON files. A subclass turns one JSON object into a `SourceRecord`."""

    Params: ClassVar[type[JsonParams]]
    version: ClassVar[int] = 1

    def __init__(self, params: JsonParams, *, seed: int = 0) -> None:
        self._params = params
        self.licence = params.licence
        self._path = Path(params.path).expanduser()
        self._files = _files(self._path)

    @classmethod
    def expected(cls, params: JsonParams) -> Expected | None:
        """What the parameters say of records that are not there; None without ``expect``."""
        if params.expect is None:
            return None
        languages = (params.language,) if params.language is not None else ()
        task = "" if params.task_field is not None else params.task
        split = "" if params.split_field is not None else params.split
        return Expected(params.expect, params.licence, task, languages, split)

    @abstractmethod
    def _record(self, key: str, language: str, data: Mapping[str, Any]) -> SourceRecord:
        """The record of one JSON object. Raises `BadRecord`."""

    def shards(self) -> Sequence[str]:
        """The files' paths relative to the folder."""
        return list(self._files)

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the JSON files, in the order of the shards."""
        return [data_hash(path) for path in self._files.values()]

    def estimate(self) -> int:
        """Records, before anything runs. An upper bound: bad ones are rejected."""
        return sum(1 for shard in self._files for _ in self.rows(shard))

    def media_bytes(self) -> int:
        """Bytes of all media, before anything runs. An upper bound: they are inside the records, with their text."""
        return sum(path.stat().st_size for path in self._files.values())

    def rows(self, shard: str) -> Iterator[Row]:
        """The raw records of one file, in order."""
        return read_rows(self._files[shard])

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The records of one file, in order; a bad one becomes a `Reject` with its file and line."""
        seen: dict[str, int] = {}
        for number, row in enumerate(self.rows(shard), 1):
            key, language = row.place, "und"
            try:
                if row.error is not None:
                    raise row.error
                key = self._key(shard, number, row, seen)
                language = self._language(row.data)
                yield self._labelled(self._record(key, language, row.data), row.data)
            except BadRecord as bad:
                yield Reject(key, bad.reason, f"{row.place}: {bad.detail}".rstrip(": "), language)

    def _labelled(self, record: SourceRecord, data: Mapping[str, Any]) -> SourceRecord:
        """The record with what its own fields say of task, split and licence."""
        p = self._params
        task, split, licence = (
            "" if name is None else optional_field(data, name)
            for name in (p.task_field, p.split_field, p.licence_field)
        )
        return replace(record, task=task or record.task, split=split or record.split, licence=licence or record.licence)

    def _key(self, shard: str, number: int, row: Row, seen: dict[str, int]) -> str:
        value = row.data.get("id")
        key = f"record-{number}" if value is None else record_id(value)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            if self._params.duplicate_ids == "reject":
                raise BadRecord("duplicate-id", f"{key!r} was used before; `duplicate_ids: number` keeps such records")
            key = f"{key}#{seen[key]}"
            seen[key] = seen.get(key, 0) + 1
        return f"{shard}/{key}" if self._path.is_dir() else key

    def _language(self, data: Mapping[str, Any]) -> str:
        name = self._params.language_field
        if name is not None and data.get(name) is not None:
            return language_tag(data[name])
        if self._params.language is None:
            raise BadRecord("no-language", f"the record has no {name!r}")
        return self._params.language


class ImageFolderSource(JsonSource):
    """A `JsonSource` whose records name image files below one folder."""

    def __init__(self, params: ImageFolderParams, *, seed: int = 0) -> None:
        super().__init__(params, seed=seed)
        self._instruction_field = params.instruction_field
        beside = self._path if self._path.is_dir() else self._path.parent
        self._folder = beside if params.images is None else Path(params.images).expanduser()
        if not self._folder.is_dir():
            fix = "set `images` to the folder with the images"
            raise MissingData("there is no such image folder", fix, place=str(self._folder))

    @abstractmethod
    def _image_names(self, data: Mapping[str, Any]) -> Sequence[object]:
        """The values by which a record names its image files. Raises `BadRecord`."""

    def _video_names(self, data: Mapping[str, Any]) -> Sequence[object]:
        """The values by which a record names its video files. Raises `BadRecord`."""
        return ()

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the JSON files and one over all images that they name; every byte is read once."""
        return [*super().fingerprint_inputs(), hash_files(self._folder, self._all_names())]

    def media_bytes(self) -> int:
        """Bytes of all files that the records name, each once; a file that is not there has none."""
        return sum(_file_size(self._folder, name) for name in self._all_names())

    def _all_names(self) -> set[str]:
        return {name for path in self._files.values() for row in read_rows(path) for name in self._names(row)}

    def _blobs(self, data: Mapping[str, Any]) -> tuple[MediaBlob, ...]:
        """Images, then videos."""
        images = (image_file(self._folder, name) for name in self._image_names(data))
        return (*images, *(video_file(self._folder, name) for name in self._video_names(data)))

    def _instruct(self, system: str, turns: tuple[Turn, ...], data: Mapping[str, Any]) -> tuple[str, tuple[Turn, ...]]:
        """The instruction, out of its field if there is one, and the turns without it."""
        name = self._instruction_field
        told = optional_field(data, name) if name is not None else ""
        if not told:
            return system, turns
        first, *rest = turns
        if not first.input.startswith(told):
            raise BadRecord("other-instruction", f"the first question does not begin with the field {name!r}")
        asked = first.input.removeprefix(told).lstrip()
        return "\n".join(part for part in (system, told) if part), (Turn(asked, first.output), *rest)

    def _names(self, row: Row) -> Iterator[str]:
        """The image names of a row; none of a bad one, which `read` rejects."""
        try:
            named = (*self._image_names(row.data), *self._video_names(row.data))
            yield from (name for name in named if isinstance(name, str))
        except BadRecord:
            return


def _file_size(folder: Path, name: str) -> int:
    try:
        return safe_path(folder, name).stat().st_size
    except (BadRecord, OSError, ValueError):
        return 0


def as_list(value: object) -> list[object]:
    """None as no value, a list as it is, anything else as one value."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _files(path: Path) -> dict[str, Path]:
    if path.is_file():
        return {path.name: path}
    if not path.is_dir():
        raise MissingData("there is no such file or folder", "set `path` to a JSON or JSON-lines file, or to a folder",
                        place=str(path))  # fmt: skip
    found = files_below(path, (".json", ".jsonl"))
    if not found:
        raise UserError("no .json or .jsonl file is in this folder", "set `path` to the folder that holds them",
                        place=str(path))  # fmt: skip
    return found
