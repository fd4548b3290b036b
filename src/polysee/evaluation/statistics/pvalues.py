"""P-values of clustered differences, their correction for many tests, and what a design could have seen."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

from polysee.evaluation.metrics.significance import t_quantile, t_two_sided
from polysee.evaluation.statistics.cells import Estimate

POWER = 0.8


def p_value(difference: Estimate) -> float:
    """Two-sided p of "the two models are equally good", 0-1, for an estimate of paired differences.

    Student's t on the clustered standard error with (clusters - 1) degrees of freedom. It is never below what flipping
    the signs of the clusters that changed at all could show, 2 ** (1 - changed): five pictures cannot prove more.
    A bootstrap's own shares would end at 1 / (resamples + 1), too coarse for hundreds of corrected tests.
    """
    return max(_t_tail(difference), _flips(difference, 1.0))


def p_drop(difference: Estimate) -> float:
    """One-sided p of "the new model is not worse", 0-1; small only where the difference (new - base) is negative."""
    half = _t_tail(difference) / 2
    return max(half if difference.value < 0 else 1 - half, _flips(difference, 0.0))


def detectable(difference: Estimate, *, level: float = 0.05, power: float = POWER) -> float | None:
    """The smallest true difference that such a comparison would find with probability ``power``, two-sided.

    (t(1 - level/2) + t(power)) * standard error (Bloom, Evaluation Review 19, 1995), from the paired variance and the
    number of clusters as observed. None where these say nothing: one cluster, or no difference anywhere.
    """
    if not difference.error or difference.clusters < 2:
        return None
    degrees = difference.clusters - 1
    return (_quantile(1 - level / 2, degrees) + _quantile(power, degrees)) * difference.error


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for a family of tests (Holm, Scandinavian Journal of Statistics 6, 1979), in their order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - place)))
        corrected[index] = highest
    return corrected


def _t_tail(difference: Estimate) -> float:
    if abs(difference.value) < 1e-12 or difference.error is None:
        return 1.0
    if difference.error == 0.0:
        return 0.0
    return t_two_sided(difference.value / difference.error, difference.clusters - 1)


def _flips(difference: Estimate, shift: float) -> float:
    return min(1.0, 2.0 ** (shift - difference.changed)) if difference.changed else 1.0


@lru_cache(maxsize=4096)
def _quantile(probability: float, degrees: int) -> float:
    # Beyond this many the two distributions agree to four digits.
    return NormalDist().inv_cdf(probability) if degrees > 10_000 else t_quantile(probability, degrees)
