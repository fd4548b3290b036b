"""Staging: what one unit read or made, written where nobody sees it until the whole step is published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from polysee.engines.pool import Link
from polysee.engines.tally import Count, Tally
from polysee.media.decode import MediaInfo, verify
from polysee.schema.arrow import MEDIA_SCHEMA, REJECT_SCHEMA
from polysee.schema.config import Config
from polysee.schema.errors import BadRecord
from polysee.schema.sample import MediaKind, MediaRef, Sample
from polysee.sources.base import MediaBlob
from polysee.store import tables
from polysee.store.atomic import TEMPORARY_MARK, crash_point, sync_file, sync_folder, user_errors

INPUT = "_input"
"""Number of the input within its unit that a staged row was made from; -1 for rows that only pass by."""
INPUT_LANGUAGE = "_input_language"
PASSING = -1

_ROWS_PER_BATCH = 1024
_MEDIA_BYTES = 32 * 2**20
"""Media are written as soon as this many bytes wait: it bounds the memory of a worker."""


class Staged(Config):
    """Journal entry of a staged unit.

    ``rows`` and ``rejects``: rows in its two files. ``media``: the hashes that it stored, in the fragments
    ``fragments``. ``counts``: inputs by language, and the fate of those that became no row. ``bad``: records that
    count towards the tolerance.
    """

    unit: str
    rows: int
    rejects: int
    bad: int
    media: tuple[str, ...]
    fragments: tuple[str, ...]
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class StagePlace:
    """Where a unit is staged: ``folder`` for rows and rejects, ``media`` for the media dataset it adds to.

    ``fresh``: the media dataset is made anew by this step.
    """

    step: str
    unit: str
    number: int
    folder: Path
    media: Path
    fresh: bool

    @property
    def rows(self) -> Path:
        return self.folder / f"{self.number:06d}.rows.arrow"

    @property
    def rejects(self) -> Path:
        return self.folder / f"{self.number:06d}.rejects.arrow"


def staged_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` with the two columns that say what a row was made from."""
    return schema.append(pa.field(INPUT, pa.int64(), nullable=False)).append(
        pa.field(INPUT_LANGUAGE, pa.string(), nullable=False)
    )


def read_staged(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The batches of a staged file, mapped into memory; only the columns named, in the file's order."""
    with pa.memory_map(str(path)) as mapped:
        indices = None
        if columns is not None:
            with pa.ipc.open_file(mapped) as whole:
                indices = [whole.schema.get_field_index(name) for name in columns]
            mapped.seek(0)
        with pa.ipc.open_file(mapped, options=pa.ipc.IpcReadOptions(included_fields=indices)) as reader:
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)


class _RowFile:
    """An Arrow file that is written batch by batch and gets its name when it is whole."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}{TEMPORARY_MARK}0")
        self._schema = schema
        self._waiting: list[dict[str, Any]] = []
        self.rows = 0
        with user_errors(path):
            self._sink = pa.OSFile(str(self._temporary), "wb")
            self._writer = pa.ipc.new_file(self._sink, schema)

    def add(self, row: dict[str, Any]) -> None:
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) >= _ROWS_PER_BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            with user_errors(self._path):
                self._writer.write_batch(pa.RecordBatch.from_pylist(self._waiting, schema=self._schema))
            self._waiting.clear()

    def close(self, *, keep: bool) -> None:
        with user_errors(self._path):
            try:
                if keep:
                    self._flush()
                self._writer.close()
                self._sink.close()
                if keep:
                    sync_file(self._temporary)
                    crash_point()
                    self._temporary.replace(self._path)
                    sync_folder(self._path.parent)
            finally:
                self._temporary.unlink(missing_ok=True)


class _MediaFiles:
    """Stores each distinct medium once in the run: asks the engine who writes it, and writes in bounded batches."""

    def __init__(self, place: StagePlace, link: Link) -> None:
        self._place = place
        self._link = link
        self._seen: set[str] = set()
        self._waiting: list[dict[str, Any]] = []
        self._bytes = 0
        self.stored: list[str] = []
        self.fragments: list[str] = []

    def add(self, ref: MediaRef, info: MediaInfo, data: bytes) -> None:
        """Take a checked medium once; what waits is written as soon as it has `_MEDIA_BYTES` bytes.

        Raises `UserError` for a full disk.
        """
        if ref.sha256 in self._seen:
            return
        self._seen.add(ref.sha256)
        self._waiting.append(
            {
                "sha256": ref.sha256,
                # A page is a picture that is read: which it is belongs to the sample, not to the bytes.
                "kind": "video" if ref.kind == "video" else "image",
                "format": info.format,
                "width": info.width,
                "height": info.height,
                "frames": info.frames,
                "data": data,
            }
        )
        self._bytes += len(data)
        if self._bytes >= _MEDIA_BYTES:
            self.flush()

    def flush(self) -> None:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if not waiting:
            return
        mine = self._link.claim([row["sha256"] for row in waiting])
        rows = [row for row, granted in zip(waiting, mine, strict=True) if granted]
        if rows:
            table = pa.Table.from_pylist(rows, schema=MEDIA_SCHEMA)
            self.fragments += tables.write_fragments(self._place.media, table, MEDIA_SCHEMA, fresh=self._place.fresh)
            self.stored += [row["sha256"] for row in rows]


class StageWriter:
    """Takes what a unit reads or makes. Use as a context manager; `finish` gives the journal entry."""

    def __init__(self, place: StagePlace, schema: pa.Schema, link: Link) -> None:
        self._place = place
        self._extra: dict[str, Any] = dict.fromkeys(schema.names)
        self._link = link
        self._rows = _RowFile(place.rows, staged_schema(schema))
        self._rejects = _RowFile(place.rejects, REJECT_SCHEMA)
        self._media = _MediaFiles(place, link)
        self._checked: dict[tuple[str, MediaKind], MediaInfo | BadRecord] = {}
        self._finished = False
        self.tally = Tally()
        self.bad = 0

    def __enter__(self) -> StageWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._finished:
            self._rows.close(keep=False)
            self._rejects.close(keep=False)

    def check(self, blob: MediaBlob) -> tuple[MediaRef, MediaInfo]:
        """What the bytes are. Raises `BadRecord` for bytes that are no usable medium."""
        digest = sha256(blob.data).hexdigest()
        found = self._checked.get((digest, blob.kind))
        if found is None:
            try:
                found = verify(blob.data, blob.kind)
            except BadRecord as error:
                # Not the exception itself: its traceback would hold the bytes.
                found = BadRecord(error.reason, error.detail)
            self._checked[digest, blob.kind] = found
        if isinstance(found, BadRecord):
            detail = f"{found.detail} ({blob.place})" if blob.place else found.detail
            raise BadRecord(found.reason, detail)
        ref = MediaRef(digest, blob.kind, found.width, found.height, found.frames, blob.box, blob.span)
        return ref, found

    def keep(self, ref: MediaRef, info: MediaInfo, data: bytes) -> None:
        """Store a checked medium, unless the run has it."""
        self._media.add(ref, info, data)

    def row(self, sample: Sample, number: int, language: str, extra: dict[str, Any] | None = None) -> None:
        """Stage a sample that input ``number``, of ``language``, became. ``extra``: values of added columns."""
        self._rows.add({**self._extra, **(extra or {}), **asdict(sample), INPUT: number, INPUT_LANGUAGE: language})

    def reject(self, *, source: str, key: str, language: str, reason: str, detail: str) -> None:
        """Write a record to the rejects; it counts towards the tolerance. Counting its fate is the caller's part."""
        self.bad += 1
        self._rejects.add(
            {
                "step": self._place.step,
                "source": source,
                "key": _printable(key),
                "language": language,
                "reason": reason,
                "detail": _printable(detail),
            }
        )

    def finish(self) -> Staged:
        """Make everything durable and give the journal entry."""
        self._media.flush()
        self._rows.close(keep=True)
        self._rejects.close(keep=True)
        self._finished = True
        return Staged(
            unit=self._place.unit,
            rows=self._rows.rows,
            rejects=self._rejects.rows,
            bad=self.bad,
            media=tuple(self._media.stored),
            fragments=tuple(self._media.fragments),
            counts=self.tally.counts(),
        )


def still_there(place: StagePlace, entry: Staged) -> bool:
    """Whether all that a journal entry speaks of is on the disk."""
    return place.rows.is_file() and place.rejects.is_file() and tables.fragments_present(place.media, entry.fragments)


def _printable(text: str) -> str:
    """``text`` without lone surrogates, which no UTF-8 file can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
