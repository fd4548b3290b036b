"""From staged rows to the next version of the samples: leave out, merge, write as fragments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from polysee.engines.pool import Link
from polysee.engines.resolve import Changes, RowsPart
from polysee.schema.config import Config
from polysee.store import tables
from polysee.store.run import KEEP


class Written(Config):
    """Journal entry of a group of parts that lies written, but not committed, in the samples."""

    unit: str
    rows: int
    fragments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WriteJob:
    """Writes a group of neighbouring parts, with their changes, as fragments of ``schema`` into ``path``."""

    unit: str
    parts: tuple[RowsPart, ...]
    changes: tuple[Changes, ...]
    path: Path
    schema: pa.Schema
    fresh: bool

    def run(self, link: Link) -> Written:
        rows = 0

        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal rows
            for part, changes in zip(self.parts, self.changes, strict=True):
                for batch in changed(part.batches(), changes, self.schema):
                    rows += batch.num_rows
                    link.advance(batch.num_rows)
                    yield batch

        reader = pa.RecordBatchReader.from_batches(self.schema, counted())
        fragments = tables.write_fragments(self.path, reader, self.schema, fresh=self.fresh)
        return Written(unit=self.unit, rows=rows, fragments=fragments)


def changed(batches: Iterator[pa.RecordBatch], changes: Changes, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows that stay, with the origins they took on, in the columns of ``schema``; empty batches are left out."""
    at = 0
    for batch in batches:
        span = range(at, at + batch.num_rows)
        at += batch.num_rows
        columns = [_column(batch, field, changes, span) for field in schema]
        made = pa.RecordBatch.from_arrays(columns, schema=schema)
        if any(row in changes.drop for row in span):
            made = made.filter(pa.array([row not in changes.drop for row in span], pa.bool_()))
        if made.num_rows:
            yield made


def _column(batch: pa.RecordBatch, field: pa.Field, changes: Changes, span: range) -> pa.Array:
    index = batch.schema.get_field_index(field.name)
    if index < 0:
        # Rows of a source that comes after a select: it was not asked about them, so it did not drop them.
        value = True if field.name.startswith(KEEP) else None
        return pa.array([value] * batch.num_rows, field.type)
    column = batch.column(index)
    if field.name == "origins" and any(row in changes.origins for row in span):
        values: list[list[dict[str, Any]]] = column.to_pylist()
        for offset, row in enumerate(span):
            values[offset] = _union(values[offset], changes.origins.get(row, []))
        return pa.array(values, field.type)
    return column


def _union(first: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All origins, each once, in order of appearance."""
    found: list[dict[str, Any]] = []
    for origin in [*first, *more]:
        if origin not in found:
            found.append(origin)
    return found


def groups(sizes: Sequence[int], target: int) -> list[range]:
    """Neighbouring parts joined until a group has ``target`` rows, so that small units make no tiny fragments."""
    found: list[range] = []
    start, rows = 0, 0
    for index, size in enumerate(sizes):
        rows += size
        if rows >= target:
            found.append(range(start, index + 1))
            start, rows = index + 1, 0
    if start < len(sizes):
        found.append(range(start, len(sizes)))
    return found
