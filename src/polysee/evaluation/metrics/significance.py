"""Student's paired t-test and the clustered standard error, without SciPy."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from polysee.evaluation.metrics.base import Call, Metric, mean

CONFIDENCE = 0.95


def paired_ttest(prediction: Sequence[float], references: Sequence[float], call: Call) -> list[float]:
    """[mean difference, low, high, p] of two systems on the same items: two-sided t-test with a 95% interval.

    Where all differences are equal the interval has no width, and p is 1 if they are 0, else 0. Raises `ValueError`
    for lists of different lengths or fewer than two items; official: of one item four NaN.
    """
    if call.official and len(prediction) == len(references) < 2:
        return [math.nan] * 4
    if len(prediction) != len(references) or len(prediction) < 2:
        raise ValueError("a paired t-test needs two lists of the same length, of two scores or more")
    count = len(prediction)
    differences = [float(a) - float(b) for a, b in zip(prediction, references, strict=True)]
    centre = mean(differences)
    variance = sum((d - centre) ** 2 for d in differences) / (count - 1)
    error = math.sqrt(variance / count)
    if error == 0:
        return [centre, centre, centre, 1.0 if centre == 0 else 0.0]
    half = t_quantile(0.5 + CONFIDENCE / 2, count - 1) * error
    return [centre, centre - half, centre + half, t_two_sided(centre / error, count - 1)]


def clustered_stderr(prediction: Sequence[float], references: Sequence[Hashable], call: Call) -> float:
    """Standard error of a mean of clustered scores (Miller, arXiv:2411.00640, equation 4).

    The independent part divides by n - 1, the covariances within clusters by n squared. Covariances that outweigh
    the variance give 0. Official: of one score NaN.
    """
    count = len(prediction)
    if call.official and count == len(references) < 2:
        return math.nan
    if count < 2 or count != len(references):
        raise ValueError("a clustered error needs two scores or more and as many cluster labels")
    centre = mean([float(score) for score in prediction])
    sums: dict[Hashable, float] = {}
    squares = 0.0
    for score, cluster in zip(prediction, references, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + score - centre
        squares += (score - centre) ** 2
    cross = sum(total * total for total in sums.values()) - squares
    return math.sqrt(max(0.0, squares / (count - 1) / count + cross / count**2))


def t_two_sided(t: float, degrees: int) -> float:
    """P(|T| >= |t|) of Student's distribution: I_x(n/2, 1/2) with x = n / (n + t^2)."""
    return beta_regularised(degrees / 2, 0.5, degrees / (degrees + t * t))


def t_quantile(probability: float, degrees: int) -> float:
    """The t that Student's distribution stays below with a probability of 0.5 to 1, by bisection."""
    low, high = 0.0, 1.0
    while 1 - t_two_sided(high, degrees) / 2 < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if 1 - t_two_sided(middle, degrees) / 2 < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def beta_regularised(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), 0-1, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_regularised(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / max(tiny, 1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d = 1 / (_away_from_zero(1 + term * d, tiny))
            c = _away_from_zero(1 + term / c, tiny)
            step = c * d
            fraction *= step
        if abs(step - 1) < 1e-15:
            break
    return front * fraction


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny


METRICS: dict[str, Metric] = {"clustered_stderr": clustered_stderr, "paired_ttest": paired_ttest}
