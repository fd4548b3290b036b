"""What to do about equal samples: decided over the whole step at once, in the order of its units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from polysee.engines.staging import INPUT, INPUT_LANGUAGE, PASSING, read_staged
from polysee.engines.tally import Tally
from polysee.store import tables

EQUAL = "equal-sample"
IN_EVALUATION = "also-in-evaluation"
TWICE = "duplicate-key"

_NEEDED = ("id", "language", "origins", "split", INPUT, INPUT_LANGUAGE)


@dataclass(frozen=True, slots=True)
class StagedPart:
    """Rows that this step staged."""

    file: Path

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order; all columns, or those named in the order of the file."""
        return read_staged(self.file, columns)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One fragment of the samples as they were before this step."""

    path: Path
    version: int
    fragment: int

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in order; stored rows have no columns that say what they were made from."""
        dataset = tables.open_at(self.path, self.version)
        names = None if columns is None else [name for name in columns if name in dataset.schema.names]
        yield from dataset.get_fragment(self.fragment).to_batches(columns=names)


RowsPart = StagedPart | StoredPart


@dataclass(slots=True)
class Changes:
    """What becomes of the rows of one part: rows to leave out, and origins to add to a row."""

    drop: set[int] = field(default_factory=set)
    origins: dict[int, list[dict[str, str]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.drop or self.origins)


@dataclass(slots=True)
class Resolution:
    """The decisions for all parts, the fate of every input that became a row, and the rejects that they cause."""

    changes: list[Changes]
    tally: Tally
    rejects: list[dict[str, str]]
    duplicate_keys: int


@dataclass(frozen=True, slots=True)
class _Row:
    part: int
    number: int
    id: str
    language: str
    split: str
    origins: list[dict[str, str]]
    input: int | None
    input_language: str


def resolve(step: str, parts: Sequence[RowsPart], *, unique_keys: bool) -> Resolution:
    """Decide about equal samples, in the order of ``parts``.

    Of equal samples the first stays and takes on the origins of the others. A training sample that equals one of any
    other split is rejected, wherever it stands. With ``unique_keys`` a second staged row of one source key is
    rejected. Memory: about 200 bytes a sample.
    """
    return _Resolver(step, parts, unique_keys).run()


class _Resolver:
    def __init__(self, step: str, parts: Sequence[RowsPart], unique_keys: bool) -> None:
        self._step = step
        self._parts = parts
        self._unique_keys = unique_keys
        self._keys: set[bytes] = set()
        self._first: dict[bytes, tuple[int, int]] = {}
        self._held_out: dict[bytes, str] = {}
        self._part = -1
        self._fates: dict[int, tuple[str, str | None]] = {}
        self._result = Resolution([Changes() for _ in parts], Tally(), [], 0)

    def run(self) -> Resolution:
        for row in self._rows(("id", "split")):
            if row.split != "train":
                self._held_out.setdefault(bytes.fromhex(row.id), row.split)
        if self._settle(passing=False):
            # Last, so that a sample that a select dropped cannot swallow an equal one that is still in play.
            self._settle(passing=True)
        return self._result

    def _settle(self, *, passing: bool) -> bool:
        """Decide about the rows that pass by, or about all others; returns whether any were left for the other way."""
        left = False
        for row in self._rows(_NEEDED):
            if (row.input == PASSING) != passing:
                left = True
                continue
            reason = self._decide(row)
            if reason is not None:
                self._result.changes[row.part].drop.add(row.number)
            self._count(row, reason)
        self._close_part()
        return left

    def _rows(self, columns: Sequence[str]) -> Iterator[_Row]:
        for number, part in enumerate(self._parts):
            at = 0
            for batch in part.batches(columns):
                for row in batch.to_pylist():
                    yield _row(number, at, row)
                    at += 1

    def _decide(self, row: _Row) -> str | None:
        """Why the row does not stay, or `None` if it does."""
        identity = bytes.fromhex(row.id)
        if self._unique_keys and row.input is not None:
            key = blake2b(row.origins[0]["key"].encode(), digest_size=16).digest()
            if key in self._keys:
                self._result.duplicate_keys += 1
                self._reject(row, TWICE, "the source has another record with this key")
                return TWICE
            self._keys.add(key)
        if row.split == "train" and identity in self._held_out:
            self._reject(row, IN_EVALUATION, f"equal to a sample of the split {self._held_out[identity]!r}")
            return IN_EVALUATION
        first = self._first.setdefault(identity, (row.part, row.number))
        if first == (row.part, row.number):
            return None
        self._result.changes[first[0]].origins.setdefault(first[1], []).extend(row.origins)
        return EQUAL

    def _count(self, row: _Row, reason: str | None) -> None:
        tally = self._result.tally
        if row.input is None:
            if reason is not None:
                # A sample of an earlier step that this step's samples push out: it is told of here.
                tally.add(row.language, "in")
                tally.drop(row.language, reason)
            return
        if row.input == PASSING:
            return
        if row.part != self._part:
            self._close_part()
            self._part = row.part
        language, fate = self._fates.setdefault(row.input, (row.input_language, reason))
        if reason is None:
            tally.add(row.language, "made")
            if fate is not None:
                self._fates[row.input] = (language, None)

    def _close_part(self) -> None:
        """The fate of an input is that of its best row: out if any stayed, else why the first did not."""
        for language, reason in self._fates.values():
            if reason is None:
                self._result.tally.add(language, "out")
            else:
                self._result.tally.drop(language, reason)
        self._fates.clear()

    def _reject(self, row: _Row, reason: str, detail: str) -> None:
        self._result.rejects.append(
            {
                "step": self._step,
                "source": row.origins[0]["source"],
                "key": row.origins[0]["key"],
                "language": row.language,
                "reason": reason,
                "detail": detail,
            }
        )


def _row(part: int, number: int, row: dict[str, Any]) -> _Row:
    return _Row(
        part=part,
        number=number,
        id=row["id"],
        language=row.get("language", ""),
        split=row["split"],
        origins=row.get("origins", []),
        input=row.get(INPUT),
        input_language=row.get(INPUT_LANGUAGE, ""),
    )
