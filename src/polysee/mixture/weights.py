"""How often samples and languages are drawn: repeat factors of datasets, temperature over languages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from polysee.mixture.keys import mix64, text_key, text_keys
from polysee.schema.errors import UserError


def repeat_counts(
    n: int, factor: float, *, seed: int, name: str, ids: Sequence[str] | None = None
) -> npt.NDArray[np.int64]:
    """How often an epoch holds each of the ``n`` samples of the dataset ``name``; shape (n,).

    A repeat factor r in (0, 4] (InternVL 2.5, section 4.1) gives every sample floor(r) times, and the fraction's share
    of the samples, rounded to the nearest whole number, once more. Which ones depends on seed, name and the sample's id
    where ``ids`` are given (then the order of the rows plays no part), else on its row.

    Raises: UserError for a factor out of range; ValueError where ``ids`` are not ``n``.
    """
    if not 0 < factor <= 4:
        raise UserError(
            f"the repeat factor {factor} of {name!r} is out of range",
            "give a number above 0 and at most 4: 0.5 takes half of the samples, 2 takes each of them twice",
        )
    if n < 0 or (ids is not None and len(ids) != n):
        raise ValueError(f"n is {n}" + ("" if ids is None else f" but there are {len(ids)} ids"))
    whole = math.floor(factor)
    counts = np.full(n, whole, np.int64)
    extra = math.floor((factor - whole) * n + 0.5)
    if extra:
        own = np.arange(n, dtype=np.uint64) if ids is None else text_keys(ids)
        keys = mix64(own ^ text_key(f"repeat {seed} {name}"))
        counts[np.argsort(keys, kind="stable")[:extra]] += 1
    return counts


def language_weights(shares: Mapping[str, float], temperature: float) -> dict[str, float]:
    """The probability of each language: share ** (1 / T), normalised to a sum of 1.

    Shares may be counts or fractions; a share of 0 stays 0. T = 1 keeps the shares, a larger T evens them out (as for
    multilingual BERT and XLM-R, whose exponent is 1 / T).

    Raises ValueError for no positive share, a negative or infinite one, or a temperature that is not positive.
    """
    if not (temperature > 0 and math.isfinite(temperature)):
        raise ValueError(f"the temperature must be a positive number, not {temperature}")
    for language, share in shares.items():
        if not (share >= 0 and math.isfinite(share)):
            raise ValueError(f"the share of {language!r} is {share}, must be a number of at least 0")
    most = max(shares.values(), default=0.0)
    if most <= 0:
        raise ValueError("no language has a positive share")
    # Relative to the largest, so that a small temperature cannot overflow.
    raised = {language: (share / most) ** (1.0 / temperature) for language, share in shares.items()}
    total = math.fsum(raised.values())
    return {language: weight / total for language, weight in raised.items()}
