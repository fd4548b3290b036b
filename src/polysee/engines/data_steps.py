"""The four data verbs as steps: source, transform, score, select."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from pydantic import JsonValue

from polysee import scores, sources, transforms
from polysee.engines.ancestry import given_to_transforms
from polysee.engines.journal import Journal
from polysee.engines.reading import Part, SourceJob, TransformJob, kept_mask
from polysee.engines.resolve import StoredPart
from polysee.engines.rows import RowsWork
from polysee.engines.scoring import Scored, ScoreJob, output_schema, wants_origin
from polysee.engines.services import StepServices
from polysee.engines.staging import StagePlace
from polysee.engines.step import StepContext, StepOutcome, Versions
from polysee.engines.tally import Tally
from polysee.schema.arrow import SAMPLE_COLUMNS, SAMPLE_SCHEMA
from polysee.schema.errors import UserError
from polysee.scores.base import TRANSLATED_FROM
from polysee.services.config import ServiceConfig
from polysee.store import tables
from polysee.store.manifest import DATA_VERBS, Manifest
from polysee.store.run import KEEP, lance_complaint

Params = dict[str, JsonValue]

DEFAULT_TOLERANCE = 0.01


@dataclass(frozen=True)
class SourceStep:
    """Reads a dataset: ``use`` names the source in its registry, ``params`` are its parameters as the recipe has them.

    ``licence`` overrides the source's own. ``tolerance``: the largest share of records that may be rejected.
    """

    name: str
    use: str
    params: Params = field(default_factory=dict)
    seed: int = 0
    licence: str = ""
    tolerance: float = DEFAULT_TOLERANCE
    after: str | None = None
    verb: str = field(default="source", init=False)
    version: int = field(default=1, init=False)

    def parameters(self) -> JsonValue:
        """What to read. The tolerance is not part of it: it decides whether the step succeeds, not what it makes."""
        return _parameters(self.use, self.params, sources.get(self.use), {"seed": self.seed, "licence": self.licence})

    def external_inputs(self) -> Sequence[str]:
        """Hashes of the dataset's files."""
        return tuple(self._part().source().fingerprint_inputs())

    def run(self, context: StepContext) -> StepOutcome:
        """Read all shards and add them to the samples. Raises `UserError` for an empty or a mostly broken dataset."""
        store, previous = context.store, context.previous
        shards = list(self._part().source().shards())
        jobs = [
            SourceJob(
                part=self._part(),
                step=self.name,
                shard=shard,
                licence=self.licence,
                place=_place(context, self.name, number, f"shard {shard!r} of {self.name}"),
            )
            for number, shard in enumerate(shards)
        ]
        schema = SAMPLE_SCHEMA if previous is None else tables.open_at(store.samples_path).schema
        lacking = [name for name in SAMPLE_COLUMNS if name not in schema.names]
        if lacking:
            cause = f"an older polysee began this run: its samples have no column {lacking[0]!r}"
            raise UserError(cause, "start it again in a new folder", place=str(store.path))
        work = RowsWork(context, self.name, self.verb, self.tolerance)
        outcome = work.run(jobs, "shards", schema, stored=_stored(context), appends=True)
        if not any(row.in_ for row in outcome.rows):
            raise UserError(f"the source {self.name!r} has no record", "check its parameters and its files")
        return outcome

    def _part(self) -> Part:
        return Part(self.use, _text(self.params), self.seed)


@dataclass(frozen=True)
class TransformStep:
    """Makes none, one or many samples of each kept one; ``use`` names the transform in its registry.

    ``services``: those of the recipe.
    """

    name: str
    use: str
    params: Params = field(default_factory=dict)
    seed: int = 0
    tolerance: float = DEFAULT_TOLERANCE
    after: str | None = None
    services: tuple[ServiceConfig, ...] = ()
    verb: str = field(default="transform", init=False)
    version: int = field(default=1, init=False)

    def parameters(self) -> JsonValue:
        """What to do to the samples."""
        more: Params = {"seed": self.seed, **self._services().parameters()}
        return _parameters(self.use, self.params, transforms.get(self.use), more)

    def external_inputs(self) -> Sequence[str]:
        """Hashes of the files that come with the transform, if it has any (instruction pools)."""
        made = Part(self.use, _text(self.params), self.seed, self._services().spec()).transform()
        return tuple(made.fingerprint_inputs()) if hasattr(made, "fingerprint_inputs") else ()

    def run(self, context: StepContext) -> StepOutcome:
        """Transform every fragment. Raises `UserError` where more samples fail than the tolerance allows, and before
        the first of them where a service is not there."""
        previous, services, run_path = _previous(context, self.name), self._services(), context.store.path
        before = services.probe(run_path)
        part = Part(self.use, _text(self.params), self.seed, services.spec(run_path))
        jobs = [
            TransformJob(
                part=part,
                samples=stored.path,
                version=stored.version,
                fragment=stored.fragment,
                media_version=previous.media or 0,
                place=_place(context, self.name, number, f"fragment {number} for {self.name}"),
            )
            for number, stored in enumerate(_stored(context))
        ]
        schema = tables.open_at(context.store.samples_path).schema
        work = RowsWork(context, self.name, self.verb, self.tolerance)
        outcome = work.run(jobs, "fragments", schema, stored=(), appends=False)
        return replace(outcome, summary=outcome.summary + services.summary(run_path, before))

    def _services(self) -> StepServices:
        return StepServices(self.services, transforms.get(self.use), self.params)


@dataclass(frozen=True)
class ScoreStep:
    """Adds the columns that a score declares; ``use`` names it in its registry. Rows that fail get null.

    ``services``: those of the recipe.
    """

    name: str
    use: str
    params: Params = field(default_factory=dict)
    tolerance: float = DEFAULT_TOLERANCE
    after: str | None = None
    services: tuple[ServiceConfig, ...] = ()
    verb: str = field(default="score", init=False)
    version: int = field(default=1, init=False)

    def parameters(self) -> JsonValue:
        """What to compute."""
        return _parameters(self.use, self.params, scores.get(self.use), self._services().parameters())

    def external_inputs(self) -> Sequence[str]:
        """None: a score reads the run alone."""
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        """Score every fragment. Raises `UserError` where its input is missing or too many rows fail."""
        previous, services = _previous(context, self.name), self._services()
        columns = output_schema(scores.get(self.use))
        self._check_columns(tables.open_at(context.store.samples_path).schema)
        before = services.probe(context.store.path)
        entries = self._score(context)
        tally = Tally(count for entry in entries for count in entry.counts)
        self._check_failures(tally, [example for entry in entries for example in entry.examples])
        version = tables.publish_columns(context.store.samples_path, [entry.fragment for entry in entries], columns)
        summary = f"{tally.total('out'):,} scored, {tally.total('unknown'):,} unknown, {tally.total('failed'):,} failed"
        summary += services.summary(context.store.path, before)
        return StepOutcome(tally.rows(self.name, self.verb), summary, versions=_versions(version, previous))

    def _services(self) -> StepServices:
        return StepServices(self.services, scores.get(self.use), self.params)

    def _score(self, context: StepContext) -> list[Scored]:
        journal = Journal(context.folder, "score", Scored, context.store.warn)
        part = Part(self.use, _text(self.params), None, self._services().spec(context.store.path))
        entries: dict[int, Scored] = {}
        jobs: list[tuple[int, ScoreJob]] = []
        stored, given = _stored(context), self._given(context)
        for number, one in enumerate(stored):
            entry = journal.read(number)
            if entry is not None and tables.fragments_present(one.path, [entry.fragment]):
                entries[number] = entry
            else:
                unit = f"fragment {number} for {self.name}"
                jobs.append((number, ScoreJob(part, unit, one.path, one.version, one.fragment, given)))
        with context.progress.task(f"score {self.name}", len(stored), "fragments") as task:
            task.set_done(len(entries))

            def done(number: int, entry: Scored) -> None:
                journal.write(number, entry)
                entries[number] = entry
                task.advance()

            context.pool.run(jobs, done, advance=lambda n: task.count(n, "samples"))
        return [entries[number] for number in range(len(stored))]

    def _given(self, context: StepContext) -> tuple[int, ...]:
        before = [m for m in context.store.manifests.all() if m.verb in DATA_VERBS]
        return given_to_transforms(before) if wants_origin(scores.get(self.use)) else ()

    def _check_columns(self, schema: pa.Schema) -> None:
        score = scores.get(self.use)
        for name in score.inputs:
            if name not in (*schema.names, TRANSLATED_FROM.name):
                raise UserError(
                    f"the score {self.name!r} needs the column {name!r}", f"there are {', '.join(schema.names)}"
                )
        for name in score.outputs.names:
            if name in schema.names:
                raise UserError(
                    f"the score {self.name!r} would write the column {name!r}, which exists", "use a score once only"
                )

    def _check_failures(self, tally: Tally, examples: list[str]) -> None:
        failed, total = tally.total("failed"), tally.total("in")
        if failed > self.tolerance * total:
            raise UserError(
                f"the score {self.name!r} failed on {failed:,} of {total:,} samples, more than the tolerance of "
                f"{self.tolerance:.2%}; for example {'; '.join(examples[:3])}",
                "mend the cause, or raise `tolerance` in the recipe",
            )


@dataclass(frozen=True)
class SelectStep:
    """Marks samples by an SQL predicate over their columns in a new column ``keep_<name>``; deletes nothing."""

    name: str
    where: str
    after: str | None = None
    verb: str = field(default="select", init=False)
    version: int = field(default=1, init=False)

    @property
    def column(self) -> str:
        """true = kept, false = dropped, null = unknown."""
        return f"{KEEP}{self.name}"

    def parameters(self) -> JsonValue:
        """The predicate."""
        return {"where": self.where}

    def external_inputs(self) -> Sequence[str]:
        """None."""
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        """Evaluate the predicate in Lance. Raises `UserError` for a predicate that does not fit the columns."""
        previous = _previous(context, self.name)
        path = context.store.samples_path
        self._check(tables.open_at(path))
        version = tables.add_sql_column(path, self.column, self.where)
        tally = self._count(tables.open_at(path, version))
        kept, total = tally.total("out"), tally.total("in")
        summary = f"{kept:,} of {total:,} kept, {tally.total('unknown'):,} unknown"
        return StepOutcome(tally.rows(self.name, self.verb), summary, versions=_versions(version, previous))

    def _check(self, dataset: Any) -> None:
        names = dataset.schema.names
        if self.column in names:
            raise UserError(f"there is a column {self.column!r} already", "give the select step another name")
        try:
            kind = dataset.scanner(columns={self.column: self.where}).projected_schema.field(self.column).type
        except ValueError as error:
            cause = lance_complaint(error)
            unknown = re.search(r"[Nn]o field named \"?([\w.]+?)\"?\.(?:\s|$)", f"{cause}. ")
            near = difflib.get_close_matches(unknown[1], names, n=1, cutoff=0.5) if unknown else []
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UserError(
                f"select {self.name!r}: {cause}", f"{hint}the samples have the columns {', '.join(names)}"
            ) from error
        if not pa.types.is_boolean(kind):
            raise UserError(
                f"select {self.name!r}: `{self.where}` is no condition (its type is {kind})",
                "compare it with something",
            )

    def _count(self, dataset: Any) -> Tally:
        tally = Tally()
        earlier = [name for name in dataset.schema.names if name.startswith(KEEP) and name != self.column]
        for batch in dataset.to_batches(columns=["language", self.column, *earlier]):
            mask = kept_mask(batch.select(earlier)) if earlier else pa.array([True] * batch.num_rows)
            asked = batch.filter(mask)
            fates = zip(asked.column("language").to_pylist(), asked.column(self.column).to_pylist(), strict=True)
            for (language, keep), n in Counter(fates).items():
                tally.add(language, "in", n)
                if keep is None:
                    tally.add(language, "unknown", n)
                elif keep:
                    tally.add(language, "out", n)
                else:
                    tally.drop(language, self.name, n)
        return tally


def _parameters(use: str, params: Params, kind: Any, more: Params) -> JsonValue:
    return {"use": use, "params": params, "class_version": kind.version, **more}


def _text(params: Params) -> str:
    return json.dumps(params, sort_keys=True, ensure_ascii=False)


def _place(context: StepContext, step: str, number: int, unit: str) -> StagePlace:
    return StagePlace(
        step=step,
        unit=unit,
        number=number,
        folder=context.folder,
        media=context.store.media_path,
        fresh=context.previous is None,
    )


def _stored(context: StepContext) -> tuple[StoredPart, ...]:
    """The fragments of the samples before this step."""
    if context.previous is None or context.previous.samples is None:
        return ()
    path, version = context.store.samples_path, context.previous.samples
    return tuple(StoredPart(path, version, one.fragment_id) for one in tables.open_at(path, version).get_fragments())


def _previous(context: StepContext, name: str) -> Manifest:
    if context.previous is None:
        raise UserError(f"the step {name!r} has no samples to work on", "put a source before it")
    return context.previous


def _versions(samples: int, previous: Manifest) -> Versions:
    return Versions(samples, previous.media or 0, previous.rejects or 0)
