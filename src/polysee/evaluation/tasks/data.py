"""The questions of a task as samples, out of a file, a source or a run, and their media by hash."""

from __future__ import annotations

import difflib
import hashlib
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from polysee import sources
from polysee.evaluation.tasks.models import Data, Fields, Task
from polysee.evaluation.worse import read_medium
from polysee.media.decode import verify
from polysee.schema.arrow import from_table
from polysee.schema.errors import BadRecord, UserError
from polysee.schema.problems import Keys
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.sources.base import MediaBlob, Reject, SourceRecord
from polysee.sources.fields import (
    image_bytes,
    image_file,
    language_tag,
    optional_field,
    place_images,
    record_id,
    text,
    video_file,
)
from polysee.sources.rows import Row, read_rows
from polysee.store.run import RunStore

GROUP = "group:"
"""Prefix of the tag that is equal for one question in several languages."""

_SUFFIXES = (".jsonl", ".json", ".parquet")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question. ``golds``: all right answers, the sample's own first."""

    sample: Sample
    golds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnknownColumn:
    """A column of a task's ``fields`` that no record has. ``keys``: the way to it from the task."""

    keys: Keys
    cause: str
    fix: str


class UnknownColumns(UserError):
    """All of a task's columns that no record has; ``cause`` and ``fix`` are those of the first."""

    def __init__(self, columns: Sequence[UnknownColumn], *, place: str | None = None) -> None:
        self.columns = tuple(columns)
        super().__init__(self.columns[0].cause, self.columns[0].fix, place=place)

    def __str__(self) -> str:
        return "\nerror: ".join(f"{self.place}: {one.cause}\nhint: {one.fix}" for one in self.columns)

    def __reduce__(self) -> tuple[object, ...]:
        return (_unknown_columns, (self.columns, self.place))


def _unknown_columns(columns: Sequence[UnknownColumn], place: str | None) -> UnknownColumns:
    return UnknownColumns(columns, place=place)


class MediaPack:
    """Media of questions that are no run's: appended to one file, found by hash. Readers open it by its path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")

    def add(self, blob: MediaBlob) -> MediaRef:
        """Check a medium and keep it. Raises `BadRecord` for bytes that cannot be decoded."""
        info = verify(blob.data, blob.kind)
        digest = hashlib.sha256(blob.data).hexdigest()
        if digest not in self._places:
            with self._path.open("ab") as stream:
                stream.write(blob.data)
            self._places[digest] = (self._end, len(blob.data))
            self._end += len(blob.data)
        return MediaRef(digest, blob.kind, info.width, info.height, info.frames, blob.box, blob.span)

    def read(self, sha256: str) -> bytes:
        """The bytes of a medium. Raises `KeyError` for one that was never added."""
        start, length = self._places[sha256]
        with self._path.open("rb") as stream:
            stream.seek(start)
            return stream.read(length)

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places


@dataclass(frozen=True)
class Material:
    """Where tasks find their data: a run, if there is one, and a pack for media of all others."""

    pack: MediaPack
    run: RunStore | None = None
    rejected: dict[str, int] = field(default_factory=dict)
    """Records that could not be used, by task."""

    def read(self, sha256: str) -> bytes:
        """The bytes of a medium, of whatever origin, or of a worse picture (see `distorted`). Raises `KeyError`."""
        return read_medium(sha256, self._read)

    def _read(self, sha256: str) -> bytes:
        if sha256 in self.pack or self.run is None:
            return self.pack.read(sha256)
        return self.run.read_media(sha256)


def read_task(task: Task, material: Material, *, splits: Sequence[str] | None = None) -> list[Asked]:
    """The questions of a task in order of reading. ``splits``: other ones than the task's own (for examples).

    Raises `UserError` for data that cannot be read, for a column that no record has, for a file of which more than one
    record in a hundred is bad, and where nothing is left.
    """
    data = task.data
    wanted = tuple(data.splits if splits is None else splits)
    if data.of_run and data.samples is None and material.run is None:
        raise UserError(
            f"the task {task.name!r} asks a run's own samples, and there is no run",
            "name a run folder, or give the task `data.path`",
        )
    if data.of_run:
        found = [Asked(sample, sample.right_answers) for sample in _of_run(task, material.run, wanted)]
    else:
        found = [asked for asked in _of_records(task, material) if not wanted or asked.sample.split in wanted]
    if not found:
        where = f" in the splits {', '.join(wanted)}" if wanted else ""
        fix = "check `data.samples` and `data.splits`, or let a source hold samples out of training"
        if data.of_run and (held := _held_out_tasks(material.run)):
            fix = f"leave it out with --only, or ask what the run holds out: {', '.join(held)}"
        raise UserError(f"no held-out samples of the task {(data.samples or task.name)!r}{where} to evaluate", fix)
    return found


def _held_out_tasks(run: RunStore | None) -> list[str]:
    batches = () if run is None else run.sample_batches(["task"], where="split <> 'train'")
    return sorted({name for batch in batches for name in batch.column("task").to_pylist()})


def _of_run(task: Task, run: RunStore | None, splits: Sequence[str]) -> Iterator[Sample]:
    if run is None:
        raise UserError(f"the task {task.name!r} asks a run's own samples, and there is no run", "name a run folder")
    name = (task.data.samples or task.name).replace("'", "''")
    where = [f"task = '{name}'"]
    kept = run.kept()
    if kept:
        where.append(f"({kept})")
    if splits:
        where.append("split IN ({})".format(", ".join("'" + s.replace("'", "''") + "'" for s in splits)))
    else:
        where.append("split <> 'train'")
    for batch in run.sample_batches(where=" AND ".join(where)):
        yield from from_table(batch)


def _of_records(task: Task, material: Material) -> Iterator[Asked]:
    data, bad, good, first = task.data, 0, 0, ""
    records = _of_source(task) if data.use is not None else _of_file(task)
    for record in records:
        try:
            if isinstance(record, Reject):
                raise BadRecord(record.reason, record.detail)
            asked = _asked(task, record, material)
        except BadRecord as error:
            bad, first = bad + 1, first or str(error)
            continue
        good += 1
        yield asked
    material.rejected[task.name] = bad
    if bad * 100 > bad + good:
        raise UserError(
            f"{bad:,} of {bad + good:,} records of the task {task.name!r} cannot be used, the first: {first}",
            "mend the data or its `fields`: `polysee task lint` shows more",
            place=data.path,
        )


def _asked(task: Task, record: SourceRecord, material: Material) -> Asked:
    media = tuple(material.pack.add(blob) for blob in record.media)
    try:
        sample = make_sample(
            task=task.name,
            language=record.language,
            turns=record.turns,
            origin=Origin(task.data.dataset or task.data.use or "file", record.key, record.licence),
            media=media,
            instruction=record.instruction,
            options=record.options,
            split=record.split,
            tags=record.tags,
            references=record.references,
        )
    except ValueError as error:
        raise BadRecord("invalid-sample", str(error)) from error
    return Asked(sample, sample.right_answers)


def _of_source(task: Task) -> Iterator[SourceRecord | Reject]:
    data = task.data
    assert data.use is not None
    kind = sources.get(data.use)
    try:
        params = kind.Params.model_validate_json(json.dumps(data.params), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "params"
        raise UserError(f"{where}: {first['msg'].lower()}", f"mend `data.params` of the task {task.name!r}") from None
    source = kind(params, seed=0)
    for shard in source.shards():
        yield from source.read(shard)


def _of_file(task: Task) -> Iterator[SourceRecord | Reject]:
    data = task.data
    assert data.path is not None
    path = Path(data.path).expanduser()
    below = path if path.is_dir() else path.parent
    folder = below if data.folder is None else Path(data.folder).expanduser()
    seen: set[str] = set()
    columns: dict[str, None] = {}
    for file in _files(path):
        for number, row in enumerate(_rows(file), 1):
            try:
                if row.error is not None:
                    raise row.error
                columns.update(dict.fromkeys(row.data))
                record = _record(data, folder, row.data, f"{file.name}:{number}")
                if record.key in seen:
                    raise BadRecord("duplicate-id", repr(record.key))
                seen.add(record.key)
                yield record
            except BadRecord as error:
                yield Reject(row.place, error.reason, f"{row.place}: {error.detail}")
    # A column that is not there reads as an empty one, and the model would be asked nothing at all.
    unknown = _unknown(task, list(columns)) if columns else []
    if unknown:
        raise UnknownColumns(unknown, place=str(path.absolute()))


def _unknown(task: Task, columns: Sequence[str]) -> list[UnknownColumn]:
    found = []
    for keys, name in _named(task):
        if name in columns:
            continue
        near = difflib.get_close_matches(name, columns, n=1)
        fix = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(columns)}"
        if keys == ("question",) and not near:
            fix += "; write `question: null` where pictures or the prompt say it all"
        place = ("data", "fields", *keys)
        cause = f"no record has the column {name!r}, which {'.'.join(map(str, place))} names"
        found.append(UnknownColumn(place, cause, fix))
    return found


def _named(task: Task) -> Iterator[tuple[Keys, str]]:
    """The columns that must be there. The question's may be missing if nobody has named it and the prompt has words."""
    names = task.data.fields
    silent = names.instruction is None and not _has_words(task)
    wanted: dict[str, str | tuple[str, ...] | dict[str, str] | None] = {
        "answer": names.answer,
        "question": names.question if "question" in names.model_fields_set or silent else None,
        **{key: getattr(names, key) for key in ("instruction", "options", "images", "videos")},
        **{key: getattr(names, key) for key in ("language", "id", "group", "tags")},
    }
    for key, value in wanted.items():
        if isinstance(value, str):
            yield (key,), value
        elif value is not None:
            for part, name in value.items() if isinstance(value, dict) else enumerate(value):
                yield (key, part), name


def _has_words(task: Task) -> bool:
    prompts = (task.prompt,) if isinstance(task.prompt, str) else task.prompt.values()
    return any(words.strip() for prompt in prompts for words, *_ in string.Formatter().parse(prompt))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES and p.is_file()) if path.is_dir() else []
    if not found:
        raise UserError("there is no file of questions", f"give one that ends in {', '.join(_SUFFIXES)}, or a folder; "
                        "paths are relative to where polysee runs", place=str(path.absolute()))  # fmt: skip
    return found


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix != ".parquet":
        yield from read_rows(path)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            number = 0
            for batch in table.iter_batches(batch_size=64):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path.name}:{number}", values)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"the Parquet file cannot be read: {error}", "fetch it again", place=str(path)) from error


def _record(data: Data, folder: Path, row: Mapping[str, Any], place: str) -> SourceRecord:
    names = data.fields
    options = _options(names, row)
    golds = _golds(names, row, options)
    media = [_medium(folder, value, video=False) for name in names.images for value in _list(row.get(name))]
    media += [_medium(folder, value, video=True) for name in names.videos for value in _list(row.get(name))]
    question = optional_field(row, names.question) if names.question is not None else ""
    tags = [f"{key}:{text(str(row[column]), column)}" for key, column in names.tags.items() if row.get(column)]
    if names.group is not None and row.get(names.group) is not None:
        tags.append(GROUP + record_id(row[names.group]))
    return SourceRecord(
        key=record_id(row[names.id]) if names.id is not None and row.get(names.id) is not None else place,
        task="",
        language=_language(data, row),
        turns=place_images((Turn(question, golds[0]),), len(media)),
        media=tuple(media),
        instruction=optional_field(row, names.instruction) if names.instruction is not None else "",
        options=options,
        split=optional_field(row, "split") or "test",
        tags=tuple(tags),
        references=golds if len(golds) > 1 else (),
    )


def _options(names: Fields, row: Mapping[str, Any]) -> tuple[str, ...]:
    if names.options is None:
        return ()
    if isinstance(names.options, str):
        return tuple(text(one, "option") for one in _list(row.get(names.options)))
    # Several columns: the last ones of a question with fewer options are empty.
    return tuple(text(row[name], name) for name in names.options if row.get(name) not in (None, ""))


def _golds(names: Fields, row: Mapping[str, Any], options: tuple[str, ...]) -> tuple[str, ...]:
    value = row.get(names.answer)
    if names.answer_is_index:
        index = ord(value.upper()) - ord("A") if isinstance(value, str) and len(value) == 1 else value
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(options):
            raise BadRecord("bad-option", f"{names.answer} is {value!r}, of {len(options)} options")
        return (options[index],)
    golds = tuple(text(one if isinstance(one, str) else json.dumps(one), names.answer) for one in _list(value))
    if not golds or not all(golds):
        raise BadRecord("empty-answer" if golds else "missing-field", names.answer)
    if options and golds[0] not in options:
        raise BadRecord("bad-option", f"{golds[0]!r} is not among the options")
    return golds


def _language(data: Data, row: Mapping[str, Any]) -> str:
    name = data.fields.language
    if name is not None and row.get(name) is not None:
        return language_tag(row[name])
    if data.language is None:
        raise BadRecord("no-language", f"the row has no {name!r}")
    return data.language


def _medium(folder: Path, value: object, *, video: bool) -> MediaBlob:
    if isinstance(value, dict):
        value = value["bytes"] if value.get("bytes") is not None else value.get("path")
    if isinstance(value, bytes):
        blob = image_bytes(value, "bytes")
        return MediaBlob(blob.data, "video", blob.place) if video else blob
    return video_file(folder, value) if video else image_file(folder, value)


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
