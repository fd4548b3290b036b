"""Means of many cells at once (task by language), resampled together, and any sums and differences of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polysee.evaluation.statistics.intervals import LEVEL, cluster_codes, wilson

Floats = NDArray[np.float64]

_ROWS = 256  # resamples drawn at a time: bounds the memory
_COLUMNS = 256  # cells held densely at a time


@dataclass(frozen=True, slots=True)
class Estimate:
    """A weighted sum of cell means and its percentile interval.

    ``error``: its standard error from the variance between clusters; None where a single cluster has no variance.
    ``clusters``: those with an answer in one of its cells; ``changed``: of these, the ones with a score other than 0
    (with paired differences: those on which the two models differ). ``answers``: in these cells.
    """

    value: float
    low: float
    high: float
    error: float | None
    clusters: int
    changed: int
    answers: int


class CellMeans:
    """The mean score of every cell. An image that was asked about in many languages is drawn for all of them or none.

    ``scores`` (n): 0-1, or -1 to 1 for differences of two models. ``clusters`` (n): labels of what was sampled, such
    as pictures. ``cells`` (n): numbers from 0 to ``count`` - 1; each must occur. ``differences``: that is what the
    scores are, though none of them need be below 0. The order of the rows is of no importance beyond the last bits of
    sums. Raises `ValueError` for an empty cell or arrays of unequal length.
    """

    def __init__(
        self,
        scores: ArrayLike,
        clusters: Sequence[str],
        cells: ArrayLike,
        count: int,
        *,
        resamples: int,
        seed: int,
        level: float = LEVEL,
        differences: bool = False,
    ) -> None:
        self._differences = differences
        self._scores: Floats = np.asarray(scores, np.float64)
        self._cells: NDArray[np.int64] = np.asarray(cells, np.int64)
        self._codes, self._clusters = cluster_codes(clusters)
        if not len(self._scores) == len(self._cells) == len(self._codes):
            raise ValueError(f"{len(self._scores)} scores, {len(self._cells)} cells and {len(self._codes)} clusters")
        self.sizes: NDArray[np.int64] = np.bincount(self._cells, minlength=count).astype(np.int64)
        if count < 1 or len(self.sizes) != count or not self.sizes.all():
            raise ValueError("every cell needs a score")
        self.means: Floats = np.bincount(self._cells, self._scores, count) / self.sizes
        self._resamples, self._seed, self._level = resamples, seed, level

    @cached_property
    def draws(self) -> Floats:
        """Means of resampled clusters (resamples, cells). A cell that a resample leaves empty keeps its own mean."""
        out = np.empty((self._resamples, len(self.means)))
        rng = np.random.Generator(np.random.PCG64([self._seed, self._clusters]))
        blocks = [slice(at, min(at + _COLUMNS, len(self.means))) for at in range(0, len(self.means), _COLUMNS)]
        for start in range(0, self._resamples, _ROWS):
            rows = slice(start, min(start + _ROWS, self._resamples))
            weights = self._weights(rng, rows.stop - start)
            for block in blocks:
                sums, sizes = self._dense(block)
                drawn = weights @ sizes
                with np.errstate(invalid="ignore", divide="ignore"):
                    out[rows, block] = np.where(drawn > 0, (weights @ sums) / drawn, self.means[block])
        return out

    def estimate(self, weights: ArrayLike) -> Estimate:
        """The sum of the cell means by ``weights`` (cells). Raises `ValueError` where no weight differs from 0."""
        given: Floats = np.asarray(weights, np.float64)
        used = given != 0
        if not used.any():
            raise ValueError("an estimate needs a cell")
        rows = used[self._cells]
        touched = np.unique(self._codes[rows])
        changed = np.unique(self._codes[rows & (np.abs(self._scores) > 1e-12)])
        value = float(given @ self.means)
        either_way = self._differences or bool((self._scores < 0).any() or (given < 0).any())
        low, high = self._ends(value, self.draws[:, used] @ given[used], len(touched), either_way)
        return Estimate(
            value=value,
            low=min(low, value),
            high=max(high, value),
            error=self._error(given, len(touched)),
            clusters=len(touched),
            changed=len(changed),
            answers=int(self.sizes[used].sum()),
        )

    def _error(self, weights: Floats, clusters: int) -> float | None:
        """Sandwich estimate for ratio means (Cameron, Gelbach & Miller 2011, with their factor G / (G - 1))."""
        if clusters < 2:
            return None
        influence = weights[self._cells] * (self._scores - self.means[self._cells]) / self.sizes[self._cells]
        sums = np.bincount(self._codes, influence, self._clusters)
        error = float(np.sqrt(clusters / (clusters - 1) * np.square(sums).sum()))
        return error if error > 1e-12 else 0.0

    def _ends(self, value: float, draws: Floats, clusters: int, either_way: bool) -> tuple[float, float]:
        """``either_way``: the truth may lie below 0, which no mean of scores can."""
        if np.ptp(draws) >= 1e-12:
            low, high = np.quantile(draws, [(1 - self._level) / 2, (1 + self._level) / 2]).tolist()
            return low, high
        # All clusters say the same: only their number tells how far off that may be.
        share = min(1.0, abs(value))
        low, high = wilson(share * clusters, clusters, level=self._level)
        if not either_way:
            return low, high
        return (-high, high) if share < 1e-12 else (low, high) if value > 0 else (-high, -low)

    def _weights(self, rng: np.random.Generator, rows: int) -> Floats:
        count = self._clusters
        picks = rng.integers(0, count, (rows, count)) + np.arange(rows)[:, None] * count
        return np.bincount(picks.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)

    def _dense(self, block: slice) -> tuple[Floats, Floats]:
        """Sums and counts of scores (clusters, cells of the block)."""
        width = block.stop - block.start
        inside = (self._cells >= block.start) & (self._cells < block.stop)
        flat = self._codes[inside] * width + self._cells[inside] - block.start
        sums: Floats = np.bincount(flat, self._scores[inside], self._clusters * width).astype(np.float64)
        sizes = np.bincount(flat, minlength=self._clusters * width)
        shape = (self._clusters, width)
        return sums.reshape(shape), sizes.reshape(shape).astype(np.float64)
