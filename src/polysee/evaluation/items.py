"""A run's answers as items of a table's cells, so that those of several models can be laid beside each other."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polysee.evaluation.metrics.groups import all_of_group
from polysee.evaluation.predictions import answers_of
from polysee.evaluation.scores import FOUR_WAY, OTHER_LANGUAGES, SCENES, Seen
from polysee.schema.errors import UserError

ABILITY = "ability:"
"""Prefix of the tag that names what a question needs; without one, the task is its own ability."""
CIRCULAR = "circular"
_CELL = ("task", "split", "language", "metric", "variant", "mode")
_COLUMNS = (
    *_CELL,
    *("sample", "baseline", "cluster", "group", "tags", "score", "chance", "failure"),
)
_FIRST_METRICS = ("choice", CIRCULAR)


class Cell(NamedTuple):
    """Where an answer belongs. ``variant``: how else than plainly the task was asked, "" for plainly."""

    task: str
    split: str
    language: str
    metric: str
    variant: str = ""
    mode: str = "multilingual"


class ItemKey(NamedTuple):
    """One question in one cell. Two models' answers with equal keys can be compared."""

    cell: Cell
    sample: str


@dataclass(frozen=True, slots=True)
class Item:
    """``score``: 0-1. ``tags``: of the question. ``row``: of the answer in `Answers.table` (the first rotation's)."""

    key: ItemKey
    cluster: str
    score: float
    tags: tuple[str, ...]
    row: int


@dataclass(frozen=True)
class Answers:
    """The model's own answers in a folder, without baselines and without questions that got no answer.

    ``items``: sorted by key, one for each; a question's rotations are one item with their mean score, and one of the
    metric ``circular`` that is 1 where all of them are right. ``chance``: of a right guess, by cell. ``seen``: what
    training had of each language, as far as scores.json says. ``held_in``: tasks whose dataset was trained on.
    ``ability``: by task. ``failed``: questions without an answer.
    """

    path: Path
    table: pa.Table
    items: tuple[Item, ...]
    chance: Mapping[Cell, float | None]
    seen: Mapping[str, Seen]
    held_in: frozenset[str]
    ability: Mapping[str, str]
    failed: int

    def where(self, wanted: Callable[[Item], bool]) -> Answers:
        """Only the items for which ``wanted`` holds."""
        return replace(self, items=tuple(item for item in self.items if wanted(item)))


@dataclass(frozen=True, slots=True)
class Scope:
    """What to look at; empty means everything. ``metrics`` may name `CIRCULAR`."""

    tasks: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def holds(self, cell: Cell) -> bool:
        pairs = (
            (self.tasks, cell.task),
            (self.splits, cell.split),
            (self.languages, cell.language),
            (self.metrics, cell.metric),
        )
        return all(not wanted or value in wanted for wanted, value in pairs)


def read_answers(path: Path) -> Answers:
    """The answers in a run's folder, or in one of ``polysee eval``. Raises `UserError` where there are none."""
    table = answers_of(path)
    seen, held_in = _exposure(path / "scores.json")
    return build_answers(table, path=path, seen=seen, held_in=held_in)


def build_answers(
    table: pa.Table, *, path: Path, seen: Mapping[str, Seen] | None = None, held_in: Iterable[str] = ()
) -> Answers:
    """`Answers` of predictions in any order. Columns that older runs do not have are taken to be empty."""
    columns = {name: _column(table, name) for name in _COLUMNS}
    rows = range(table.num_rows)
    own = [row for row in rows if columns["baseline"][row] is None]
    answered = [row for row in own if not columns["failure"][row]]
    parts = zip(*(columns[name] for name in _CELL), strict=True)
    cells = [
        Cell(task, split, tag, metric, variant or "", mode or "multilingual")
        for task, split, tag, metric, variant, mode in parts
    ]
    by_key: dict[ItemKey, list[int]] = defaultdict(list)
    for row in answered:
        by_key[ItemKey(cells[row], columns["sample"][row])].append(row)
    items: list[Item] = []
    chance: dict[Cell, set[float | None]] = defaultdict(set)
    ability: dict[str, str] = {}
    for key, turns in by_key.items():
        for item, guess in _items(columns, key, turns):
            items.append(item)
            chance[item.key.cell].add(guess)
        for tag in items[-1].tags:
            if tag.startswith(ABILITY):
                ability[key.cell.task] = tag.removeprefix(ABILITY)
    return Answers(
        path=path,
        table=table,
        items=tuple(sorted(items, key=lambda item: item.key)),
        chance={cell: _mean_chance(found) for cell, found in chance.items()},
        seen=dict(seen or {}),
        held_in=frozenset(held_in),
        ability=ability,
        failed=len(own) - len(answered),
    )


def headline(chance: Mapping[Cell, float | None]) -> list[Cell]:
    """The cells that means are taken over, sorted: each question is to count once.

    Where some cells have four options each, those alone (as ``macro`` in scores.json), on the split ``scenes``, or
    ``languages`` for a language that has no scenes. Elsewhere all splits, and of each task one metric: choice, else
    circular, else the first by name. Always the plain way of asking, where a task was asked plainly.
    """
    plain = {cell.task for cell in chance if not cell.variant}
    cells = [cell for cell in chance if not cell.variant or cell.task not in plain]
    four = [cell for cell in cells if cell.metric == "choice" and chance[cell] == FOUR_WAY]
    scenes = {cell.language for cell in four if cell.split == SCENES}
    own = [cell for cell in four if cell.split == (SCENES if cell.language in scenes else OTHER_LANGUAGES)]
    if own:
        return sorted(own)
    best = {task: min(rank(cell) for cell in cells if cell.task == task) for task in {cell.task for cell in cells}}
    return sorted(cell for cell in cells if rank(cell) == best[cell.task])


def mean_of_means(cells: Sequence[Cell], members: Iterable[Cell], outer: Callable[[Cell], str]) -> NDArray[np.float64]:
    """Weights over ``cells``: the unweighted mean over the ``outer`` groups of ``members`` of the means within them."""
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in members:
        groups[outer(cell)].append(cell)
    place = {cell: index for index, cell in enumerate(cells)}
    weights = np.zeros(len(cells))
    for inside in groups.values():
        for cell in inside:
            weights[place[cell]] = 1 / len(inside) / len(groups)
    return weights


def by_language(cell: Cell) -> str:
    return cell.language


def rank(cell: Cell) -> tuple[int, str, str, str]:
    """Of the ways in which one question is measured, the one that counts is the least: choice, else circular, else the
    first metric by name."""
    place = _FIRST_METRICS.index(cell.metric) if cell.metric in _FIRST_METRICS else len(_FIRST_METRICS)
    return (place, cell.metric, cell.mode, cell.variant)


def _column(table: pa.Table, name: str) -> list[Any]:
    if name in table.schema.names:
        found: list[Any] = table[name].to_pylist()
        return found
    return [None] * table.num_rows


def _items(
    columns: Mapping[str, Sequence[Any]], key: ItemKey, rows: Sequence[int]
) -> Iterable[tuple[Item, float | None]]:
    """The item of a question, and the one of its rotations together; each with the chance of a right guess."""
    scores = [float(columns["score"][row]) for row in rows]
    first = rows[0]
    item = Item(key, columns["cluster"][first], sum(scores) / len(scores), tuple(columns["tags"][first] or ()), first)
    guess = columns["chance"][first]
    if columns["group"][first]:
        whole = ItemKey(key.cell._replace(metric=CIRCULAR), key.sample)
        lucky = None if guess is None else guess ** len(rows)
        yield replace(item, key=whole, score=all_of_group(scores, [0] * len(scores))), lucky
    yield item, guess


def _mean_chance(found: Iterable[float | None]) -> float | None:
    known = [guess for guess in found if guess is not None]
    return sum(known) / len(known) if known else None


def _exposure(path: Path) -> tuple[dict[str, Seen], set[str]]:
    """What scores.json says of languages and datasets. Raises `UserError` where it is there and cannot be read."""
    if not path.is_file():
        return {}, set()
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["tasks"]
        seen = {row["language"]: row["seen"] for row in rows if row.get("seen") is not None}
        return seen, {row["task"] for row in rows if row.get("held_in")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError("scores.json cannot be read", "measure the model again", place=str(path)) from error
