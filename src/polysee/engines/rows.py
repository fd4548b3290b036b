"""How source and transform steps replace or extend the samples: stage, resolve, write, commit."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from polysee.engines.journal import Journal
from polysee.engines.publish import WriteJob, Written, groups
from polysee.engines.reading import SourceJob, TransformJob
from polysee.engines.resolve import Resolution, RowsPart, StagedPart, StoredPart, resolve
from polysee.engines.staging import Staged, read_staged, still_there
from polysee.engines.step import StepContext, StepOutcome, Versions
from polysee.engines.tally import Tally
from polysee.schema.arrow import MEDIA_SCHEMA, REJECT_SCHEMA
from polysee.schema.errors import UserError
from polysee.store import tables
from polysee.store.media import MediaTable

_TOP_REASONS = 3
_EXAMPLES = 2

_StageJobs = Sequence[SourceJob | TransformJob]


class RowsWork:
    """One run of a step that makes rows. Every stage finds what an earlier, killed run finished."""

    def __init__(self, context: StepContext, step: str, verb: str, tolerance: float) -> None:
        self._context = context
        self._store = context.store
        self._step = step
        self._verb = verb
        self._tolerance = tolerance
        self._fresh = context.previous is None

    def run(
        self, jobs: _StageJobs, units: str, schema: pa.Schema, *, stored: Sequence[StoredPart], appends: bool
    ) -> StepOutcome:
        """Run the jobs and publish their rows. ``stored``: rows from before that equal samples are looked for in;
        they stay. ``appends``: whether the rows from before stay at all.

        Raises `UserError` where more records are unusable than the tolerance allows; the rejects are kept.
        """
        staged = self._stage(jobs, units)
        parts: list[RowsPart] = [*stored, *(StagedPart(job.place.rows) for job in jobs)]
        with self._context.progress.task(f"{self._verb} {self._step}: equal samples", None, "passes"):
            resolution = resolve(self._step, parts, unique_keys=self._verb == "source")
        tally = Tally(count for entry in staged for count in entry.counts)
        inputs = tally.total("in")
        bad = sum(entry.bad for entry in staged) + resolution.duplicate_keys
        tally.merge(resolution.tally.counts())
        if bad > self._tolerance * inputs:
            self._publish_rejects(jobs, resolution)
            raise self._too_many(bad, inputs, jobs, resolution)
        touched = any(resolution.changes[number] for number in range(len(stored)))
        whole = self._fresh or touched or not appends
        start = 0 if whole else len(stored)
        written = self._write(parts[start:], resolution, start, schema, fresh=whole)
        versions = self._commit(jobs, staged, resolution, written, schema, fresh=whole)
        return StepOutcome(tally.rows(self._step, self._verb), _summary(tally, self._verb), versions=versions)

    def _stage(self, jobs: _StageJobs, units: str) -> list[Staged]:
        journal = Journal(self._context.folder, "stage", Staged, self._store.warn)
        entries: dict[int, Staged] = {}
        for number, job in enumerate(jobs):
            entry = journal.read(number)
            if entry is not None and entry.unit == job.unit and still_there(job.place, entry):
                entries[number] = entry
        previous = self._context.previous
        claims = _Claims(None if previous is None else MediaTable(self._store.media_path, previous.media))
        for entry in entries.values():
            claims.hold(entry.media)
        todo: list[tuple[int, Any]] = [(number, job) for number, job in enumerate(jobs) if number not in entries]
        with self._context.progress.task(f"{self._verb} {self._step}", len(jobs), units) as task:
            task.set_done(len(entries))

            def done(number: int, entry: Staged) -> None:
                journal.write(number, entry)
                entries[number] = entry
                task.advance()

            self._context.pool.run(todo, done, claim=claims.claim, advance=lambda n: task.count(n, "records"))
        return [entries[number] for number in range(len(jobs))]

    def _write(
        self, parts: Sequence[RowsPart], resolution: Resolution, start: int, schema: pa.Schema, *, fresh: bool
    ) -> list[Written]:
        journal = Journal(self._context.folder, "write", Written, self._store.warn)
        jobs: list[WriteJob] = []
        for group in groups([_rows(part) for part in parts], tables.ROWS_PER_FRAGMENT):
            chosen = [start + number for number in group]
            jobs.append(
                WriteJob(
                    unit=f"parts {chosen[0]} to {chosen[-1]} of {self._step}",
                    parts=tuple(parts[number] for number in group),
                    changes=tuple(resolution.changes[number] for number in chosen),
                    path=self._store.samples_path,
                    schema=schema,
                    fresh=fresh,
                )
            )
        entries: dict[int, Written] = {}
        for number, job in enumerate(jobs):
            entry = journal.read(number)
            if entry is not None and entry.unit == job.unit and tables.fragments_present(job.path, entry.fragments):
                entries[number] = entry
        todo = [(number, job) for number, job in enumerate(jobs) if number not in entries]
        with self._context.progress.task(f"{self._verb} {self._step}: write", len(jobs), "parts") as task:
            task.set_done(len(entries))

            def done(number: int, entry: Written) -> None:
                journal.write(number, entry)
                entries[number] = entry
                task.advance()

            self._context.pool.run(todo, done, advance=lambda n: task.count(n, "samples"))
        return [entries[number] for number in range(len(jobs))]

    def _commit(
        self,
        jobs: _StageJobs,
        staged: Sequence[Staged],
        resolution: Resolution,
        written: Sequence[Written],
        schema: pa.Schema,
        *,
        fresh: bool,
    ) -> Versions:
        media = [fragment for entry in staged for fragment in entry.fragments]
        samples = [fragment for entry in written for fragment in entry.fragments]
        media_version = tables.publish(self._store.media_path, media, MEDIA_SCHEMA, fresh=self._fresh)
        rejects_version = self._publish_rejects(jobs, resolution)
        samples_version = tables.publish(self._store.samples_path, samples, schema, fresh=fresh)
        return Versions(samples_version, media_version, rejects_version)

    def _publish_rejects(self, jobs: _StageJobs, resolution: Resolution) -> int:
        path = self._store.rejects_path
        reader = pa.RecordBatchReader.from_batches(REJECT_SCHEMA, _rejects(jobs, resolution))
        fragments = tables.write_fragments(path, reader, REJECT_SCHEMA, fresh=self._fresh)
        return tables.publish(path, fragments, REJECT_SCHEMA, fresh=self._fresh)

    def _too_many(self, bad: int, inputs: int, jobs: _StageJobs, resolution: Resolution) -> UserError:
        reasons: Counter[str] = Counter()
        examples: dict[str, list[str]] = {}
        for batch in _rejects(jobs, resolution):
            for row in batch.to_pylist():
                reasons[row["reason"]] += 1
                shown = examples.setdefault(row["reason"], [])
                if len(shown) < _EXAMPLES:
                    shown.append(f"{row['key']}: {row['detail']}" if row["detail"] else row["key"])
        top = "; ".join(
            f"{reason} {n:,} (for example {' | '.join(examples[reason])})"
            for reason, n in reasons.most_common(_TOP_REASONS)
        )
        return UserError(
            f"{self._verb} {self._step!r}: {bad:,} of {inputs:,} records cannot be used, more than the tolerance of "
            f"{self._tolerance:.2%}: {top}",
            f"mend the data, or raise `tolerance` in the recipe; all of them are in {self._store.rejects_path}",
        )


class _Claims:
    """Which media are stored or promised, so that each is written once although many units have it."""

    def __init__(self, stored: MediaTable | None) -> None:
        self._stored = stored
        self._promised: set[bytes] = set()

    def hold(self, sha256: Sequence[str]) -> None:
        """These are in the fragments of finished units."""
        self._promised.update(map(bytes.fromhex, sha256))

    def claim(self, sha256: Sequence[str]) -> list[bool]:
        return [self._grant(one) for one in sha256]

    def _grant(self, sha256: str) -> bool:
        digest = bytes.fromhex(sha256)
        if digest in self._promised or (self._stored is not None and sha256 in self._stored):
            return False
        self._promised.add(digest)
        return True


def _rows(part: RowsPart) -> int:
    return sum(batch.num_rows for batch in part.batches(["id"]))


def _rejects(jobs: _StageJobs, resolution: Resolution) -> Iterator[pa.RecordBatch]:
    """The rejects of all units in their order, then those that equal samples caused."""
    staged = itertools.chain.from_iterable(read_staged(job.place.rejects) for job in jobs)
    yield from (batch for batch in staged if batch.num_rows)
    if resolution.rejects:
        yield pa.RecordBatch.from_pylist(resolution.rejects, schema=REJECT_SCHEMA)


def _summary(tally: Tally, verb: str) -> str:
    parts = [f"{tally.total('in'):,} in", f"{tally.total('out'):,} out"]
    if verb == "transform":
        parts.append(f"{tally.total('made'):,} made")
    dropped = ", ".join(f"{reason} {n:,}" for reason, n in sorted(tally.reasons().items()))
    if dropped:
        parts.append(f"dropped: {dropped}")
    if tally.total("failed"):
        parts.append(f"{tally.total('failed'):,} failed")
    return ", ".join(parts)
