"""Parquet files that ``polysee export --format parquet`` wrote. Other tables are for the source `huggingface`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from polysee.schema.errors import BadRecord, UserError
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.exported import ExportedParams, ExportedSample, key_of, parse
from polysee.sources.fields import data_hash, files_below

_NEEDED = ("id", "task", "language", "split", "turns", "media")
_ROWS = 32
"""Rows that are in memory at once."""


class ParquetParams(ExportedParams):
    """Parameters of the Parquet source."""


class Parquet:
    """All fields of the samples. Pictures are the bytes inside the table; a path beside them is never opened."""

    Params: ClassVar[type[ParquetParams]] = ParquetParams
    version: ClassVar[int] = 1

    def __init__(self, params: ParquetParams, *, seed: int = 0) -> None:
        self.licence = params.licence
        path = Path(params.path).expanduser()
        self._files = {path.name: path} if path.is_file() else files_below(path, (".parquet",))
        if not self._files:
            fix = "set `path` to a Parquet file, or to a folder of them"
            raise UserError("there is no Parquet file", fix, place=params.path)

    def shards(self) -> Sequence[str]:
        """The files' paths relative to the folder."""
        return list(self._files)

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the files, in the order of the shards."""
        return [data_hash(path) for path in self._files.values()]

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The rows of one file, in order; a bad one becomes a `Reject` with its file and row (from 1)."""
        seen: set[str] = set()
        for number, row in enumerate(_rows(self._files[shard], shard), 1):
            key, language, place = f"{shard}:{number}", "und", f"{shard}:{number}"
            try:
                sample = parse(row)
                key, language = key_of(sample, seen), sample.language
                yield sample.record(key, _blobs(sample, row), place)
            except BadRecord as bad:
                yield Reject(key, bad.reason, f"{place}: {bad.detail}", language)


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


def _blobs(sample: ExportedSample, row: Mapping[str, Any]) -> list[bytes]:
    """The bytes of the media in their order, out of the two columns of files."""
    files = {"images": _files(row, "images"), "videos": _files(row, "videos")}
    found = []
    for medium in sample.media:
        waiting = files["videos" if medium.kind == "video" else "images"]
        if not waiting:
            raise BadRecord("missing-image", f"there are fewer files than the {len(sample.media)} media")
        found.append(waiting.pop(0))
    if any(files.values()):
        raise BadRecord("unused-image", f"there are more files than the {len(sample.media)} media")
    return found


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
