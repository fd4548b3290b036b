"""Two models, or two checkpoints of one, on the same questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from polysee.evaluation.items import Answers, Cell, Item, Scope, by_language, headline, mean_of_means
from polysee.evaluation.statistics import LEVEL, CellMeans, Estimate, detectable, holm, p_drop, p_value
from polysee.schema.errors import UserError

DIGITS = 6


@dataclass(frozen=True, slots=True)
class Difference:
    """``new`` minus ``base``, both means of the same items in 0-1, with a 95% interval.

    ``p``: two-sided, of no difference; ``p_drop``: one-sided, of no fall; ``adjusted`` and ``adjusted_drop``: the same
    after Holm's correction for the family that the difference is listed in. ``detectable``: the smallest true
    difference that would be found with power 0.8, None where the data cannot say. ``clusters``: pictures (or sources).
    """

    base: float
    new: float
    value: float
    low: float
    high: float
    p: float
    p_drop: float
    adjusted: float
    adjusted_drop: float
    detectable: float | None
    clusters: int
    answers: int

    def significant(self, level: float) -> bool:
        """After correction."""
        return self.adjusted < level


@dataclass(frozen=True)
class Paired:
    """The items that both models answered. ``items``: as the base answered them, in the order of all arrays."""

    base: Answers
    new: Answers
    items: tuple[tuple[Item, Item], ...]
    only_base: int
    only_new: int
    resamples: int
    seed: int

    @cached_property
    def cells(self) -> list[Cell]:
        return sorted({item.key.cell for item, _ in self.items})

    @cached_property
    def chance(self) -> dict[Cell, float | None]:
        return {cell: self.base.chance[cell] for cell in self.cells}

    @cached_property
    def _means(self) -> tuple[CellMeans, NDArray[np.float64], NDArray[np.float64]]:
        place = {cell: index for index, cell in enumerate(self.cells)}
        codes = np.asarray([place[item.key.cell] for item, _ in self.items], np.int64)
        old = np.asarray([item.score for item, _ in self.items])
        new = np.asarray([item.score for _, item in self.items])
        clusters = [item.cluster for item, _ in self.items]
        count = len(self.cells)
        draws = {"resamples": self.resamples, "seed": self.seed}
        paired = CellMeans(new - old, clusters, codes, count, differences=True, **draws)
        return paired, np.bincount(codes, old, count) / paired.sizes, np.bincount(codes, new, count) / paired.sizes

    def difference(self, weights: NDArray[np.float64]) -> Difference:
        """Of means by ``weights`` over `cells`; not yet corrected for a family."""
        paired, old, new = self._means
        return difference_of(paired.estimate(weights), float(weights @ old), float(weights @ new))

    def family(self, members: Mapping[str, Sequence[Cell]], outer: Callable[[Cell], str]) -> dict[str, Difference]:
        """A difference for each name, corrected for all of them. ``outer``: see `mean_of_means`."""
        found = [self.difference(mean_of_means(self.cells, cells, outer)) for cells in members.values()]
        return dict(zip(members, corrected(found), strict=True))


@dataclass(frozen=True)
class Comparison:
    """``overall``: over languages (trained with pictures, where that is known), the mean of their tasks.

    ``languages``, ``abilities`` and ``cells``: three families, each corrected by itself; ``cells`` is task by language.
    ``only_base`` and ``only_new``: items that the other model has not answered, which count nowhere.
    """

    overall: Difference
    languages: dict[str, Difference]
    abilities: dict[str, Difference]
    cells: dict[Cell, Difference]
    shared: int
    only_base: int
    only_new: int
    failed: int
    level: float = 1 - LEVEL

    def to_json(self) -> JsonValue:
        """Without paths or times: equal comparisons give equal values, rounded to 6 digits."""
        return {
            "overall": _row(self.overall),
            "languages": {tag: _row(one) for tag, one in self.languages.items()},
            "abilities": {name: _row(one) for name, one in self.abilities.items()},
            "cells": [{**cell._asdict(), **_row(one)} for cell, one in self.cells.items()],
            "shared": self.shared,
            "only_base": self.only_base,
            "only_new": self.only_new,
            "failed": self.failed,
            "level": round(self.level, DIGITS),
        }


def pair(base: Answers, new: Answers, scope: Scope | None = None, *, resamples: int, seed: int) -> Paired:
    """The items of ``scope`` that both have answered. Raises `UserError` where there are none."""
    wanted = scope or Scope()
    ours = {item.key: item for item in base.items if wanted.holds(item.key.cell)}
    theirs = {item.key: item for item in new.items if wanted.holds(item.key.cell)}
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise UserError(
            f"{base.path} and {new.path} have no answer to the same question",
            "compare models that were asked the same tasks, splits and languages, on the same data",
        )
    return Paired(
        base=base,
        new=new,
        items=tuple((ours[key], theirs[key]) for key in shared),
        only_base=len(ours) - len(shared),
        only_new=len(theirs) - len(shared),
        resamples=resamples,
        seed=seed,
    )


def compare(found: Paired) -> Comparison:
    """All differences of a pair. Swapping the two models turns every sign and changes nothing else."""
    head = headline(found.chance)
    languages = grouped(head, by_language)
    abilities = grouped(head, lambda cell: ability_of(found.base, cell))
    plain = [cell for cell in found.cells if not cell.variant]
    cells = {cell: found.difference(mean_of_means(found.cells, [cell], by_language)) for cell in plain or found.cells}
    return Comparison(
        overall=found.difference(mean_of_means(found.cells, trained(found.base, found.new, head), by_language)),
        languages=found.family(languages, by_language),
        abilities=found.family(abilities, by_language),
        cells=dict(zip(cells, corrected(list(cells.values())), strict=True)),
        shared=len(found.items),
        only_base=found.only_base,
        only_new=found.only_new,
        failed=found.base.failed + found.new.failed,
    )


def difference_of(found: Estimate, base: float, new: float) -> Difference:
    """The difference that an estimate from paired differences is, a family by itself."""
    both, drop = p_value(found), p_drop(found)
    return Difference(
        base=base,
        new=new,
        value=found.value,
        low=found.low,
        high=found.high,
        p=both,
        p_drop=drop,
        adjusted=both,
        adjusted_drop=drop,
        detectable=detectable(found),
        clusters=found.clusters,
        answers=found.answers,
    )


def trained(base: Answers, new: Answers, cells: Sequence[Cell]) -> list[Cell]:
    """Cells of languages that either model was trained on with pictures; all cells where nothing is known of that."""
    tags = {tag for answers in (base, new) for tag, seen in answers.seen.items() if seen == "vl"}
    return [cell for cell in cells if cell.language in tags] or list(cells)


def ability_of(answers: Answers, cell: Cell) -> str:
    """The ability that a task's tags name, or the task."""
    return answers.ability.get(cell.task, cell.task)


def grouped(cells: Iterable[Cell], name: Callable[[Cell], str]) -> dict[str, list[Cell]]:
    """Cells by name, in the order of the names."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(name(cell), []).append(cell)
    return dict(sorted(groups.items()))


def corrected(family: Sequence[Difference]) -> list[Difference]:
    """The same differences with Holm's correction for their number."""
    both, drops = holm([one.p for one in family]), holm([one.p_drop for one in family])
    return [replace(one, adjusted=p, adjusted_drop=drop) for one, p, drop in zip(family, both, drops, strict=True)]


def _row(one: Difference) -> dict[str, JsonValue]:
    return {
        name: round(value, DIGITS) + 0.0 if isinstance(value, float) else value for name, value in asdict(one).items()
    }


def name_of(path: Path) -> str:
    """What a folder is called in tables."""
    return path.resolve().name
