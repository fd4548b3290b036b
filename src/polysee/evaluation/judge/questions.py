"""What there is to judge: the free answers in folders of ``polysee run`` and ``polysee eval``, with their questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from polysee.evaluation.answers import Asked
from polysee.evaluation.items import Scope
from polysee.evaluation.predictions import answers_of
from polysee.evaluation.tasks.data import Material, MediaPack, read_task
from polysee.evaluation.tasks.expand import pose
from polysee.evaluation.tasks.load import load_tasks
from polysee.schema.arrow import from_table
from polysee.schema.errors import UserError
from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.store.run import RunStore
from polysee.text.normalise import nfc

_COLUMNS = ["sample", "task", "language", "split", "cluster", "gold", "answer", "failure"]
_AT_ONCE = 1000
"""Samples asked of a run in one query."""

Read = Callable[[str], bytes]
"""Gives a medium by its hash."""


class Place(NamedTuple):
    """Where a question belongs. ``cluster``: sha256 of its picture, or its sample's id; ``sample``: that id."""

    task: str
    split: str
    language: str
    cluster: str
    sample: str


@dataclass(frozen=True)
class Questions:
    """``asked``: what all models answered freely, sorted by id; ``places``: by id.

    ``left_out``: questions that only some of the models answered; ``failed``: those to which one got no answer.
    """

    models: tuple[str, ...]
    asked: tuple[Asked, ...]
    places: Mapping[str, Place]
    left_out: int
    failed: int
    _media: Mapping[str, tuple[tuple[str, ...], Read]] = field(repr=False)

    def clusters(self) -> dict[str, str]:
        """The picture that each question is about."""
        return {key: place.cluster for key, place in self.places.items()}

    def has_pictures(self, key: str) -> bool:
        """Whether a question is about a picture."""
        return bool(self._media[key][0])

    def pictures(self, key: str) -> tuple[bytes, ...]:
        """The encoded pictures of a question."""
        names, read = self._media[key]
        return tuple(read(name) for name in names)


@dataclass(frozen=True, slots=True)
class _Posed:
    """A question in words. ``images``: hashes of its pictures."""

    text: str
    images: tuple[str, ...]
    read: Read


_Key = tuple[str, str]
"""A task and a sample's id: two tasks may ask the same samples."""


@dataclass(frozen=True, slots=True)
class _Given:
    """One model's free answers, as rows of the predictions table; ``failed``: questions without an answer."""

    rows: dict[_Key, dict[str, Any]]
    failed: set[_Key]


def read_questions(
    folders: Mapping[str, Path],
    scope: Scope,
    *,
    data: Sequence[str] = (),
    pack: Path,
    limit: int | None = None,
) -> Questions:
    """The free answers of ``folders`` (model -> folder), asked plainly, of the model itself and not of a baseline.

    Questions and pictures come from the folders' own runs and from ``data``: run folders, or task files as
    ``polysee eval --task`` takes them; ``pack``: where pictures of the latter are kept. ``limit``: of each language,
    first those about the first pictures. Raises `UserError` where there is nothing to judge in common, and for answers
    whose question nothing says.
    """
    given = {name: _answers(path, scope) for name, path in folders.items()}
    every = set().union(*(one.rows for one in given.values()))
    failed = set().union(*(one.failed for one in given.values()))
    shared = set.intersection(*(set(one.rows) for one in given.values()))
    if not shared:
        raise UserError(
            "the models have freely answered no question in common",
            "name folders that were asked the same tasks, splits and languages, on the same data",
        )
    first = next(iter(given.values())).rows
    chosen = _limited(sorted(shared), first, limit)
    posed = _posed(chosen, [*folders.values()], data, pack)
    tasks = Counter(sample for _, sample in chosen)
    asked: dict[str, Asked] = {}
    places: dict[str, Place] = {}
    media: dict[str, tuple[tuple[str, ...], Read]] = {}
    for key in chosen:
        row, words = first[key], posed[key]
        # Surveys and other tools know a question by its sample; only where two tasks share that it takes both.
        name = key[1] if tasks[key[1]] == 1 else f"{key[0]}:{key[1]}"
        asked[name] = Asked(
            id=name,
            language=row["language"],
            domain=row["task"],
            question=words.text,
            reference=nfc(row["gold"]),
            # No options: a question that shows them has them in its words.
            answers=tuple((model, nfc(one.rows[key]["answer"])) for model, one in given.items()),
        )
        places[name] = Place(row["task"], row["split"], row["language"], row["cluster"], key[1])
        media[name] = (words.images, words.read)
    order = sorted(asked)
    return Questions(
        models=tuple(folders),
        asked=tuple(asked[name] for name in order),
        places={name: places[name] for name in order},
        left_out=len(every - shared - failed),
        failed=len(failed),
        _media=media,
    )


def _answers(path: Path, scope: Scope) -> _Given:
    table = answers_of(path)
    rows: dict[_Key, dict[str, Any]] = {}
    failed: set[_Key] = set()
    own = within = 0
    for row in _free(table).select(_COLUMNS).to_pylist():
        own += 1
        if not _holds(scope, row):
            continue
        within += 1
        key = (row["task"], row["sample"])
        if row["failure"]:
            failed.add(key)
        else:
            rows.setdefault(key, row)
    if not own:
        raise UserError(
            "all answers here were chosen from given ones, and a judge reads free answers",
            "measure the model on a task of `how: write`, or in a recipe by a metric other than `choice`",
            place=str(path),
        )
    if not within:
        raise UserError("no free answer here is within --task, --split and --language", "ask for others",
                        place=str(path))  # fmt: skip
    # A failure does not tell how it was asked; what tasks were written at all does.
    written = {task for task, _ in rows}
    return _Given(rows, {key for key in failed - rows.keys() if key[0] in written})


def _free(table: pa.Table) -> pa.Table:
    """Answers in words: not weighed, not picked by a letter, no boxes; asked plainly, of the model itself."""
    words = pc.and_(pc.equal(pc.list_value_length(table["option_scores"]), 0), pc.is_null(table["chance"]))
    words = pc.and_(words, pc.not_equal(table["metric"], "iou"))
    plain = pc.equal(pc.fill_null(table["variant"], ""), "")
    return table.filter(pc.and_(words, pc.and_(plain, pc.is_null(table["baseline"]))))


def _holds(scope: Scope, row: Mapping[str, Any]) -> bool:
    pairs = ((scope.tasks, "task"), (scope.splits, "split"), (scope.languages, "language"))
    return all(not wanted or row[name] in wanted for wanted, name in pairs)


def _limited(keys: Sequence[_Key], rows: Mapping[_Key, Mapping[str, Any]], limit: int | None) -> list[_Key]:
    """By picture, so that all languages keep the same ones."""
    counts: dict[str, int] = {}
    chosen = []
    for key in sorted(keys, key=lambda one: (rows[one]["cluster"], one)):
        tag = rows[key]["language"]
        counts[tag] = counts.get(tag, 0) + 1
        if limit is None or counts[tag] <= limit:
            chosen.append(key)
    return chosen


def _posed(keys: Sequence[_Key], folders: Sequence[Path], data: Sequence[str], pack: Path) -> dict[_Key, _Posed]:
    runs = [RunStore.open_read_only(one) for one in data if Path(one).is_dir()]
    runs += [run for path in folders for run in _own_runs(path)]
    found = _of_tasks([one for one in data if not Path(one).is_dir()], runs[0] if runs else None, pack)
    wanted: dict[str, list[str]] = {}
    for task, sample_id in keys:
        wanted.setdefault(sample_id, []).append(task)
    for run in runs:
        left = {sample_id for task, sample_id in keys if (task, sample_id) not in found}
        for sample in _samples(run, left):
            words = "\n".join(part for part in (sample.instruction, sample.turns[0].input) if part)
            for task in wanted[sample.id]:
                found.setdefault((task, sample.id), _words(sample, words, run.read_media))
    missing = [key for key in keys if key not in found]
    if missing:
        raise UserError(
            f"nothing here holds the question {missing[0][1]} of the task {missing[0][0]!r} "
            f"({len(missing):,} of {len(keys):,} are missing)",
            "name the run or the task file that was asked: --data runs/x, or --data my-task.yaml",
        )
    return {key: found[key] for key in keys}


def _words(sample: Sample, text: str, read: Read) -> _Posed:
    images = tuple(ref.sha256 for ref in sample.media if ref.kind == "image")
    return _Posed(nfc(text.replace(IMAGE_MARK, "").strip()), images, read)


def _of_tasks(files: Sequence[str], run: RunStore | None, pack: Path) -> dict[_Key, _Posed]:
    if not files:
        return {}
    material = Material(MediaPack(pack), run)
    found: dict[_Key, _Posed] = {}
    for task in (task for name in files for task in load_tasks(name)):
        for one in read_task(task, material):
            text = pose(task, one.sample, one.sample.options)
            found[task.name, one.sample.id] = _words(one.sample, text, material.read)
    return found


def _own_runs(path: Path) -> list[RunStore]:
    """The run that a folder is, or the one in whose folder `polysee eval` wrote it (RUN/eval/TASK)."""
    for folder in (path, path.resolve().parent.parent):
        if (folder / "steps").is_dir() and (folder / "samples.lance").is_dir():
            return [RunStore.open_read_only(folder)]
    return []


def _samples(run: RunStore, ids: set[str]) -> Iterable[Sample]:
    if run.data_manifest() is None:
        return
    wanted = sorted(one for one in ids if one.isalnum())
    for start in range(0, len(wanted), _AT_ONCE):
        names = ", ".join(f"'{one}'" for one in wanted[start : start + _AT_ONCE])
        yield from from_table(run.samples(where=f"id IN ({names})"))
