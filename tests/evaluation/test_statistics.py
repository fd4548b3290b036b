from __future__ import annotations

import numpy as np
import pytest

from polysee.evaluation.statistics import clustered_macro, clustered_mean, wilson


def _labels(count: int, size: int = 1) -> list[str]:
    return [f"c{number}" for number in range(count) for _ in range(size)]


def test_wilson_against_known_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81/263, 15/148, 0/20 and 1/29.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson(20, 20)[1] == 1.0
    with pytest.raises(ValueError, match="no proportion"):
        wilson(2, 1)


def test_interval_has_the_width_of_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    effects = rng.normal(0, 0.1, 200)
    scores = np.clip(0.5 + np.repeat(effects, 5) + rng.normal(0, 0.05, 1000), 0, 1)
    found = clustered_mean(scores, _labels(200, 5), resamples=4000, seed=1)
    means = scores.reshape(200, 5).mean(1)
    error = means.std(ddof=0) / np.sqrt(200)
    assert found.value == pytest.approx(scores.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.06)
    # As if all 1,000 answers were independent, it would be less than half as wide.
    naive = clustered_mean(scores, _labels(1000), resamples=4000, seed=1)
    assert found.high - found.low > 1.9 * (naive.high - naive.low)


def test_unequal_clusters_are_weighed_by_their_answers() -> None:
    scores = [1.0] * 9 + [0.0]
    found = clustered_mean(scores, ["a"] * 9 + ["b"], resamples=500, seed=0)
    assert found.value == pytest.approx(0.9)
    assert (found.low, found.high) == (0.0, 1.0)


def test_interval_is_close_to_wilson_for_independent_trials() -> None:
    scores = [1.0] * 60 + [0.0] * 140
    found = clustered_mean(scores, _labels(200), resamples=4000, seed=3)
    assert (found.low, found.high) == pytest.approx(wilson(60, 200), abs=0.012)


def test_equal_scores_still_have_an_interval() -> None:
    perfect = clustered_mean([1.0] * 50, _labels(10, 5), resamples=200, seed=0)
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert perfect.low == pytest.approx(wilson(10, 10)[0])


def test_equal_seeds_give_equal_bits() -> None:
    scores = np.random.default_rng(1).random(300)
    first, again, other = (clustered_mean(scores, _labels(60, 5), resamples=300, seed=s) for s in (5, 5, 6))
    assert first == again
    assert first != other


def test_coverage_is_about_what_it_says() -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for trial in range(300):
        easy = rng.beta(2, 2, 60)
        scores = (rng.random((60, 6)) < easy[:, None]).astype(float)
        found = clustered_mean(scores.ravel(), _labels(60, 6), resamples=400, seed=trial)
        hits += found.low <= 0.5 <= found.high
    assert 0.91 <= hits / 300 <= 0.98


def test_macro_is_the_mean_of_means() -> None:
    scores = [1, 0, 1, 1, 0, 0, 1]
    languages = ["ar", "ar", "ar", "zh", "zh", "zh", "zh"]
    tasks = ["naming", "naming", "colour", "naming", "naming", "colour", "colour"]
    whole, each = clustered_macro(scores, _labels(7), languages, tasks, resamples=200, seed=0)
    assert each["ar"].value == pytest.approx((0.5 + 1.0) / 2)
    assert each["zh"].value == pytest.approx((0.5 + 0.5) / 2)
    assert whole.value == pytest.approx((0.75 + 0.5) / 2)
    assert list(each) == ["ar", "zh"]
    assert whole.low <= whole.value <= whole.high


def test_macro_knows_that_languages_share_images() -> None:
    rng = np.random.default_rng(2)
    images = rng.integers(0, 2, 80).astype(float)
    tags = ["am", "ar", "hi", "th", "zh"]
    scores = np.tile(images, len(tags))
    languages = [tag for tag in tags for _ in images]
    tasks = ["naming"] * len(scores)
    shared, _ = clustered_macro(scores, _labels(80) * len(tags), languages, tasks, resamples=2000, seed=0)
    own = [f"{tag}-{label}" for tag in tags for label in _labels(80)]
    apart, _ = clustered_macro(scores, own, languages, tasks, resamples=2000, seed=0)
    alone = clustered_mean(images, _labels(80), resamples=2000, seed=0)
    assert shared.high - shared.low == pytest.approx(alone.high - alone.low, rel=0.05)
    assert shared.high - shared.low == pytest.approx(np.sqrt(5) * (apart.high - apart.low), rel=0.12)


def test_macro_survives_a_cell_with_one_image() -> None:
    scores = [1.0, 0.0] * 10 + [1.0]
    whole, each = clustered_macro(scores, _labels(21), ["ar"] * 20 + ["zh"], ["naming"] * 21, resamples=300, seed=0)
    assert whole.value == pytest.approx(0.75)
    assert each["zh"].value == 1.0
    assert each["zh"].low == pytest.approx(wilson(1, 1)[0])


def test_nothing_has_no_mean() -> None:
    with pytest.raises(ValueError, match="0 scores"):
        clustered_mean([], [], resamples=100, seed=0)
    with pytest.raises(ValueError, match="2 scores for 1"):
        clustered_mean([1.0, 0.0], ["a"], resamples=100, seed=0)
    with pytest.raises(ValueError, match="needs scores"):
        clustered_macro([], [], [], [], resamples=100, seed=0)
