"""Which samples of a run are exported, in which order, and their media, within bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from polysee.schema.arrow import SAMPLE_COLUMNS, from_table
from polysee.schema.errors import UserError
from polysee.schema.sample import Sample
from polysee.store.exports.base import Item
from polysee.store.run import RunStore

_FEW, _MANY = 4, 256
_LIGHT, _HEAVY = 16 * 2**20, 64 * 2**20
"""Bytes of media read at once: below the one more samples are taken the next time, above the other fewer."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows of these splits and languages (empty: all) for which ``where`` holds; ``kept``: that every select kept."""

    splits: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    where: str | None = None
    kept: bool = True

    def words(self) -> str:
        """The choice as a phrase for people."""
        parts = ["rows that every filter kept" if self.kept else "all rows, also those that a filter dropped"]
        for name, values in (("split", self.splits), ("language", self.languages)):
            if values:
                parts.append(f"{name} {' or '.join(values)}")
        if self.where:
            parts.append(f"where {self.where}")
        return ", ".join(parts)


class Selection:
    """The wanted rows of a run, read from it as often as they are asked for. Raises `UserError` if there are none."""

    def __init__(self, store: RunStore, wanted: Wanted) -> None:
        self._store = store
        self.wanted = wanted
        self._where = self._condition()
        self.total = store.count(self._where)
        if not self.total:
            raise self._nothing()
        schema = store.sample_schema()
        self._columns = [name for name in schema.names if name in SAMPLE_COLUMNS]
        self.score_schema = pa.schema([field for field in schema if field.name not in SAMPLE_COLUMNS])

    def outline(self) -> tuple[tuple[str, ...], bool]:
        """The splits that there are, ``train`` first, and whether any sample has a video."""
        splits: set[str] = set()
        videos = False
        for batch in self._store.sample_batches(["split", "media"], self._where):
            splits.update(batch.column("split").unique().to_pylist())
            kinds = batch.column("media").flatten().field("kind")
            videos = videos or "video" in kinds.unique().to_pylist()
        return tuple(sorted(splits, key=lambda split: (split != "train", split))), videos

    def samples(self, split: str) -> Iterator[tuple[Sample, Mapping[str, object]]]:
        """The samples of one split in dataset order, each with the values of its score columns."""
        columns = [*self._columns, *self.score_schema.names]
        where = _all_of(self._where, f"split = {_sql(split)}")
        for batch in self._store.sample_batches(columns, where, batch_size=1024):
            scores = batch.select(self.score_schema.names).to_pylist() if self.score_schema.names else []
            yield from zip(from_table(batch), scores or [{}] * len(batch), strict=True)

    def items(self, rows: Iterator[tuple[Sample, Mapping[str, object]]]) -> Iterator[Item]:
        """``rows`` with the bytes of their media; a few samples' worth is in memory at a time."""
        media = self._store.media_table()
        waiting: list[tuple[Sample, Mapping[str, object]]] = []
        size = 32

        def filled() -> Iterator[Item]:
            nonlocal size
            found = media.read_many([ref.sha256 for sample, _ in waiting for ref in sample.media])
            read = sum(map(len, found.values()))
            size = max(_FEW, size // 2) if read > _HEAVY else min(_MANY, size * 2) if read < _LIGHT else size
            for sample, scores in waiting:
                yield Item(sample, tuple(found[ref.sha256] for ref in sample.media), scores)

        for row in rows:
            waiting.append(row)
            if len(waiting) >= size:
                yield from filled()
                waiting.clear()
        if waiting:
            yield from filled()

    def _condition(self) -> str | None:
        wanted = self.wanted
        parts = [self._store.kept() if wanted.kept else None, wanted.where]
        for name, values in (("split", wanted.splits), ("language", wanted.languages)):
            if values:
                parts.append(f"{name} IN ({', '.join(map(_sql, values))})")
        return _all_of(*parts)

    def _nothing(self) -> UserError:
        table = self._store.samples(columns=["split", "language"])
        known = {name: sorted(table.column(name).unique().to_pylist()) for name in table.schema.names}
        has = "; ".join(f"{name}: {', '.join(values)}" for name, values in known.items())
        fix = f"the run has {has}" if len(table) else "run its recipe first"
        return UserError(f"there is no sample to export ({self.wanted.words()})", fix, place=str(self._store.path))


def _all_of(*parts: str | None) -> str | None:
    return " AND ".join(f"({part})" for part in parts if part) or None


def _sql(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
