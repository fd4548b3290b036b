"""Which model is preferred: strengths and win rates from votes, with intervals that respect who cast them.

A vote picks the best of the answers that were shown. Strengths are those of Luce's choice model, in which an answer is
picked with a probability in proportion to the exponent of its model's strength; with two answers that is the model of
Bradley and Terry (Biometrika 39, 1952). A tie is shared out: each of m equally good answers gets 1/m of the vote.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from polysee.evaluation.statistics import LEVEL, Interval

_STEPS = 200
_PRECISION = 1e-10
_LONGEST_STEP = 2.0


@dataclass(frozen=True, slots=True)
class Ballot:
    """One vote. ``shown``: at least two models; ``best``: those picked, several for a tie, none where all are equal.

    ``cluster``: whoever or whatever makes votes alike (a respondent; for a judge, the picture).
    """

    shown: tuple[str, ...]
    best: tuple[str, ...]
    cluster: str


@dataclass(frozen=True, slots=True)
class Votes:
    """Ballots as arrays. ``shown`` (n, models): bool; ``won`` (n, models): shares that sum to 1; ``cluster`` (n)."""

    names: tuple[str, ...]
    shown: NDArray[np.bool_]
    won: NDArray[np.float64]
    cluster: NDArray[np.int64]

    @property
    def clusters(self) -> int:
        return int(self.cluster.max()) + 1 if len(self.cluster) else 0


@dataclass(frozen=True, slots=True)
class Strength:
    """One model's place. ``value``: log strength, the mean over all models being 0; ``low``, ``high``: 95% by default.

    Ends are infinite where one cluster alone has voted. ``rank_from`` and ``rank_to``: the places that the intervals of
    the differences leave open, 1 being the best.
    """

    name: str
    value: float
    low: float
    high: float
    rank_from: int
    rank_to: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """A fitted choice model. ``strengths`` (models), mean 0; ``covariance`` of them; ``clusters``: how many voted.

    ``separated``: some models beat the others every time, so that no finite strengths fit best; half a win for each
    model was then added to each set of models that was shown, and intervals take each cluster's votes for one vote.
    """

    names: tuple[str, ...]
    strengths: NDArray[np.float64]
    covariance: NDArray[np.float64]
    clusters: int
    separated: bool

    def difference(self, first: str, second: str, *, level: float = LEVEL) -> Interval:
        """Log strength of ``first`` less that of ``second``: for two models the log odds that the first wins."""
        contrast = np.zeros(len(self.names))
        contrast[self.names.index(first)] += 1.0
        contrast[self.names.index(second)] -= 1.0
        return self._interval(contrast, level)

    def rows(self, *, level: float = LEVEL) -> tuple[Strength, ...]:
        """All models, the strongest first, equal ones by name."""
        names = sorted(self.names, key=lambda name: (-self.strengths[self.names.index(name)], name))
        return tuple(self._row(name, level) for name in names)

    def _row(self, name: str, level: float) -> Strength:
        contrast = np.zeros(len(self.names))
        contrast[self.names.index(name)] = 1.0
        interval = self._interval(contrast, level)
        apart = [self.difference(other, name, level=level) for other in self.names if other != name]
        above, below = sum(one.low > 0 for one in apart), sum(one.high < 0 for one in apart)
        return Strength(name, interval.value, interval.low, interval.high, 1 + above, len(self.names) - below)

    def _interval(self, contrast: NDArray[np.float64], level: float) -> Interval:
        value = float(contrast @ self.strengths)
        if self.clusters < 2:
            return Interval(value, -math.inf, math.inf)
        error = math.sqrt(max(0.0, float(contrast @ self.covariance @ contrast)))
        half = t_quantile(0.5 + level / 2, self.clusters - 1) * error
        return Interval(value, value - half, value + half)


def count_votes(names: Sequence[str], ballots: Iterable[Ballot]) -> Votes:
    """Ballots as arrays over the models ``names``.

    Raises `ValueError` for a ballot with fewer than two models, and for a winner or a model that was not shown.
    """
    column = {name: index for index, name in enumerate(names)}
    codes: dict[str, int] = {}
    shown: list[NDArray[np.bool_]] = []
    won: list[NDArray[np.float64]] = []
    clusters = []
    for ballot in ballots:
        best = ballot.best or ballot.shown
        if len(set(ballot.shown)) < 2 or not set(best) <= set(ballot.shown) <= set(column):
            raise ValueError(f"the ballot {ballot} does not fit the models {', '.join(names)}")
        row, share = np.zeros(len(names), np.bool_), np.zeros(len(names))
        row[[column[name] for name in ballot.shown]] = True
        share[[column[name] for name in best]] = 1 / len(set(best))
        shown.append(row)
        won.append(share)
        clusters.append(codes.setdefault(ballot.cluster, len(codes)))
    shape = (len(shown), len(names))
    return Votes(
        tuple(names),
        np.asarray(shown, np.bool_).reshape(shape),
        np.asarray(won, np.float64).reshape(shape),
        np.asarray(clusters, np.int64),
    )


def rank(votes: Votes) -> Ranking:
    """Maximum-likelihood strengths with a covariance that allows for votes of one cluster being alike.

    The covariance is the sandwich over whole clusters with the factor C / (C - 1) (Liang and Zeger, Biometrika 73,
    1986), and intervals use Student's t with C - 1 degrees of freedom. They speak of these questions put to other
    people. Raises `ValueError` without votes, or for models that no chain of ballots compares.
    """
    if not len(votes.won):
        raise ValueError("a ranking needs votes")
    patterns, code = np.unique(votes.shown, axis=0, return_inverse=True)
    code = code.ravel()
    counts = np.bincount(code, minlength=len(patterns)).astype(np.float64)
    wins = votes.won.sum(0)
    beats = _beats(votes)
    if not _reaches_all(beats | beats.T):
        raise ValueError("some models were never compared with the others, however indirectly")
    separated = not (_reaches_all(beats) and _reaches_all(beats.T))
    if separated:
        wins = wins + 0.5 * patterns.sum(0)
        counts = counts + 0.5 * patterns.sum(1)
    strengths = _fit(wins, counts, patterns)
    chances = _chances(strengths, patterns)
    bread = _gauged_inverse(_information(chances, counts))
    clusters = votes.clusters
    if separated:
        return Ranking(votes.names, strengths, bread * len(votes.won) / clusters, clusters, True)
    residual = np.zeros((clusters, len(votes.names)))
    np.add.at(residual, votes.cluster, votes.won - chances[code])
    meat = residual.T @ residual * (clusters / max(1, clusters - 1))
    return Ranking(votes.names, strengths, bread @ meat @ bread, clusters, False)


def win_rates(votes: Votes, *, level: float = LEVEL) -> tuple[Interval, ...]:
    """Each model's share of the votes in which it was shown, ties shared out; NaN for one that never was.

    The interval is Wilson's for as many independent votes as the spread between clusters is worth.
    """
    return tuple(
        _share(votes.won[:, model], votes.shown[:, model], votes.cluster, level) for model in range(len(votes.names))
    )


def pair_rate(votes: Votes, first: int, second: int, *, level: float = LEVEL) -> Interval:
    """How often ``first`` (a column) wins of the votes that went to one of two models; ties between them count half."""
    both = votes.shown[:, first] & votes.shown[:, second]
    weight = np.where(both, votes.won[:, first] + votes.won[:, second], 0.0)
    return _share(votes.won[:, first], weight, votes.cluster, level)


def _share(
    won: NDArray[np.float64], weight: NDArray[np.float64] | NDArray[np.bool_], cluster: NDArray[np.int64], level: float
) -> Interval:
    weight = weight.astype(np.float64)
    voted = weight > 0
    total = float(weight.sum())
    if not total:
        return Interval(math.nan, math.nan, math.nan)
    _, code = np.unique(cluster[voted], return_inverse=True)
    clusters = int(code.max()) + 1
    value = min(1.0, float(won[voted].sum() / total))
    if clusters < 2:
        return Interval(value, 0.0, 1.0)
    off = np.bincount(code, won[voted] - value * weight[voted], clusters)
    variance = float(off @ off) / total**2 * clusters / (clusters - 1)
    worth = clusters if variance < 1e-15 else max(1.0, value * (1 - value) / variance)
    # Wilson's formula, which knows the quantile and the number of trials as one figure alone.
    r = t_quantile(0.5 + level / 2, clusters - 1) ** 2 / worth
    centre, half = value + r / 2, math.sqrt(value * (1 - value) * r + r * r / 4)
    return Interval(value, max(0.0, (centre - half) / (1 + r)), min(1.0, (centre + half) / (1 + r)))


def _beats(votes: Votes) -> NDArray[np.bool_]:
    """(i, j): whether i was picked, alone or with others, where j was shown."""
    found: NDArray[np.bool_] = ((votes.won > 0).astype(np.float64).T @ votes.shown.astype(np.float64)) > 0
    return found


def _reaches_all(edges: NDArray[np.bool_]) -> bool:
    reached = np.zeros(len(edges), np.bool_)
    reached[0] = True
    for _ in range(len(edges)):
        reached = reached | edges[reached].any(0)
    return bool(reached.all())


def _fit(wins: NDArray[np.float64], counts: NDArray[np.float64], patterns: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Newton's method; a step is cut short where it would run away, and halved where it would make things worse."""
    strengths = np.zeros(len(wins))
    best = _likelihood(strengths, wins, counts, patterns)
    for _ in range(_STEPS):
        chances = _chances(strengths, patterns)
        slope = wins - counts @ chances
        if np.abs(slope).max() < _PRECISION * max(1.0, float(counts.sum())):
            break
        step = _gauged_inverse(_information(chances, counts)) @ slope
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        while float(np.abs(step).max()) > 1e-14:
            tried = _likelihood(strengths + step, wins, counts, patterns)
            if tried >= best:
                break
            step = step / 2
        else:
            break  # as far as floating point goes
        strengths, best = strengths + step, tried
    centred: NDArray[np.float64] = strengths - strengths.mean()
    return centred


def _log_sums(strengths: NDArray[np.float64], patterns: NDArray[np.bool_]) -> NDArray[np.float64]:
    masked = np.where(patterns, strengths, -np.inf)
    top = masked.max(1)
    sums: NDArray[np.float64] = top + np.log(np.exp(masked - top[:, None]).sum(1))
    return sums


def _likelihood(
    strengths: NDArray[np.float64],
    wins: NDArray[np.float64],
    counts: NDArray[np.float64],
    patterns: NDArray[np.bool_],
) -> float:
    return float(wins @ strengths - counts @ _log_sums(strengths, patterns))


def _chances(strengths: NDArray[np.float64], patterns: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(patterns, models): probability of being picked."""
    logs = np.where(patterns, strengths, -np.inf) - _log_sums(strengths, patterns)[:, None]
    chances: NDArray[np.float64] = np.exp(logs)
    return chances


def _information(chances: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    weighted = counts[:, None] * chances
    matrix: NDArray[np.float64] = np.diag(weighted.sum(0)) - chances.T @ weighted
    return matrix


def _gauged_inverse(information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse among vectors that sum to 0: strengths are known up to a constant only."""
    size = len(information)
    ones = np.full((size, size), 1 / size)
    scale = float(np.trace(information)) / size or 1.0
    inverse: NDArray[np.float64] = np.linalg.inv(information + scale * ones) - ones / scale
    return inverse


def t_quantile(p: float, df: int) -> float:
    """Student's t quantile by the expansion 26.7.5 of Abramowitz and Stegun; exact formulas for 1 and 2 degrees.

    ``p`` in (0, 1), ``df`` >= 1; within 1% from 3 degrees of freedom on for the usual levels. Raises `ValueError` else.
    """
    if not 0 < p < 1 or df < 1:
        raise ValueError(f"no t quantile for p = {p} and {df} degrees of freedom")
    if df == 1:
        return math.tan(math.pi * (p - 0.5))
    if df == 2:
        return (2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p)))
    z = NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / float(df) ** (power + 1) for power, term in enumerate(terms))
