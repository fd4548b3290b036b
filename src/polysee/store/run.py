"""A run folder: its datasets, its manifests and its lock."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from polysee.schema.arrow import REJECT_SCHEMA
from polysee.schema.errors import UserError
from polysee.store import tables
from polysee.store.atomic import make_folder, sweep, to_json, write_text
from polysee.store.lock import RunLock
from polysee.store.manifest import DATA_VERBS, FunnelRow, Manifest, ManifestFolder
from polysee.store.media import MediaTable
from polysee.store.rowhash import hash_rows

KEEP = "keep_"
"""Prefix of the columns that select steps add: true = kept, false = dropped, null = unknown."""


def _to_stderr(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


class RunStore:
    """The folder of one run, opened for writing by one process at a time.

    Raises `UserError` if another process has it, or if it cannot be written. Reading methods show the last
    *committed* data step, also while a later one is being worked on or after it was killed. ``warn`` takes one line
    about each damaged file, which then counts as not there.
    """

    def __init__(self, path: Path | str, *, warn: Callable[[str], None] = _to_stderr) -> None:
        self._prepare(Path(path), warn)
        for folder in (self.path, self.path / "steps", self.path / "journal"):
            make_folder(folder)
        self._lock: RunLock | None = RunLock(self.path / ".lock")
        for folder in (self.path, self.path / "steps"):
            sweep(folder)

    @classmethod
    def open_read_only(cls, path: Path | str, *, warn: Callable[[str], None] = _to_stderr) -> RunStore:
        """A run to look at, without its lock; nothing is written. Raises `UserError` if there is no run there."""
        store = cls.__new__(cls)
        store._prepare(Path(path), warn)
        store._lock = None
        if not (store.path / "steps").is_dir():
            raise UserError("this is not a run folder", "name a folder that `polysee run` has made", place=str(path))
        return store

    def _prepare(self, path: Path, warn: Callable[[str], None]) -> None:
        self.path = path
        self.warn = warn
        self.manifests = ManifestFolder(path / "steps", warn)
        self._media: MediaTable | None = None
        self._media_version = -1

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give back the lock. Calling it again does nothing."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def writable(self) -> bool:
        return self._lock is not None

    @property
    def samples_path(self) -> Path:
        return self.path / "samples.lance"

    @property
    def media_path(self) -> Path:
        return self.path / "media.lance"

    @property
    def rejects_path(self) -> Path:
        return self.path / "rejects.lance"

    def manifest(self, step: str) -> Manifest | None:
        """The manifest of a step, or `None` if it is not committed."""
        return self.manifests.find(step)

    def data_manifest(self) -> Manifest | None:
        """The manifest of the last committed data step (source, transform, score, select)."""
        return next((m for m in reversed(self.manifests.all()) if m.verb in DATA_VERBS), None)

    def samples(self, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
        """The samples in dataset order: all columns or those named, all rows or those for which ``where`` (SQL) holds.

        Raises `UserError` if the run has none yet, and for a column or condition that does not fit.
        """
        dataset = self._samples()
        with _fits(dataset):
            return dataset.to_table(columns=None if columns is None else list(columns), filter=where)

    def sample_batches(
        self, columns: Sequence[str] | None = None, where: str | None = None, *, batch_size: int = 1024
    ) -> Iterator[pa.RecordBatch]:
        """As `samples`, a batch of at most ``batch_size`` rows at a time."""
        dataset = self._samples()
        with _fits(dataset):
            yield from dataset.to_batches(
                columns=None if columns is None else list(columns), filter=where, batch_size=batch_size
            )

    def sample_schema(self) -> pa.Schema:
        """Names and types of the columns of the samples."""
        schema: pa.Schema = self._samples().schema
        return schema

    def keep_columns(self) -> list[str]:
        """The columns that select steps added, in the order of the steps."""
        return [name for name in self.sample_schema().names if name.startswith(KEEP)]

    def kept(self) -> str | None:
        """An SQL condition for ``where`` that holds for rows that every select step kept; `None` if there is none."""
        return kept_condition(self.keep_columns())

    def count(self, where: str | None = None) -> int:
        """The number of samples, or of those for which ``where`` holds."""
        dataset = self._samples()
        with _fits(dataset):
            return int(dataset.count_rows(filter=where))

    def media(self, sha256: Sequence[str]) -> dict[str, bytes]:
        """Stored bytes by hash. Raises `KeyError` naming one that the run does not have."""
        return self.media_table().read_many(sha256)

    def read_media(self, sha256: str) -> bytes:
        """The stored bytes of one medium. Raises `KeyError` if the run does not have it."""
        return self.media_table().read(sha256)

    def media_table(self) -> MediaTable:
        """Random access to the media of the last committed data step; keeps its index between calls."""
        manifest = self._committed()
        if self._media is None or self._media_version != manifest.media:
            self._media, self._media_version = MediaTable(self.media_path, manifest.media), manifest.media or -1
        return self._media

    def rejects(self) -> pa.Table:
        """All records that could not be used, with step, key, reason and detail.

        Those of a step that stopped because it had too many are there as well, so that one can look at them.
        """
        if not tables.exists(self.rejects_path):
            return REJECT_SCHEMA.empty_table()
        return tables.open_at(self.rejects_path).to_table()

    def dataset_hash(self) -> str:
        """The hash of all samples over all columns, whatever their order: equal hashes mean the same dataset."""
        dataset = self._samples()
        return hash_rows(dataset.schema, dataset.to_batches(batch_size=1024))

    def funnel(self) -> list[FunnelRow]:
        """The funnel of all committed steps, in their order, by language."""
        return [row for manifest in self.manifests.all() for row in manifest.funnel]

    def write_funnel(self) -> None:
        """Write ``funnel.json`` from the manifests, if it is not what it should be already."""
        path = self.path / "funnel.json"
        text = to_json({"steps": [row.to_json() for row in self.funnel()]})
        if not path.is_file() or path.read_bytes() != text.encode():
            write_text(path, text)

    def _committed(self) -> Manifest:
        manifest = self.data_manifest()
        if manifest is None:
            raise UserError("this run has no samples yet", "run `polysee run` first", place=str(self.path))
        return manifest

    def _samples(self) -> Any:
        return tables.open_at(self.samples_path, self._committed().samples)


def kept_condition(columns: Sequence[str]) -> str | None:
    """SQL that holds where all these keep columns are true; `None` for no columns."""
    return " AND ".join(f"`{name}` IS TRUE" for name in columns) or None


class _fits:
    """Turns Lance's complaint about a column or a condition into a `UserError` that lists the columns."""

    def __init__(self, dataset: Any) -> None:
        self._names = list(dataset.schema.names)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # Lance raises the one or the other for the same mistake, as the method has it.
        if isinstance(error, ValueError) or (isinstance(error, OSError) and "user input" in str(error)):
            raise UserError(lance_complaint(error), f"the samples have the columns {', '.join(self._names)}") from error


def lance_complaint(error: Exception) -> str:
    """What Lance said, without its own source lines."""
    text = str(error).split(", /home/")[0].split(", rust/")[0]
    return text.removeprefix("Invalid user input: ").strip().rstrip(".,").replace("\n", " ")
