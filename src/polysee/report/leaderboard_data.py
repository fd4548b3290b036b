"""Several models on the cells that all of them have: means with intervals, and who can be told from the best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from polysee.evaluation.abilities import Gap, Table
from polysee.evaluation.compare import Difference, Paired, ability_of, corrected, grouped, pair
from polysee.evaluation.items import Answers, Cell, by_language, headline, mean_of_means, read_answers
from polysee.evaluation.scores import Seen
from polysee.evaluation.statistics import LEVEL, Interval
from polysee.schema.errors import UserError

ALPHA = 1 - LEVEL


@dataclass(frozen=True, slots=True)
class Value:
    """A mean of 0-1. ``low`` and ``high``: None where the single answers are not there."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Entry:
    """One model. ``answers``: None where the folder has scores alone; ``values`` and ``chance``: by cell."""

    name: str
    path: Path
    answers: Answers | None
    values: Mapping[Cell, float]
    chance: Mapping[Cell, float | None]
    seen: Mapping[str, Seen]
    held_in: frozenset[str]


@dataclass(frozen=True, slots=True)
class Mark:
    """A model in one column. ``best``: no other one is better, as of several equals. ``against``: its difference to the
    best model there that has single answers, corrected for all models and columns of the table; None for that model
    itself, and where single answers are missing."""

    value: Value
    best: bool
    against: Difference | None

    @property
    def worse(self) -> bool:
        """Whether it can be told from the best."""
        return self.against is not None and self.against.value < 0 and self.against.significant(ALPHA)


@dataclass(frozen=True)
class Board:
    """``cells``: headline cells that all entries have. ``notes``: what is left out, for a person."""

    entries: tuple[Entry, ...]
    cells: tuple[Cell, ...]
    notes: tuple[str, ...]
    resamples: int
    seed: int

    @cached_property
    def main(self) -> list[Cell]:
        """Cells of the overall mean: of languages that some model was trained on with pictures, or all."""
        tags = {tag for entry in self.entries for tag, seen in entry.seen.items() if seen == "vl"}
        return [cell for cell in self.cells if cell.language in tags] or list(self.cells)

    @cached_property
    def languages(self) -> dict[str, list[Cell]]:
        return grouped(self.cells, by_language)

    @cached_property
    def abilities(self) -> dict[str, list[Cell]]:
        known = next((entry.answers for entry in self.entries if entry.answers is not None), None)
        return grouped(self.cells, lambda cell: ability_of(known, cell) if known else cell.task)

    @cached_property
    def overall(self) -> list[Mark]:
        """A mark for each entry."""
        return [row["overall"] for row in self.marks({"overall": self.main})]

    def marks(self, columns: Mapping[str, Sequence[Cell]]) -> list[dict[str, Mark]]:
        """By entry and column. Holm's correction covers the table: every model that is not best, in every column."""
        values = [{name: self._value(entry, cells) for name, cells in columns.items()} for entry in self.entries]
        places = range(len(values))
        # scores.json rounds to six digits; of equals the others are tested against one with answers.
        answered = [entry.answers is not None for entry in self.entries]
        rank = {name: [(round(values[i][name].value, 6), answered[i]) for i in places] for name in columns}
        best = {name: max(value for value, _ in rank[name]) for name in columns}
        tests: list[tuple[int, str, Difference]] = []
        for name, cells in columns.items():
            reference = max(places, key=lambda i: (answered[i], rank[name][i]))
            for index in places:
                found = None if index == reference else self._difference(reference, index, cells)
                if found is not None:
                    tests.append((index, name, found))
        against = {
            (index, name): one
            for (index, name, _), one in zip(tests, corrected([test[2] for test in tests]), strict=True)
        }
        return [
            {
                name: Mark(value, best[name] == rank[name][index][0], against.get((index, name)))
                for name, value in row.items()
            }
            for index, row in enumerate(values)
        ]

    def gaps(self, entry: Entry) -> list[Gap]:
        """What the languages lose that were not trained with pictures; empty where that is not known."""
        return self._gaps.get(entry.name, [])

    def matrix(self, entry: Entry) -> dict[tuple[str, str], Interval]:
        """(ability, language) -> mean, for an entry with single answers. Raises `KeyError` for one without."""
        return self._tables[entry.name].matrix()

    def paired(self, base: Entry, new: Entry) -> Paired | None:
        """Their answers on the board's cells; None where one has scores alone, or they share no question."""
        key = (base.name, new.name)
        if key not in self._pairs:
            self._pairs[key] = self._pair(base, new)
        return self._pairs[key]

    @cached_property
    def _pairs(self) -> dict[tuple[str, str], Paired | None]:
        return {}

    def _pair(self, base: Entry, new: Entry) -> Paired | None:
        if base.answers is None or new.answers is None:
            return None
        wanted = set(self.cells)
        first = base.answers.where(lambda item: item.key.cell in wanted)
        second = new.answers.where(lambda item: item.key.cell in wanted)
        if not {item.key for item in first.items} & {item.key for item in second.items}:
            return None
        return pair(first, second, resamples=self.resamples, seed=self.seed)

    @cached_property
    def _gaps(self) -> dict[str, list[Gap]]:
        return {name: table.gaps() for name, table in self._tables.items()}

    @cached_property
    def _tables(self) -> dict[str, Table]:
        return {
            entry.name: Table(entry.answers, self.cells, resamples=self.resamples, seed=self.seed)
            for entry in self.entries
            if entry.answers is not None
        }

    def _value(self, entry: Entry, cells: Sequence[Cell]) -> Value:
        weights = mean_of_means(self.cells, cells, by_language)
        if entry.name in self._tables:
            found = self._tables[entry.name].means.estimate(weights)
            return Value(found.value, found.low, found.high)
        return Value(float(weights @ np.asarray([entry.values[cell] for cell in self.cells])))

    def _difference(self, best: int, index: int, cells: Sequence[Cell]) -> Difference | None:
        paired = self.paired(self.entries[best], self.entries[index])
        if paired is None or not set(cells) <= set(paired.cells):
            return None
        return paired.difference(mean_of_means(paired.cells, cells, by_language))


def read_board(runs: Sequence[tuple[str, Path]], *, resamples: int, seed: int) -> Board:
    """The board of models by name, in their order. A folder without predictions is taken by its scores.json alone.

    Raises `UserError` for a folder with neither, names that are not unique, and models without a common cell.
    """
    names = [name for name, _ in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"two models are called {twice!r}", "name them: NAME=FOLDER")
    entries = tuple(_entry(name, path) for name, path in runs)
    heads = [set(headline(entry.chance)) for entry in entries]
    common = set.intersection(*heads) if heads else set()
    if not common:
        raise UserError(
            "the models have no task, split and language in common", "compare models that were measured on the same"
        )
    return Board(entries, tuple(sorted(common)), tuple(_notes(entries, heads, common)), resamples, seed)


def _entry(name: str, path: Path) -> Entry:
    if (path / "predictions.lance").is_dir():
        answers = read_answers(path)
        sums: dict[Cell, list[float]] = {}
        for item in answers.items:
            sums.setdefault(item.key.cell, []).append(item.score)
        values = {cell: sum(scores) / len(scores) for cell, scores in sums.items()}
        return Entry(name, path, answers, values, answers.chance, answers.seen, answers.held_in)
    file = path / "scores.json"
    if not file.is_file():
        raise UserError(
            "there are neither answers nor scores here",
            "name a folder in which `polysee run` or `polysee eval` has measured a model",
            place=str(path),
        )
    try:
        rows = [row for row in json.loads(file.read_text(encoding="utf-8"))["tasks"] if row["baseline"] is None]
        cells = {_cell(row): row for row in rows}
        return Entry(
            name=name,
            path=path,
            answers=None,
            values={cell: float(row["value"]) for cell, row in cells.items()},
            chance={cell: row["chance"] for cell, row in cells.items()},
            seen={row["language"]: row["seen"] for row in rows if row["seen"] is not None},
            held_in=frozenset(row["task"] for row in rows if row.get("held_in")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError("scores.json cannot be read", "measure the model again", place=str(file)) from error


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(
        row["task"],
        row["split"],
        row["language"],
        row["metric"],
        row.get("variant") or "",
        row.get("mode") or "multilingual",
    )


def _notes(entries: Sequence[Entry], heads: Sequence[set[Cell]], common: set[Cell]) -> list[str]:
    notes = []
    for entry, head in zip(entries, heads, strict=True):
        if len(head) > len(common):
            left = len(head) - len(common)
            notes.append(
                f"{entry.name}: {left} of {len(head)} tasks × languages are left out, for not all models have them"
            )
        if entry.answers is None:
            notes.append(f"{entry.name}: scores only, so it has no intervals, and no model is tested against it")
        if entry.answers is not None and entry.answers.failed:
            notes.append(f"{entry.name}: {entry.answers.failed} questions got no answer and count neither way")
    return notes
