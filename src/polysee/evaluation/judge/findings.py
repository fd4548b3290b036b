"""What a judgement comes to: who is better in each language, how sure that is, and how far the judge can be trusted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from typing import TypeVar

import numpy as np
from pydantic import JsonValue

from polysee.evaluation.judge.judging import Judged, Verdict
from polysee.evaluation.judge.people import People
from polysee.evaluation.judge.questions import Questions
from polysee.evaluation.judge.summary import ALL, AgreementRow, LanguageRow, agreement_with_people, by_language
from polysee.evaluation.ranking import Ballot, Strength, count_votes, rank
from polysee.evaluation.statistics import CellMeans, Interval, clustered_macro, holm, p_value

DIGITS = 6

Prices = tuple[float, float]
"""Of a million tokens in and out."""


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two models in one language (or `ALL`), of one task (or "" for all of them).

    ``wins``: verdicts for ``first``, ``losses``: for ``second``; ``n``: all three together. ``rate``: share of the
    verdicts that ``first`` wins, ties half, with a 95% interval from resampled pictures; in `ALL` the unweighted mean
    over languages. ``p``: two-sided, of both being equally good; ``adjusted``: after Holm's correction for the
    languages of all pairs (the rows of `ALL`, and those of tasks, are families by themselves).
    """

    first: str
    second: str
    language: str
    task: str
    n: int
    wins: int
    ties: int
    losses: int
    rate: float
    low: float
    high: float
    p: float
    adjusted: float
    pictures: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model in one language (or `ALL`), of one task (or "" for all of them).

    ``points``: its mean score as the judge gives it (mode ``rank``: its mean place, 1 being the best). ``value``: the
    same from 0 (worst) to 1 (best), with a 95% interval from resampled pictures; in `ALL` both are unweighted means
    over languages. Verdicts that came to nothing are left out; `Findings.trust` counts them.
    """

    model: str
    language: str
    task: str
    n: int
    points: float
    value: float
    low: float
    high: float
    pictures: int


@dataclass(frozen=True)
class Findings:
    """``pairs``: none where answers were judged alone; ``models``: none where they were judged in pairs, since equal
    answers have no score then; ``standings``: of three models and more, the best first.

    ``trust``: of each language; ``cost``: of each language likewise, in the currency of the prices. ``people``: beside
    ``--human`` votes, and ``people_alpha``: how far these agree among themselves.
    """

    judged: Judged
    questions: int
    pictures: int
    left_out: int
    failed: int
    pairs: tuple[PairRow, ...]
    models: tuple[ModelRow, ...]
    standings: tuple[Strength, ...]
    trust: tuple[LanguageRow, ...]
    cost: Mapping[str, float]
    names: tuple[str, ...]
    people: tuple[AgreementRow, ...] = ()
    people_alpha: float | None = None

    def to_json(self) -> JsonValue:
        """For judge.json: no times, no paths; equal verdicts give equal values, rounded to 6 digits."""
        judged = self.judged
        tree: dict[str, JsonValue] = {
            "judge": judged.model,
            "config": judged.config.model_dump(mode="json", exclude={"batch"}),
            "names": list(self.names),
            "questions": self.questions,
            "pictures": self.pictures,
            "left_out": self.left_out,
            "failed": self.failed,
            "pairs": [_row(one) for one in self.pairs],
            "models": [_row(one) for one in self.models],
            "standings": [_row(one) for one in self.standings],
            "trust": [{**_row(one), "cost": _number(self.cost[one.language])} for one in self.trust],
            "spent": {**asdict(judged.spent), "cost": _number(self.cost[ALL])},
        }
        if self.people:
            tree["people"] = {"alpha": _number(self.people_alpha), "rows": [_row(one) for one in self.people]}
        return tree


def find(
    judged: Judged,
    questions: Questions,
    *,
    prices: Prices = (0.0, 0.0),
    people: People | None = None,
    resamples: int,
    seed: int,
) -> Findings:
    """All that is told of ``judged``. ``resamples`` and ``seed``: of the bootstrap over pictures."""
    trust = by_language(judged)
    clusters = questions.clusters()
    found = _Cells(questions, judged, resamples, seed)
    return Findings(
        judged=judged,
        questions=len(questions.asked),
        pictures=len(set(clusters.values())),
        left_out=questions.left_out,
        failed=questions.failed,
        pairs=() if judged.config.mode == "score" else found.pairs(),
        models=() if judged.config.mode == "pair" else found.models(),
        standings=_standings(judged, questions.models, clusters),
        trust=trust,
        cost={row.language: (row.tokens_in * prices[0] + row.tokens_out * prices[1]) / 1e6 for row in trust},
        names=questions.models,
        people=()
        if people is None
        else agreement_with_people(judged, people.said(), clusters=clusters, resamples=resamples, seed=seed),
        people_alpha=None if people is None else people.alpha(),
    )


def verdict_rows(judged: Judged, questions: Questions) -> list[dict[str, JsonValue]]:
    """For verdicts.jsonl: every verdict with what became of its requests, and what could not be read."""
    rows: list[dict[str, JsonValue]] = []
    for verdict in judged.verdicts:
        place = questions.places[verdict.question]
        row = _row(verdict)
        row["winner"] = verdict.winner(judged.config.tie) if len(verdict.models) == 2 else None
        rows.append({**row, "sample": place.sample, "task": place.task, "split": place.split})
    return rows


_Point = tuple[Verdict, float]
"""A verdict, and what it says of the model or the pair that is looked at."""
_Row = TypeVar("_Row")


@dataclass(frozen=True)
class _Cells:
    """Verdicts by language and by task."""

    questions: Questions
    judged: Judged
    resamples: int
    seed: int

    def pairs(self) -> tuple[PairRow, ...]:
        found: list[PairRow] = []
        families: list[list[PairRow]] = [[], [], []]
        for first, second in combinations(self.questions.models, 2):
            points = [(v, one) for v in self.judged.verdicts if (one := self._point(v, first, second)) is not None]
            for family, rows in zip(families, self._groups(points, partial(self._pair, first, second)), strict=True):
                family += rows
        for family in families:
            adjusted = holm([row.p for row in family])
            found += [replace(row, adjusted=p) for row, p in zip(family, adjusted, strict=True)]
        return tuple(found)

    def models(self) -> tuple[ModelRow, ...]:
        found: list[ModelRow] = []
        for model in self.questions.models:
            points = [
                (v, v.values[v.models.index(model)])
                for v in self.judged.verdicts
                if v.values is not None and model in v.models
            ]
            found += [row for rows in self._groups(points, partial(self._model, model)) for row in rows]
        return tuple(found)

    def _groups(
        self, points: Sequence[_Point], row: Callable[[Sequence[_Point], str, str], _Row]
    ) -> tuple[list[_Row], list[_Row], list[_Row]]:
        """Rows of each language, of all together, and of each task where there are several."""
        if not points:
            return [], [], []
        tags = sorted({verdict.language for verdict, _ in points})
        tasks = sorted({self._task(verdict) for verdict, _ in points})
        by_task = [] if len(tasks) == 1 else tasks
        return (
            [row([one for one in points if one[0].language == tag], tag, "") for tag in tags],
            [row(points, ALL, "")],
            [row([one for one in points if self._task(one[0]) == task], ALL, task) for task in by_task],
        )

    def _point(self, verdict: Verdict, first: str, second: str) -> float | None:
        """What ``first`` gets of a win: 1, 1/2 for a tie, or 0; None where the verdict says nothing of the two."""
        for ballot in verdict.ballots(self.judged.config.tie):
            if set(ballot.shown) == {first, second}:
                return 0.5 if len(ballot.best) != 1 else float(ballot.best[0] == first)
        return None

    def _pair(self, first: str, second: str, points: Sequence[_Point], language: str, task: str) -> PairRow:
        counts = Counter(value for _, value in points)
        ends, p = self._mean([value for _, value in points], points), self._p(points)
        return PairRow(
            first=first,
            second=second,
            language=language,
            task=task,
            n=len(points),
            wins=counts[1.0],
            ties=counts[0.5],
            losses=counts[0.0],
            rate=ends.value,
            low=ends.low,
            high=ends.high,
            p=p,
            adjusted=p,
            pictures=len(set(self._clusters(points))),
        )

    def _model(self, model: str, points: Sequence[_Point], language: str, task: str) -> ModelRow:
        worst, best = self._ends
        ends = self._mean([(value - worst) / (best - worst) for _, value in points], points)
        return ModelRow(
            model=model,
            language=language,
            task=task,
            n=len(points),
            points=worst + (best - worst) * ends.value,
            value=ends.value,
            low=ends.low,
            high=ends.high,
            pictures=len(set(self._clusters(points))),
        )

    @property
    def _ends(self) -> tuple[float, float]:
        """The worst and the best that a verdict can say of a model."""
        if self.judged.config.mode == "rank":
            return float(len(self.questions.models)), 1.0
        return self.judged.config.limits

    def _mean(self, values: Sequence[float], points: Sequence[_Point]) -> Interval:
        """Over languages, which count alike however many questions they have."""
        tags = [verdict.language for verdict, _ in points]
        labels = self._clusters(points)
        same = [""] * len(tags)
        return clustered_macro(values, labels, tags, same, resamples=self.resamples, seed=self.seed)[0]

    def _p(self, points: Sequence[_Point]) -> float:
        tags = sorted({verdict.language for verdict, _ in points})
        cells = [tags.index(verdict.language) for verdict, _ in points]
        net = [2 * value - 1 for _, value in points]
        draws = {"resamples": self.resamples, "seed": self.seed}
        means = CellMeans(net, self._clusters(points), cells, len(tags), differences=True, **draws)
        return p_value(means.estimate(np.full(len(tags), 1 / len(tags))))

    def _clusters(self, points: Sequence[_Point]) -> list[str]:
        return [self.questions.places[verdict.question].cluster for verdict, _ in points]

    def _task(self, verdict: Verdict) -> str:
        return self.questions.places[verdict.question].task


def _standings(judged: Judged, models: Sequence[str], clusters: Mapping[str, str]) -> tuple[Strength, ...]:
    ballots = [
        replace(ballot, cluster=clusters[ballot.cluster])
        for verdict in judged.verdicts
        if len(verdict.models) > 1
        for ballot in verdict.ballots(judged.config.tie)
    ]
    if len(models) < 3 or _chain(models[0], ballots) != set(models):
        return ()
    return rank(count_votes(models, ballots)).rows()


def _chain(start: str, ballots: Sequence[Ballot]) -> set[str]:
    """The models that ballots compare with ``start``, directly or by way of others."""
    reached: set[str] = set()
    fresh = {start}
    while fresh:
        reached |= fresh
        fresh = {model for ballot in ballots if reached & set(ballot.shown) for model in ballot.shown} - reached
    return reached


def _row(one: object) -> dict[str, JsonValue]:
    return {name: _plain(value) for name, value in asdict(one).items()}  # type: ignore[call-overload]


def _plain(value: object) -> JsonValue:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return _number(value)
    assert value is None or isinstance(value, str | int)
    return value


def _number(value: float | None) -> float | None:
    """None for what cannot be said: the ends of an interval from one picture are infinite."""
    return None if value is None or not math.isfinite(value) else round(value, DIGITS) + 0.0
