"""Intervals that respect clusters: answers about one image are not independent, in however many languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
_ROWS = 256  # resamples drawn at a time: bounds the memory


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean of scores in 0-1 and the ends of its interval."""

    value: float
    low: float
    high: float


def wilson(successes: float, n: float, *, level: float = LEVEL) -> tuple[float, float]:
    """Score interval of a proportion (Wilson, JASA 22, 1927). ``n`` >= 1 trials; ends within 0-1."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials is no proportion")
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return max(0.0, centre - half), min(1.0, centre + half)


def clustered_mean(
    scores: ArrayLike, clusters: Sequence[str], *, resamples: int, seed: int, level: float = LEVEL
) -> Interval:
    """Mean of ``scores`` (n, each 0-1) with a percentile bootstrap interval over whole ``clusters`` (n labels).

    Where every cluster scores the same, resampling cannot tell the spread; the ends are then those of the Wilson
    interval of as many independent trials as there are clusters. Raises `ValueError` without scores.
    """
    values = np.asarray(scores, np.float64)
    codes, count = cluster_codes(clusters)
    if not len(values) or len(values) != len(codes):
        raise ValueError(f"{len(values)} scores for {len(codes)} cluster labels")
    sums = np.bincount(codes, values, count).astype(np.float64)[:, None]
    sizes = np.bincount(codes, minlength=count).astype(np.float64)[:, None]
    draws = _ratio_draws(sums, sizes, resamples, seed)[:, 0]
    return _interval(float(values.mean()), draws, count, level)


def clustered_macro(
    scores: ArrayLike,
    clusters: Sequence[str],
    outer: Sequence[str],
    inner: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> tuple[Interval, dict[str, Interval]]:
    """Mean over ``outer`` groups (languages) of the mean over their ``inner`` groups (tasks) of mean scores.

    All arguments have one entry for each answer. Whole clusters are resampled once for all languages and tasks
    together, so that an image which is easy in every language widens the interval as it should. A cell that a
    resample leaves empty is left out of that resample's mean. Returns the macro mean, and each outer group's mean.
    """
    values = np.asarray(scores, np.float64)
    codes, count = cluster_codes(clusters)
    if not len(values):
        raise ValueError("a macro mean needs scores")
    pairs = sorted(set(zip(outer, inner, strict=True)))
    column = {pair: index for index, pair in enumerate(pairs)}
    flat = codes * len(pairs) + np.asarray([column[pair] for pair in zip(outer, inner, strict=True)])
    shape = (count, len(pairs))
    sums = np.bincount(flat, values, count * len(pairs)).reshape(shape).astype(np.float64)
    sizes = np.bincount(flat, minlength=count * len(pairs)).reshape(shape).astype(np.float64)
    draws = _ratio_draws(sums, sizes, resamples, seed)
    cells = sums.sum(0) / sizes.sum(0)
    groups = {name: [i for i, pair in enumerate(pairs) if pair[0] == name] for name in sorted(set(outer))}
    group_draws = np.stack([_mean(draws[:, index]) for index in groups.values()], 1)
    means = np.asarray([cells[index].mean() for index in groups.values()])
    touched = [int((sizes[:, index].sum(1) > 0).sum()) for index in groups.values()]
    each = {name: _interval(float(means[g]), group_draws[:, g], touched[g], LEVEL) for g, name in enumerate(groups)}
    return _interval(float(means.mean()), _mean(group_draws), count, LEVEL), each


def cluster_codes(clusters: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """Labels as numbers from 0, and how many there are."""
    names, codes = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
    return codes.astype(np.int64), len(names)


def _ratio_draws(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], resamples: int, seed: int
) -> NDArray[np.float64]:
    """Means of resampled clusters (resamples, cells), NaN where a cell got none, from (clusters, cells) arrays."""
    count = len(sums)
    rng = np.random.Generator(np.random.PCG64([seed, count]))
    parts = []
    for start in range(0, resamples, _ROWS):
        rows = min(_ROWS, resamples - start)
        picks = rng.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        weights = np.bincount(picks.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)
        with np.errstate(invalid="ignore"):
            parts.append((weights @ sums) / (weights @ sizes))
    return np.concatenate(parts)


def _mean(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row means of what is not NaN; NaN for a row of NaN."""
    known = ~np.isnan(draws)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = np.where(known, draws, 0.0).sum(1) / known.sum(1)
    return means


def _interval(value: float, draws: NDArray[np.float64], clusters: int, level: float) -> Interval:
    draws = draws[~np.isnan(draws)]
    if not len(draws) or np.ptp(draws) < 1e-12:
        low, high = wilson(min(max(value, 0.0), 1.0) * clusters, clusters, level=level)
    else:
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(value, min(low, value), max(high, value))
