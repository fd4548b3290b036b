"""The job that scores one fragment: new columns, one value a row, null where it is unknown or failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from polysee import scores
from polysee.engines import ancestry
from polysee.engines.pool import Link
from polysee.engines.reading import Part, kept_mask
from polysee.engines.tally import Count, Tally
from polysee.schema.config import Config
from polysee.schema.errors import BadRecord, UserError
from polysee.scores.base import TRANSLATED_FROM, Score
from polysee.store import tables
from polysee.store.run import KEEP

_ROWS_PER_BATCH = 256
_EXAMPLES = 5


class Scored(Config):
    """Journal entry of a scored fragment. ``examples``: what went wrong with the first few rows that failed."""

    unit: str
    fragment: str
    counts: tuple[Count, ...]
    examples: tuple[str, ...]


def output_schema(score: type[Score] | Score) -> pa.Schema:
    """The score's columns, all of them nullable: any row may be unknown."""
    return pa.schema([pa.field(field.name, field.type) for field in score.outputs])


def wants_origin(score: type[Score] | Score) -> bool:
    """Whether the score is to be given `TRANSLATED_FROM`."""
    return TRANSLATED_FROM.name in score.inputs


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """Scores the kept rows of one fragment of the samples at ``version``; rows that were dropped get null.

    ``given``: versions in which the samples that others were made from lie (`ancestry.given_to_transforms`).
    """

    part: Part
    unit: str
    samples: Path
    version: int
    fragment: int
    given: tuple[int, ...] = ()

    def run(self, link: Link) -> Scored:
        """Score the kept rows of one fragment; the others, and what has no value, are null. Raises `UserError`."""
        score: Score = self.part.build(scores.get(self.part.use))
        dataset = tables.open_at(self.samples, self.version)
        keeps = [name for name in dataset.schema.names if name.startswith(KEEP)]
        inputs = [name for name in score.inputs if name != TRANSLATED_FROM.name]
        if wants_origin(score):
            inputs += ancestry.NEEDED
        columns = list(dict.fromkeys(["id", "language", *inputs, *keeps]))
        table = dataset.get_fragment(self.fragment).to_table(columns=columns)
        kept = kept_mask(table)
        rows = table.filter(kept).combine_chunks()
        if wants_origin(score):
            found = ancestry.translated_from(self.samples, self.given, rows)
            rows = rows.append_column(TRANSLATED_FROM, pa.chunked_array([found], TRANSLATED_FROM.type))
        work = _ScoreWork(score, self.part.use, link)
        values = pa.Table.from_batches(work.run(rows), schema=output_schema(score))
        spread = _spread(values, kept)
        fragment = tables.add_fragment_columns(self.samples, self.version, self.fragment, spread)
        return Scored(unit=self.unit, fragment=fragment, counts=work.tally.counts(), examples=tuple(work.examples))


def _spread(values: pa.Table, kept: pa.Array) -> pa.Table:
    """``values`` at the places where ``kept`` is true, null elsewhere."""
    flags = kept.to_numpy(zero_copy_only=False)
    return values.take(pa.array(flags.cumsum() - 1, pa.int64(), mask=~flags))


class _ScoreWork:
    def __init__(self, score: Score, use: str, link: Link) -> None:
        self._score = score
        self._use = use
        self._link = link
        self._schema = output_schema(score)
        self.tally = Tally()
        self.examples: list[str] = []

    def run(self, table: pa.Table) -> Iterator[pa.RecordBatch]:
        for batch in table.to_batches(max_chunksize=_ROWS_PER_BATCH):
            try:
                yield self._count(batch, self._compute(batch))
            except (UserError, MemoryError, _Misbehaved):
                raise
            except Exception:
                # One bad row must not cost its neighbours: each is tried alone.
                for row in range(batch.num_rows):
                    yield self._alone(batch.slice(row, 1))
            self._link.advance(batch.num_rows)

    def _compute(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        made = self._score.compute(batch.select(list(self._score.inputs)))
        if made.num_rows != batch.num_rows or made.schema.names != self._schema.names:
            raise _Misbehaved(
                f"the score {self._use!r} gave {made.num_rows} rows of {made.schema.names} "
                f"for {batch.num_rows} rows; it declares {self._schema.names}"
            )
        return made.cast(self._schema)

    def _alone(self, row: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return self._count(row, self._compute(row))
        except (UserError, MemoryError, _Misbehaved):
            raise
        except Exception as error:
            language = row.column("language")[0].as_py()
            self.tally.add(language, "in")
            self.tally.add(language, "failed")
            if len(self.examples) < _EXAMPLES:
                kind = error.reason if isinstance(error, BadRecord) else type(error).__name__
                self.examples.append(f"{row.column('id')[0].as_py()}: {kind}: {error}")
            return pa.RecordBatch.from_pylist([dict.fromkeys(self._schema.names)], schema=self._schema)

    def _count(self, batch: pa.RecordBatch, made: pa.RecordBatch) -> pa.RecordBatch:
        languages = batch.column("language").to_pylist()
        known = [column.is_valid().to_pylist() for column in made.columns]
        for row, language in enumerate(languages):
            self.tally.add(language, "in")
            self.tally.add(language, "out" if any(column[row] for column in known) else "unknown")
        return made


class _Misbehaved(RuntimeError):
    """The score broke its own declaration: a defect of its, not of a row."""
