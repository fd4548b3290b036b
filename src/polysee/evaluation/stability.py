"""How much a score depends on the way of asking: question types, wordings, and pictures of less quality."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polysee.evaluation.compare import Difference, ability_of, corrected, difference_of
from polysee.evaluation.items import Answers, Cell, Item, by_language, rank
from polysee.evaluation.statistics import CellMeans, Interval, clustered_mean
from polysee.media.distort import KINDS, LEVELS, variant_name

TYPE = "type:"
"""Prefix of the tag that names a question's type (``type:yes-no``); without one, the metric is the type."""
WORDING = "wording:"
"""Prefix of the tag that is equal for all wordings of one question in one language."""


@dataclass(frozen=True, slots=True)
class TypeSpread:
    """One ability in one language, over ``types`` of questions.

    ``scores``: by type, above chance: (score - chance) / (1 - chance). ``spread``: their standard deviation (n - 1);
    0 is steady. ``noise``: the spread that resampled pictures alone would give. ``beyond``: what of the spread is left
    without it, sqrt(max(0, spread ** 2 - noise ** 2)).
    """

    ability: str
    language: str
    types: tuple[str, ...]
    scores: tuple[float, ...]
    spread: float
    noise: float
    beyond: float


@dataclass(frozen=True, slots=True)
class WordingSpread:
    """One task in one language, over questions that were asked in several wordings.

    ``mean``: of all wordings' scores. ``worst``: of each question's worst wording. ``changes``: share of the questions
    that are answered rightly (0.5 or more) in one wording and wrongly in another. ``deviation``: mean over questions of
    the standard deviation (n) of their wordings' scores.
    """

    task: str
    language: str
    metric: str
    questions: int
    mean: Interval
    worst: Interval
    changes: Interval
    deviation: float


@dataclass(frozen=True, slots=True)
class Robustness:
    """One kind of distortion in one ``group`` of questions, mostly a language: ``levels`` holds the paired difference
    to the clean pictures.

    ``kept``: mean over the levels of the score above chance that is left, as a share of that on clean pictures; None
    where clean pictures give no more than chance.
    """

    kind: str
    group: str
    clean: float
    levels: tuple[tuple[int, Difference], ...]
    kept: float | None


def type_spreads(answers: Answers, *, resamples: int, seed: int) -> list[TypeSpread]:
    """A row for each ability and language that has two types of questions or more.

    The formula is ours. AbilityLens (arXiv:2411.14725) names stability across question types as a quantity of its own
    and corrects its scores for what guessing gives, but its published code does not hold the computation.
    """
    members: dict[tuple[str, str], dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in answers.items:
        cell = item.key.cell
        if not cell.variant:
            members[ability_of(answers, cell), cell.language][_type(item)].append(item)
    found = []
    for (ability, language), types in sorted(members.items()):
        if len(types) >= 2:
            names = sorted(types)
            scores, draws = _above_chance(answers, [types[name] for name in names], resamples, seed)
            spread = float(scores.std(ddof=1))
            noise = float(np.sqrt((draws - scores).var(axis=1, ddof=1).mean()))
            beyond = float(np.sqrt(max(0.0, spread**2 - noise**2)))
            found.append(TypeSpread(ability, language, tuple(names), tuple(scores.tolist()), spread, noise, beyond))
    return found


def wording_spreads(answers: Answers, *, resamples: int, seed: int) -> list[WordingSpread]:
    """A row for each task, metric and language with questions in two wordings or more (tags ``wording:…``)."""
    questions: dict[tuple[str, str, str], dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
    for item in answers.items:
        name = next((tag for tag in item.tags if tag.startswith(WORDING)), None)
        cell = item.key.cell
        if name is not None and not cell.variant:
            questions[cell.task, cell.language, cell.metric][name].append(item)
    found = []
    for (task, language, metric), groups in sorted(questions.items()):
        asked = [items for items in groups.values() if len(items) > 1]
        if asked:
            found.append(_wordings(task, language, metric, asked, resamples, seed))
    return found


def robustness(
    answers: Answers, group: Callable[[Cell], str] = by_language, *, resamples: int, seed: int
) -> list[Robustness]:
    """A curve for each kind of distortion and group, from the variants that `variant_name` names.

    ``group``: of a cell; `all_languages` makes one of all. Levels are compared with the clean pictures of the same
    questions, each measured once (see `rank`), clusters resampled together; Holm's correction covers all levels, kinds
    and groups.
    """
    rows = {key: _level(pairs, resamples, seed) for key, pairs in sorted(_clean_and_worse(answers, group).items())}
    levels = dict(zip(rows, corrected(list(rows.values())), strict=True))
    found = []
    for kind, name in sorted({key[:2] for key in levels}):
        own = {key[2]: one for key, one in levels.items() if key[:2] == (kind, name)}
        cells = [cell for cell in answers.chance if group(cell) == name and cell.variant.startswith(f"{kind}-")]
        found.append(_curve(answers, cells, kind, name, own))
    return found


def all_languages(cell: Cell) -> str:
    """For `robustness`: one group."""
    return ""


def _clean_and_worse(
    answers: Answers, group: Callable[[Cell], str]
) -> dict[tuple[str, str, int], list[tuple[Item, Item]]]:
    """(kind, group, level) -> each question's answers about the clean and the worse pictures."""
    names = {variant_name(kind, level): (kind, level) for kind in KINDS for level in LEVELS}
    plain = [cell for cell in answers.chance if not cell.variant]
    best = {task: min(rank(cell) for cell in plain if cell.task == task) for task in {cell.task for cell in plain}}
    clean: dict[tuple[Cell, str], Item] = {}
    worse: dict[tuple[str, str, int], list[tuple[Item, Item]]] = defaultdict(list)
    for item in answers.items:
        if not item.key.cell.variant and rank(item.key.cell) == best[item.key.cell.task]:
            clean[item.key.cell, item.key.sample] = item
    for item in answers.items:
        known = names.get(item.key.cell.variant)
        before = clean.get(_plain(item)) if known is not None else None
        if known is not None and before is not None:
            worse[known[0], group(item.key.cell), known[1]].append((before, item))
    return worse


def _type(item: Item) -> str:
    found = next((tag.removeprefix(TYPE) for tag in item.tags if tag.startswith(TYPE)), None)
    return found or item.key.cell.metric


def _above_chance(
    answers: Answers, types: Sequence[Sequence[Item]], resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores of the types without what guessing gives (types), and the same of resamples (resamples, types)."""
    items = [item for members in types for item in members]
    codes = [code for code, members in enumerate(types) for _ in members]
    chance = np.asarray([answers.chance[item.key.cell] or 0.0 for item in items])
    chances = np.bincount(codes, chance) / np.bincount(codes)
    means = CellMeans(
        [item.score for item in items],
        [item.cluster for item in items],
        codes,
        len(types),
        resamples=resamples,
        seed=seed,
    )
    return (means.means - chances) / (1 - chances), (means.draws - chances) / (1 - chances)


def _wordings(
    task: str, language: str, metric: str, asked: Sequence[Sequence[Item]], resamples: int, seed: int
) -> WordingSpread:
    clusters = [items[0].cluster for items in asked]
    scores = [[item.score for item in items] for items in asked]

    def over_questions(values: Sequence[float]) -> Interval:
        return clustered_mean(values, clusters, resamples=resamples, seed=seed)

    return WordingSpread(
        task=task,
        language=language,
        metric=metric,
        questions=len(asked),
        mean=over_questions([float(np.mean(values)) for values in scores]),
        worst=over_questions([min(values) for values in scores]),
        changes=over_questions([float(min(values) < 0.5 <= max(values)) for values in scores]),
        deviation=float(np.mean([np.std(values) for values in scores])),
    )


def _plain(item: Item) -> tuple[Cell, str]:
    return item.key.cell._replace(variant=""), item.key.sample


def _level(pairs: Sequence[tuple[Item, Item]], resamples: int, seed: int) -> Difference:
    """The mean over all questions, distorted minus clean."""
    old = np.asarray([before.score for before, _ in pairs])
    new = np.asarray([after.score for _, after in pairs])
    clusters = [before.cluster for before, _ in pairs]
    means = CellMeans(new - old, clusters, [0] * len(pairs), 1, resamples=resamples, seed=seed, differences=True)
    return difference_of(means.estimate([1.0]), float(old.mean()), float(new.mean()))


def _curve(
    answers: Answers, cells: Sequence[Cell], kind: str, group: str, levels: Mapping[int, Difference]
) -> Robustness:
    chance = float(np.mean([answers.chance[cell] or 0.0 for cell in cells]))
    clean = levels[min(levels)].base
    room = clean - chance
    kept = float(np.mean([one.new for one in levels.values()])) - chance
    return Robustness(
        kind=kind,
        group=group,
        clean=clean,
        levels=tuple(sorted(levels.items())),
        kept=kept / room if room > 0 else None,
    )
