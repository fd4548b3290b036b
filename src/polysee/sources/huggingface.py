"""Any image-text table that the ``datasets`` library reads: local Parquet, or a Hub dataset at a pinned commit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from pydantic import model_validator

from polysee.schema.errors import BadRecord, MissingExtra, UserError
from polysee.schema.sample import Turn
from polysee.sources.base import MediaBlob, Params, Reject, SourceRecord
from polysee.sources.catalogue import evaluation_only_hub
from polysee.sources.fields import (
    LanguageTag,
    data_hash,
    files_below,
    full_field,
    hash_files,
    image_bytes,
    image_file,
    language_tag,
    optional_field,
    place_images,
    record_id,
    text,
)
from polysee.sources.rows import Row, read_rows

_COMMIT = re.compile("[0-9a-f]{40}")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_BUILDERS = {".parquet": "parquet", ".csv": "csv", ".arrow": "arrow"}
_ROWS = (".json", ".jsonl")  # read by ourselves: the library gives up on a file at its first bad line
_FORMATS = (*_BUILDERS, *_ROWS)


class HuggingFaceParams(Params):
    """Which table, and which of its columns mean what."""

    path: str
    """A local file or folder (Parquet, JSON lines, CSV, Arrow), or a dataset's id on the Hub."""
    revision: str | None = None
    """For the Hub: a commit of 40 hexadecimal digits, so that the data cannot change underneath the recipe."""
    config: str | None = None
    hub_split: str = "train"
    """Which split of a Hub dataset to read."""
    image: str | None = None
    """Column of images: bytes, structs of bytes and path, paths below ``images``, or lists of those."""
    images: str | None = None
    question: str | None = None
    answer: str
    instruction: str | None = None
    options: str | None = None
    """Column with the list of candidate answers."""
    answer_is_index: bool = False
    """The answer column holds a position (from 0) in the options, not the text."""
    id: str | None = None
    language: LanguageTag | None = None
    language_column: str | None = None
    task: str = "vqa"
    split: str = "train"
    """The split that samples get here."""
    licence: str = "unknown"

    @model_validator(mode="after")
    def _is_whole(self) -> HuggingFaceParams:
        if self.language is None and self.language_column is None:
            raise ValueError("give `language`, or `language_column` if each row names its own")
        if self.answer_is_index and self.options is None:
            raise ValueError("`answer_is_index` needs `options`")
        if self.split == "train" and (held := evaluation_only_hub(self.path)) is not None:
            raise ValueError(f"split may not be `train`: {self.path} has {held!r}, which is for evaluation only")
        return self


class HuggingFace:
    """Rows of a table, streamed. No code of the dataset's is ever run and nothing is decoded here."""

    Params: ClassVar[type[HuggingFaceParams]] = HuggingFaceParams
    version: ClassVar[int] = 1

    def __init__(self, params: HuggingFaceParams, *, seed: int = 0) -> None:
        self._params = params
        self.licence = params.licence
        self._local = Path(params.path).expanduser()
        self._files = _local_files(self._local)
        self._folder = Path(params.images).expanduser() if params.images is not None else None
        if self._folder is not None and not self._folder.is_dir():
            place = str(self._folder)
            raise UserError("there is no such image folder", "set `images` to the folder with the images", place=place)
        if not self._files:
            _check_hub(params)

    def shards(self) -> Sequence[str]:
        """The local files, or the numbered parts of a Hub split."""
        return list(self._files) or [str(n) for n in range(self._hub.num_shards)]

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the local files and of the images that they name, or the pinned commit."""
        if not self._files:
            pinned = f"{self._params.path}@{self._params.revision}/{self._params.config}/{self._params.hub_split}"
            return [hashlib.sha256(pinned.encode()).hexdigest()]
        hashes = [data_hash(path) for path in self._files.values()]
        if self._folder is None or self._params.image is None:
            return hashes
        rows = (row for shard in self._files for row in self._rows(shard))
        names = {one for row in rows for one in _list(row.data.get(self._params.image)) if isinstance(one, str)}
        return [*hashes, hash_files(self._folder, names)]

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The rows of one part, in order; a bad one becomes a `Reject` with its file and line or row (from 1)."""
        seen: set[str] = set()
        for row in self._rows(shard):
            key, language = row.place, "und"
            try:
                if row.error is not None:
                    raise row.error
                key = self._key(row, seen)
                language = self._language(row.data)
                yield self._record(key, language, row.data)
            except BadRecord as bad:
                yield Reject(key, bad.reason, f"{row.place}: {bad.detail}", language)

    def _record(self, key: str, language: str, row: Mapping[str, Any]) -> SourceRecord:
        p = self._params
        options = tuple(text(one, "option") for one in _list(row.get(p.options))) if p.options is not None else ()
        answer = self._answer(row, options)
        question = optional_field(row, p.question) if p.question is not None else ""
        media = tuple(self._blob(one) for one in _list(row.get(p.image))) if p.image is not None else ()
        if p.image is not None and not media:
            raise BadRecord("missing-image", p.image)
        return SourceRecord(
            key=key,
            task=p.task,
            language=language,
            turns=place_images((Turn(question, answer),), len(media)),
            media=media,
            instruction=optional_field(row, p.instruction) if p.instruction is not None else "",
            options=options,
            split=p.split,
        )

    def _answer(self, row: Mapping[str, Any], options: tuple[str, ...]) -> str:
        name = self._params.answer
        if self._params.answer_is_index:
            index = row.get(name)
            if not isinstance(index, int) or not 0 <= index < len(options):
                raise BadRecord("bad-option", f"{name} is {index!r}, of {len(options)} options")
            return options[index]
        answer = full_field(row, name)
        if options and answer not in options:
            raise BadRecord("bad-option", f"{answer!r} is not among the options")
        return answer

    def _blob(self, value: object) -> MediaBlob:
        if isinstance(value, dict):
            value = value["bytes"] if value.get("bytes") is not None else value.get("path")
        if isinstance(value, bytes):
            return image_bytes(value, str(self._params.image))
        if self._folder is None and isinstance(value, str):
            raise BadRecord("missing-image", f"{value!r} is a path; set `images` to the folder that holds it")
        return image_file(self._folder or Path(), value)

    def _key(self, row: Row, seen: set[str]) -> str:
        if self._params.id is None:
            return row.place
        if row.data.get(self._params.id) is None:
            raise BadRecord("missing-field", self._params.id)
        key = record_id(row.data[self._params.id])
        if key in seen:
            raise BadRecord("duplicate-id", repr(key))
        seen.add(key)
        return key if len(self._files) == 1 else f"{row.place.rpartition(':')[0]}/{key}"

    def _language(self, row: Mapping[str, Any]) -> str:
        name = self._params.language_column
        if name is not None and row.get(name) is not None:
            return language_tag(row[name])
        if self._params.language is None:
            raise BadRecord("no-language", f"the row has no {name!r}")
        return self._params.language

    def _rows(self, shard: str) -> Iterator[Row]:
        path = self._files.get(shard)
        if path is not None and path.suffix in _ROWS:
            for row in read_rows(path):
                yield replace(row, place=f"{shard}:{row.place.rpartition(':')[2]}")
            return
        if path is not None:
            table = _open_table(path.name, _BUILDERS[path.suffix], data_files=[str(path)], split="train")
        else:
            table = self._hub.shard(num_shards=self._hub.num_shards, index=int(shard))
        self._check_columns(table, shard)
        try:
            for number, values in enumerate(table, 1):
                yield Row(f"{shard}:{number}", values)
        except (OSError, ValueError, _datasets().exceptions.DatasetsError) as error:
            raise UserError(f"the table cannot be read on: {error}", "fetch it again", place=shard) from error

    def _check_columns(self, table: Any, shard: str) -> None:
        if table.column_names is None:
            return
        p = self._params
        for name in (p.image, p.question, p.answer, p.instruction, p.options, p.id, p.language_column):
            if name is not None and name not in table.column_names:
                known = ", ".join(table.column_names)
                raise UserError(f"the table has no column {name!r}", f"its columns are: {known}", place=shard)

    @cached_property
    def _hub(self) -> Any:
        p = self._params
        return _open_table(p.path, p.path, name=p.config, split=p.hub_split, revision=p.revision)


def _open_table(place: str, builder: str, **options: Any) -> Any:
    """A streamed table with undecoded media. Raises `UserError` where the library cannot open it."""
    library = _datasets()
    try:
        return library.load_dataset(builder, streaming=True, **options).decode(False)
    except (OSError, ValueError, library.exceptions.DatasetsError) as error:
        cause = f"the table cannot be opened: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise UserError(cause, "check the path, the split and, for the Hub, the connection", place=place) from error


def _datasets() -> Any:
    try:
        import datasets
    except ModuleNotFoundError:
        raise MissingExtra("datasets", "data") from None
    return datasets


def _local_files(path: Path) -> dict[str, Path]:
    if path.is_file():
        if path.suffix not in _FORMATS:
            fix = f"give a file that ends in {', '.join(_FORMATS)}"
            raise UserError("no reader knows this kind of file", fix, place=str(path))
        return {path.name: path}
    if not path.is_dir():
        return {}
    found = files_below(path, _FORMATS)
    if not found:
        fix = f"set `path` to a folder with files that end in {', '.join(_FORMATS)}"
        raise UserError("no table is in this folder", fix, place=str(path))
    return found


def _check_hub(params: HuggingFaceParams) -> None:
    if not _HUB_ID.fullmatch(params.path):
        fix = "set `path` to a file, a folder or a dataset's id such as owner/name"
        raise UserError("there is no such file or folder", fix, place=params.path)
    if params.revision is None or not _COMMIT.fullmatch(params.revision):
        commits = f"https://huggingface.co/datasets/{params.path}/commits"
        fix = f"if it is a Hub dataset, set `revision` to a commit of 40 digits from {commits}"
        raise UserError("this is no local file, and a Hub dataset needs a pinned commit", fix, place=params.path)


def _list(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
