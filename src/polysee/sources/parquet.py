"""Parquet files that ``polysee export --format parquet`` wrote. Other tables are for the source `huggingface`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from polysee.schema.errors import BadRecord, UserError
from polysee.sources.exported import ExportedParams, ExportedSample, ExportedSource, parse

_NEEDED = ("id", "task", "language", "split", "turns", "media")
_ROWS = 32
"""Rows that are in memory at once."""


class ParquetParams(ExportedParams):
    """Parameters of the Parquet source."""


class Parquet(ExportedSource[dict[str, Any]]):
    """All fields of the samples. Pictures are the bytes inside the table; a path beside them is never opened."""

    Params: ClassVar[type[ParquetParams]] = ParquetParams
    ending: ClassVar[str] = ".parquet"
    kind: ClassVar[str] = "Parquet file"

    def entries(self, path: Path, shard: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows with their numbers, from 1."""
        return enumerate(_rows(path, shard), 1)

    def sample(self, entry: dict[str, Any]) -> ExportedSample:
        """The row's fields."""
        return parse(entry)

    def blobs(self, sample: ExportedSample, entry: dict[str, Any]) -> list[bytes]:
        """The bytes of the media in their order, out of the two columns of files."""
        files = {"images": _files(entry, "images"), "videos": _files(entry, "videos")}
        found = []
        for medium in sample.media:
            waiting = files["videos" if medium.kind == "video" else "images"]
            if not waiting:
                raise BadRecord("missing-image", f"there are fewer files than the {len(sample.media)} media")
            found.append(waiting.pop(0))
        if any(files.values()):
            raise BadRecord("unused-image", f"there are more files than the {len(sample.media)} media")
        return found


def _rows(path: Path, shard: str) -> Iterator[dict[str, Any]]:
    try:
        # Buffering ahead would hold the whole file.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = file.schema_arrow.names
            missing = [name for name in _NEEDED if name not in names]
            if missing:
                fix = "for tables that polysee did not export, there is the source `huggingface`"
                raise UserError(f"the table has no column {missing[0]!r}", fix, place=shard)
            wanted = [name for name in (*ExportedSample.model_fields, "images", "videos") if name in names]
            for batch in file.iter_batches(batch_size=_ROWS, columns=wanted):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        cause = f"the table cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        raise UserError(cause, "fetch or export it again", place=str(path)) from error


def _files(row: Mapping[str, Any], name: str) -> list[bytes]:
    listed = row.get(name)
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise BadRecord("wrong-type", f"{name} is no list")
    data = [one.get("bytes") if isinstance(one, dict) else one for one in listed]
    if not all(isinstance(one, bytes) for one in data):
        raise BadRecord("missing-image", f"an entry of {name} holds no bytes; links and paths are not followed")
    return [one for one in data if isinstance(one, bytes)]
