"""One model's answers by ability and language, and what it carries over to languages that training did not show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from polysee.evaluation.compare import ability_of, grouped
from polysee.evaluation.items import Answers, Cell, by_language, headline, mean_of_means
from polysee.evaluation.statistics import CellMeans, Estimate, Interval, p_value

Group = Literal["seen", "text", "unseen"]
GROUPS: Mapping[str, Group] = {"vl": "seen", "text": "text", "none": "unseen"}
"""What training had of a language, as scores.json has it, and what such languages are called together."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How much lower the languages of ``group`` are than those trained with pictures, over the tasks of both.

    ``interval``: seen minus ``group``, of means over languages of means over ``tasks``. ``p``: of no gap.
    """

    group: Group
    interval: Interval
    p: float
    tasks: tuple[str, ...]


class Table:
    """The headline cells of a model (see `headline`), all resampled together."""

    def __init__(self, answers: Answers, cells: Sequence[Cell] | None = None, *, resamples: int, seed: int) -> None:
        self.answers = answers
        self.cells = list(cells) if cells is not None else headline(answers.chance)
        place = {cell: index for index, cell in enumerate(self.cells)}
        items = [item for item in answers.items if item.key.cell in place]
        self.means = CellMeans(
            [item.score for item in items],
            [item.cluster for item in items],
            [place[item.key.cell] for item in items],
            len(self.cells),
            resamples=resamples,
            seed=seed,
        )

    def mean(self, members: Sequence[Cell]) -> Interval:
        """The mean over languages of the means of these cells."""
        return _interval(self.means.estimate(mean_of_means(self.cells, members, by_language)))

    def groups(self) -> dict[Group, list[Cell]]:
        """Cells by what training had of their language; empty where nothing is known of that."""
        seen = self.answers.seen
        found = grouped([cell for cell in self.cells if cell.language in seen], lambda cell: seen[cell.language])
        return {GROUPS[name]: cells for name, cells in found.items()}

    def matrix(self) -> dict[tuple[str, str], Interval]:
        """(ability, language) -> mean of the tasks of that ability in that language."""
        found: dict[tuple[str, str], Interval] = {}
        for name, cells in grouped(self.cells, lambda cell: ability_of(self.answers, cell)).items():
            for language, members in grouped(cells, by_language).items():
                found[name, language] = self.mean(members)
        return found

    def gaps(self) -> list[Gap]:
        """Seen minus text-only, and seen minus unseen languages, where there are such and they share tasks."""
        groups = self.groups()
        seen = groups.get("seen", [])
        found: list[Gap] = []
        lower: tuple[Group, Group] = ("text", "unseen")
        for name in lower:
            other = groups.get(name, [])
            tasks = {_column(cell) for cell in seen} & {_column(cell) for cell in other}
            if tasks:
                weights = self._mean([c for c in seen if _column(c) in tasks])
                weights = weights - self._mean([c for c in other if _column(c) in tasks])
                estimate = self.means.estimate(weights)
                names = tuple(sorted({task for task, _ in tasks}))
                found.append(Gap(name, _interval(estimate), p_value(estimate), names))
        return found

    def _mean(self, members: Sequence[Cell]) -> NDArray[np.float64]:
        return mean_of_means(self.cells, members, by_language)


def _column(cell: Cell) -> tuple[str, str]:
    """Splits of seen and unseen languages differ by their nature; tasks and metrics must not."""
    return cell.task, cell.metric


def _interval(estimate: Estimate) -> Interval:
    return Interval(estimate.value, estimate.low, estimate.high)
