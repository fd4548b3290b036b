"""The jobs that fill the stage: read one shard of a source, transform one fragment of the samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from polysee import sources, transforms
from polysee.engines.pool import Link
from polysee.engines.staging import PASSING, Staged, StagePlace, StageWriter
from polysee.schema.arrow import SAMPLE_COLUMNS, SAMPLE_SCHEMA, from_table
from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Origin, Sample, make_sample
from polysee.services.open import NO_SERVICES, ServicesSpec
from polysee.services.use import service_kinds
from polysee.sources.base import Reject, Source, SourceRecord
from polysee.store import tables
from polysee.store.media import MediaTable
from polysee.store.run import KEEP
from polysee.text.languages import is_known
from polysee.transforms.base import Failed, Made, Transform


@dataclass(frozen=True, slots=True)
class Part:
    """A registered part of a recipe as plain data: built anew in each worker, never sent as code.

    ``params``: its parameters as JSON text. ``seed``: `None` for parts that take none (scores). ``services``: what a
    part that declares ``service_kinds`` is given.
    """

    use: str
    params: str
    seed: int | None
    services: ServicesSpec = NO_SERVICES

    def build(self, kind: Any) -> Any:
        """An instance of the class ``kind``. Raises `UserError` if the parameters do not fit it."""
        try:
            params = kind.Params.model_validate_json(self.params, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{self.use}: {at or 'params'}: {first['msg'].lower()}", "mend it in the recipe") from error
        more: dict[str, Any] = {} if self.seed is None else {"seed": self.seed}
        if service_kinds(kind):
            more["services"] = self.services.open()
        return kind(params, **more)

    def source(self) -> Source:
        made: Source = self.build(sources.get(self.use))
        return made

    def transform(self) -> Transform:
        made: Transform = self.build(transforms.get(self.use))
        return made


@dataclass(frozen=True, slots=True)
class SourceJob:
    """Reads one shard: records become samples, blobs become stored media, what is unusable becomes a reject."""

    part: Part
    step: str
    shard: str
    licence: str
    place: StagePlace

    @property
    def unit(self) -> str:
        return self.place.unit

    def run(self, link: Link) -> Staged:
        """Stage what the shard holds and tell how many records of each language became what.

        Raises `UserError` for parameters that do not fit the source, a file that cannot be read, and a full disk.
        """
        source = self.part.source()
        licence = self.licence or source.licence
        with StageWriter(self.place, SAMPLE_SCHEMA, link) as writer:
            for number, record in enumerate(source.read(self.shard)):
                link.advance(1)
                # An unknown tag is counted as undetermined: any text may stand there, and the funnel has a row a tag.
                language = record.language if is_known(record.language) else "und"
                writer.tally.add(language, "in")
                if isinstance(record, Reject):
                    self._reject(writer, record.key, language, BadRecord(record.reason, record.detail))
                    continue
                try:
                    self._take(writer, number, record, licence)
                except BadRecord as error:
                    self._reject(writer, record.key, language, error)
            return writer.finish()

    def _take(self, writer: StageWriter, number: int, record: SourceRecord, licence: str) -> None:
        if not is_known(record.language):
            raise BadRecord("unknown-language", f"{record.language!r} is no known BCP-47 tag")
        media = [(*writer.check(blob), blob.data) for blob in record.media]
        try:
            sample = make_sample(
                task=record.task,
                language=record.language,
                turns=record.turns,
                origin=Origin(self.step, record.key, record.licence or licence),
                media=tuple(ref for ref, _, _ in media),
                instruction=record.instruction,
                options=record.options,
                split=record.split,
                tags=record.tags,
                references=record.references,
            )
        except ValueError as error:
            # Also text with lone surrogates, which cannot be hashed nor stored.
            raise BadRecord("invalid-sample", str(error)) from error
        if record.origins:
            sample = replace(sample, origins=(*sample.origins, *record.origins))
        for ref, info, data in media:
            writer.keep(ref, info, data)
        writer.row(sample, number, record.language)

    def _reject(self, writer: StageWriter, key: str, language: str, error: BadRecord) -> None:
        writer.tally.drop(language, error.reason)
        writer.reject(source=self.step, key=key, language=language, reason=error.reason, detail=error.detail)


@dataclass(frozen=True, slots=True)
class TransformJob:
    """Transforms the kept samples of one fragment; the others pass by as they are.

    ``samples`` and ``version``, ``media_version``: where the input lies.
    """

    part: Part
    samples: Path
    version: int
    fragment: int
    media_version: int
    place: StagePlace

    @property
    def unit(self) -> str:
        return self.place.unit

    def run(self, link: Link) -> Staged:
        """Stage what the fragment's samples became, those that were dropped before as they are, and tell the fates.

        Raises `UserError` for parameters that do not fit the transform, a service that is not there, and a full disk.
        """
        table = tables.open_at(self.samples, self.version).get_fragment(self.fragment).to_table()
        kept = kept_mask(table)
        inputs = list(from_table(table.filter(kept)))
        extra_names = [name for name in table.schema.names if name not in SAMPLE_COLUMNS]
        with StageWriter(self.place, table.schema, link) as writer:
            work = _TransformWork(inputs, table.filter(kept).select(extra_names).to_pylist(), writer, link)
            work.consume(self.part, MediaTable(self.place.media, self.media_version))
            rest = table.filter(pc.invert(kept))
            for sample, extra in zip(from_table(rest), rest.select(extra_names).to_pylist(), strict=True):
                writer.row(sample, PASSING, sample.language, extra)
            return writer.finish()


class _TransformWork:
    """Follows each input of a transform to what became of it."""

    def __init__(self, inputs: list[Sample], extra: list[dict[str, Any]], writer: StageWriter, link: Link) -> None:
        self._inputs = inputs
        self._extra = extra
        self._writer = writer
        self._link = link
        self._number = {sample.id: number for number, sample in enumerate(inputs)}
        self._taken = -1
        self._fates: dict[int, str] = {}

    def consume(self, part: Part, media: MediaTable) -> None:
        """Transform all inputs, write what they became, and count the fate of each: out, failed or made none.

        Raises `RuntimeError` where the transform names media that nobody has, and what the transform itself raises.
        """
        for made in part.transform().apply(self._feed(), media.read):
            number = self._input_of(made.sample)
            if isinstance(made, Failed):
                self._fail(number, made.reason, made.detail)
                continue
            try:
                self._take(number, made, part)
            except BadRecord as error:
                self._fail(number, error.reason, error.detail)
        self._count()

    def _count(self) -> None:
        tally = self._writer.tally
        for number, sample in enumerate(self._inputs):
            tally.add(sample.language, "in")
            fate = self._fates.get(number)
            if fate == "failed":
                tally.add(sample.language, "failed")
            elif fate is None:
                tally.drop(sample.language, "made-none")

    def _feed(self) -> Iterator[Sample]:
        for number, sample in enumerate(self._inputs):
            self._taken = number
            self._link.advance(1)
            yield sample

    def _input_of(self, sample: Sample) -> int:
        """The input that a sample is or was made from: itself, its parent, or else the one that was read last."""
        own = self._number.get(sample.id)
        # One that passes has the parent that an earlier step gave it, which may be an input as well.
        if own is not None and self._inputs[own].origins == sample.origins:
            return own
        for name in (sample.origin.parent, sample.id):
            if name in self._number:
                return self._number[name]
        return self._taken

    def _take(self, number: int, made: Made, part: Part) -> None:
        source = self._inputs[number]
        checked = {}
        for blob in made.media:
            ref, info = self._writer.check(blob)
            checked[ref.sha256] = (ref, info, blob.data)
        known = {ref.sha256 for ref in source.media} | set(checked)
        unknown = [ref.sha256 for ref in made.sample.media if ref.sha256 not in known]
        if unknown:
            raise RuntimeError(
                f"the transform {part.use!r} made a sample of media that it did not hand over: {unknown}"
            )
        for ref, info, data in checked.values():
            self._writer.keep(ref, info, data)
        extra = self._extra[number]
        if made.sample.id != source.id:
            # A score speaks of the old content; that the sample was kept holds for what is made of it.
            extra = {name: value for name, value in extra.items() if name.startswith(KEEP)}
        self._fates[number] = "row"
        self._writer.row(made.sample, number, source.language, extra)

    def _fail(self, number: int, reason: str, detail: str) -> None:
        sample = self._inputs[number]
        self._fates.setdefault(number, "failed")
        self._writer.reject(
            source=sample.origin.source, key=sample.origin.key, language=sample.language, reason=reason, detail=detail
        )


def kept_mask(table: pa.Table | pa.RecordBatch) -> pa.Array:
    """For each row, whether every keep column is true."""
    mask = pa.array([True] * table.num_rows, pa.bool_())
    for name in table.schema.names:
        if name.startswith(KEEP):
            column = table.column(name)
            column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            mask = pc.and_(mask, pc.fill_null(column, False))
    return mask
