"""Parquet that the ``datasets`` library and the Hub's viewer show as pictures: bytes in structs, typed as ``Image``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from polysee.schema.arrow import MEDIA_REF, ORIGIN, SAMPLE_COLUMNS, TURN
from polysee.schema.sample import Sample
from polysee.store.atomic import crash_point
from polysee.store.exports.base import Item, Plan, Written
from polysee.store.exports.filenames import media_path

ROWS_PER_GROUP = 100
"""Rows with media in a row group: the Hub's viewer reads whole groups."""
TEXT_ROWS_PER_GROUP = 10_000
BYTES_PER_GROUP = 64 * 2**20

_FILE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
_ARROW_NAMES = {"double": "float64", "float": "float32", "halffloat": "float16"}


class ParquetFormat:
    """All fields of a sample, and the columns of the scores.

    ``images`` holds pictures and pages, ``videos`` the videos (only where there are any), both in the order of
    ``media``, whose n-th entry of a sort belongs to the n-th file of that sort.
    """

    source: ClassVar[str] = "parquet"
    source_params: ClassVar[Mapping[str, str]] = {}
    keeps_scores: ClassVar[bool] = True
    patterns: ClassVar[str] = "data/{split}-*.parquet"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._schema = export_schema(plan)
        self._scores = _score_names(plan.scores)
        self._split = ""
        self._rows: list[dict[str, Any]] = []
        self._group_bytes = self._group_media = 0
        self._writer: pq.ParquetWriter | None = None
        self._parts: list[int] = []
        self._bytes = self._file_rows = 0
        self._written: list[Written] = []
        (plan.folder / "data").mkdir()

    @staticmethod
    def check(sample: Sample) -> None:
        """Every sample fits."""

    def start(self, split: str) -> None:
        self._end_split()
        self._split = split

    def add(self, item: Item) -> None:
        row = {**asdict(item.sample), "images": [], "videos": []}
        for ref, data in zip(item.sample.media, item.media, strict=True):
            name = Path(media_path(ref, data)).name
            row["videos" if ref.kind == "video" else "images"].append({"bytes": data, "path": name})
        for name, value in (item.scores or {}).items():
            row[self._scores[name]] = value
        self._rows.append(row)
        self._group_bytes += item.size
        self._group_media += bool(item.media)
        full = self._group_media >= ROWS_PER_GROUP or len(self._rows) >= TEXT_ROWS_PER_GROUP
        if full or self._group_bytes >= BYTES_PER_GROUP or self._bytes + self._group_bytes >= self._plan.shard_bytes:
            self._flush()

    def finish(self) -> list[Written]:
        self._end_split()
        return self._written

    def discard(self) -> None:
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            path = self._plan.folder / self._partial(len(self._parts))
            # Pictures are compressed already; pages of them are not worth the time.
            packed = {leaf: "NONE" if leaf.endswith(".bytes") else "ZSTD" for leaf in _leaves(self._schema)}
            self._writer = pq.ParquetWriter(
                path,
                self._schema,
                compression=packed,
                write_page_index=True,
                # A picture that rows in twenty languages share is written once in their row group.
                dictionary_pagesize_limit=2 * BYTES_PER_GROUP,
            )
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._bytes += self._group_bytes
        self._file_rows += len(self._rows)
        self._rows, self._group_bytes, self._group_media = [], 0, 0
        if self._bytes >= self._plan.shard_bytes:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            crash_point()
            self._parts.append(self._file_rows)
            self._writer, self._bytes, self._file_rows = None, 0, 0

    def _end_split(self) -> None:
        """Close the last file, and give all of the split the names that say how many there are."""
        self._flush()
        self._close()
        stem = self._plan.splits.get(self._split, "")
        for number, rows in enumerate(self._parts):
            name = f"data/{stem}-{number:05d}-of-{len(self._parts):05d}.parquet"
            (self._plan.folder / self._partial(number)).rename(self._plan.folder / name)
            self._written.append(Written(name, self._split, rows))
        self._parts = []

    def _partial(self, number: int) -> str:
        return f"data/{self._plan.splits[self._split]}-{number:05d}.unfinished"


def export_schema(plan: Plan) -> pa.Schema:
    """Columns of the files, with the ``datasets`` library's description of them as metadata."""
    columns: dict[str, pa.DataType] = {
        "id": pa.string(),
        "task": pa.string(),
        "language": pa.string(),
        "split": pa.string(),
        "images": pa.list_(_FILE),
        **({"videos": pa.list_(_FILE)} if plan.videos else {}),
        "instruction": pa.string(),
        "turns": pa.list_(TURN),
        "options": pa.list_(pa.string()),
        "tags": pa.list_(pa.string()),
        "references": pa.list_(pa.string()),
        "media": pa.list_(MEDIA_REF),
        "origins": pa.list_(ORIGIN),
    }
    assert {*SAMPLE_COLUMNS} <= {*columns}
    names = _score_names(plan.scores)
    columns |= {names[field.name]: _plain(field.type) for field in plan.scores}
    columns = {name: _plain(kind) for name, kind in columns.items()}
    media = {"images": "Image", "videos": "Video"}
    features = {
        name: {"feature": {"_type": media[name]}, "_type": "Sequence"} if name in media else _feature(kind)
        for name, kind in columns.items()
    }
    described = json.dumps({"info": {"features": features}}, ensure_ascii=False)
    return pa.schema(list(columns.items()), metadata={"huggingface": described})


def _score_names(scores: pa.Schema) -> dict[str, str]:
    """The names that the columns of scores get: their own, unless a column of files has it."""
    taken = {*SAMPLE_COLUMNS, "images", "videos"}
    return {name: f"{name}_score" if name in taken else name for name in scores.names}


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type with nothing that must be there: readers of other people compare types to the letter."""
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _plain(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


def _feature(kind: pa.DataType) -> Any:
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    if pa.types.is_list(kind):
        inner = _feature(kind.value_type)
        # The library reads a sequence of structs as a struct of sequences; a list in brackets stays what it is.
        return [inner] if "_type" not in inner else {"feature": inner, "_type": "Sequence"}
    return {"dtype": _ARROW_NAMES.get(str(kind), str(kind)), "_type": "Value"}


def _leaves(schema: pa.Schema) -> list[str]:
    """Paths of the columns as Parquet names them (``images.list.element.bytes``)."""

    def below(path: str, kind: pa.DataType) -> list[str]:
        if pa.types.is_struct(kind):
            return [leaf for field in kind for leaf in below(f"{path}.{field.name}", field.type)]
        return below(f"{path}.list.element", kind.value_type) if pa.types.is_list(kind) else [path]

    return [leaf for field in schema for leaf in below(field.name, field.type)]
