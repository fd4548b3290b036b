"""Many cells at once: against closed forms, against each other, and on simulated data."""

from __future__ import annotations

import numpy as np
import pytest

from polysee.evaluation.metrics.significance import t_quantile
from polysee.evaluation.statistics import CellMeans, clustered_mean, wilson


def _labels(count: int, size: int = 1) -> list[str]:
    return [f"صورة {number}" for number in range(count) for _ in range(size)]


def test_one_cell_is_the_plain_mean_with_its_closed_form() -> None:
    scores = np.repeat([1.0, 0.0], [60, 140])
    found = CellMeans(scores, _labels(200), [0] * 200, 1, resamples=4000, seed=0).estimate([1.0])
    assert found.value == pytest.approx(0.3)
    # The binomial variance with n - 1.
    assert found.error == pytest.approx(np.sqrt(0.3 * 0.7 / 199))
    assert (found.low, found.high) == pytest.approx(wilson(60, 200), abs=0.012)
    assert (found.clusters, found.changed, found.answers) == (200, 60, 200)


def test_clusters_of_equal_answers_count_once() -> None:
    scores = np.repeat([1.0, 0.0], [60, 140])
    once = CellMeans(scores, _labels(200), [0] * 200, 1, resamples=200, seed=0).estimate([1.0])
    often = CellMeans(np.repeat(scores, 7), _labels(200, 7), [0] * 1400, 1, resamples=200, seed=0).estimate([1.0])
    assert often.error == pytest.approx(once.error)
    assert often.value == pytest.approx(once.value)


def test_error_and_draws_agree() -> None:
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 6, 900)
    scores = rng.random(900)
    means = CellMeans(scores, [f"c{i}" for i in rng.integers(0, 120, 900)], cells, 6, resamples=6000, seed=1)
    weights = np.array([0.5, 0.5, 0, -0.25, -0.25, -0.5])
    found = means.estimate(weights)
    assert found.error == pytest.approx((means.draws @ weights).std(), rel=0.05)
    assert found.high - found.low == pytest.approx(2 * 1.96 * (found.error or 0), rel=0.06)
    assert found.value == pytest.approx(weights @ [scores[cells == k].mean() for k in range(6)])


def test_a_cell_agrees_with_the_single_function() -> None:
    rng = np.random.default_rng(5)
    scores, labels = rng.random(300), _labels(60, 5)
    alone = clustered_mean(scores, labels, resamples=500, seed=9)
    found = CellMeans(scores, labels, [0] * 300, 1, resamples=500, seed=9).estimate([1.0])
    assert (found.value, found.low, found.high) == pytest.approx((alone.value, alone.low, alone.high))


def test_order_of_rows_changes_nothing() -> None:
    rng = np.random.default_rng(7)
    scores, cells = rng.random(200), rng.integers(0, 4, 200)
    labels = np.asarray([f"c{i}" for i in rng.integers(0, 40, 200)])
    order = rng.permutation(200)
    weights = [0.25] * 4
    first = CellMeans(scores, labels.tolist(), cells, 4, resamples=300, seed=2).estimate(weights)
    other = CellMeans(scores[order], labels[order].tolist(), cells[order], 4, resamples=300, seed=2).estimate(weights)
    assert (first.value, first.low, first.high, first.error) == pytest.approx(
        (other.value, other.low, other.high, other.error)
    )


def test_more_cells_than_fit_in_a_block() -> None:
    rng = np.random.default_rng(1)
    scores, cells = rng.random(1200), np.arange(1200) % 600
    means = CellMeans(scores, _labels(300, 4), cells, 600, resamples=200, seed=0)
    few = CellMeans(scores[cells < 3], list(np.asarray(_labels(300, 4))[cells < 3]), cells[cells < 3], 3,
                    resamples=200, seed=0)  # fmt: skip
    assert means.draws.shape == (200, 600)
    assert means.means[:3] == pytest.approx(few.means)
    # A cell that no drawn picture touches keeps its own mean.
    assert not np.isnan(means.draws).any()


def test_equal_scores_and_equal_models_still_have_an_interval() -> None:
    perfect = CellMeans([1.0] * 20, _labels(10, 2), [0] * 20, 1, resamples=200, seed=0).estimate([1.0])
    assert (perfect.low, perfect.high) == pytest.approx(wilson(10, 10))
    same = CellMeans([0.0, 0.0, -1.0], ["a", "b", "c"], [0, 0, 1], 2, resamples=200, seed=0).estimate([1.0, 0.0])
    assert (same.value, same.low) == (0.0, -same.high)
    assert same.high == pytest.approx(wilson(0, 2)[1])
    draws = {"resamples": 200, "seed": 0}
    equal = CellMeans([0.0] * 5, _labels(5), [0] * 5, 1, differences=True, **draws).estimate([1.0])
    assert equal.low == -equal.high == pytest.approx(-wilson(0, 5)[1])
    gap = CellMeans([1.0] * 6, _labels(3, 2), [0, 1] * 3, 2, **draws).estimate([1.0, -1.0])
    assert (gap.value, gap.low) == (0.0, -gap.high)
    worse = CellMeans([-1.0] * 5, _labels(5), [0] * 5, 1, resamples=200, seed=0).estimate([1.0])
    assert worse.value == -1.0
    assert (worse.low, worse.high) == pytest.approx((-1.0, -wilson(5, 5)[0]))


def test_coverage_of_a_difference_of_macro_means() -> None:
    rng = np.random.default_rng(11)
    hits = trials = 0
    true = 0.05
    for trial in range(400):
        easy = rng.beta(2, 2, 60)
        old = rng.random((60, 3)) < easy[:, None]
        new = rng.random((60, 3)) < np.clip(easy * (1 - 2 * true) + 2 * true, 0, 1)[:, None]
        cells = np.tile([0, 1, 2], 60)
        means = CellMeans((new * 1.0 - old).ravel(), _labels(60, 3), cells, 3, resamples=400, seed=trial)
        found = means.estimate([1 / 3] * 3)
        hits += found.low <= true <= found.high
        trials += 1
    assert 0.92 <= hits / trials <= 0.98


def test_t_interval_from_the_error_covers_as_well() -> None:
    rng = np.random.default_rng(13)
    hits, quantile = 0, t_quantile(0.975, 24)
    for trial in range(500):
        scores = (rng.random((25, 4)) < rng.beta(2, 2, 25)[:, None]).astype(float)
        found = CellMeans(scores.ravel(), _labels(25, 4), [0] * 100, 1, resamples=100, seed=trial).estimate([1.0])
        half = quantile * (found.error or 0)
        hits += abs(found.value - 0.5) <= half
    assert 0.93 <= hits / 500 <= 0.97


def test_what_cannot_be_estimated() -> None:
    with pytest.raises(ValueError, match="every cell"):
        CellMeans([1.0], ["a"], [1], 2, resamples=100, seed=0)
    with pytest.raises(ValueError, match="2 scores, 1 cells"):
        CellMeans([1.0, 0.0], ["a", "b"], [0], 1, resamples=100, seed=0)
    with pytest.raises(ValueError, match="needs a cell"):
        CellMeans([1.0], ["a"], [0], 1, resamples=100, seed=0).estimate([0.0])
    assert CellMeans([1.0, 0.0], ["a", "a"], [0, 0], 1, resamples=100, seed=0).estimate([1.0]).error is None
