"""How far raters agree beyond chance: judges with people, people with each other, a judge with itself."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal", "interval"]


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Agreement of two raters on the same items, corrected for chance (Cohen, 1960): 1 perfect, 0 as by chance.

    None where both always say the same one thing, so that chance explains everything. Raises `ValueError` for unequal
    lengths or no items.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} ratings cannot be compared")
    labels = list(dict.fromkeys([*first, *second]))
    code = {label: index for index, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)))
    np.add.at(table, ([code[a] for a in first], [code[b] for b in second]), 1 / len(first))
    expected = float(table.sum(1) @ table.sum(0))
    return None if expected >= 1 - 1e-12 else (float(np.trace(table)) - expected) / (1 - expected)


def krippendorff_alpha(units: Sequence[Sequence[float | None]], level: Level = "nominal") -> float | None:
    """Krippendorff's alpha (Content Analysis, 4th ed., chapter 12). ``units``: for each item its raters' values.

    Raters may be missing (None) and may differ from item to item; items with fewer than two values do not count.
    None where no two values can be compared or all are the same.
    """
    rated = [[v for v in unit if v is not None] for unit in units]
    rated = [unit for unit in rated if len(unit) > 1]
    values = sorted({value for unit in rated for value in unit})
    if len(values) < 2:
        return None
    code = {value: index for index, value in enumerate(values)}
    together = np.zeros((len(values), len(values)))
    for unit in rated:
        found = np.bincount([code[v] for v in unit], minlength=len(values)).astype(np.float64)
        together += (np.outer(found, found) - np.diag(found)) / (len(unit) - 1)
    totals = together.sum(1)
    apart = _DISTANCES[level](np.asarray(values, np.float64), totals)
    expected = float(totals @ apart @ totals)
    return 1 - (float(totals.sum()) - 1) * float((together * apart).sum()) / expected


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Rank correlation, equal values getting their mean rank. None where a side is constant or has under two values.

    Raises `ValueError` for unequal lengths.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values cannot be compared")
    a, b = mean_ranks(first), mean_ranks(second)
    a, b = a - a.mean() if len(a) else a, b - b.mean() if len(b) else b
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else None


def mean_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 1, ascending; equal values share the mean of theirs."""
    _, code, count = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: NDArray[np.float64] = (last - (count - 1) / 2)[code]
    return shared


def _nominal(values: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 - np.eye(len(values))


def _interval(values: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = (values[:, None] - values[None, :]) ** 2
    return squares


def _ordinal(values: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    # The values between two, counted, with the two themselves at half their number.
    middle = np.cumsum(totals) - totals / 2
    return _interval(middle, totals)


_DISTANCES: dict[Level, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "nominal": _nominal,
    "ordinal": _ordinal,
    "interval": _interval,
}
