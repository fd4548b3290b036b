"""P-values against the paired t-test and exact counts, Holm's correction, and power."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.evaluation.metrics import compute
from polysee.evaluation.statistics import CellMeans, Estimate, detectable, holm, p_drop, p_value


def _difference(scores: np.ndarray) -> Estimate:
    labels = [f"c{index}" for index in range(len(scores))]
    return CellMeans(scores, labels, [0] * len(scores), 1, resamples=100, seed=0).estimate([1.0])


def test_equals_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.random(400), rng.random(400) + 0.03
    found = _difference(new - old)
    expected = compute("paired_ttest", new.tolist(), old.tolist())
    assert isinstance(expected, list)
    assert found.value == pytest.approx(expected[0])
    assert p_value(found) == pytest.approx(expected[3], rel=1e-6)


def test_few_changes_cannot_prove_much() -> None:
    scores = np.zeros(100)
    for changed, lowest in ((1, 1.0), (5, 0.0625), (6, 0.03125)):
        scores[:changed] = 1.0
        assert p_value(_difference(scores)) >= lowest
        assert p_drop(_difference(-scores)) >= lowest / 2
    scores[:20] = 1.0
    assert p_value(_difference(scores)) < 0.001


def test_no_change_and_all_change() -> None:
    assert p_value(_difference(np.zeros(30))) == 1.0
    assert p_value(_difference(np.ones(30))) == 2.0**-29
    assert p_value(_difference(np.ones(1))) == 1.0
    assert p_drop(_difference(np.ones(30))) == 1.0
    assert p_drop(_difference(-np.ones(30))) == 2.0**-30


def test_swapping_the_models() -> None:
    scores = np.random.default_rng(2).choice([-1.0, 0.0, 1.0], 80)
    one, other = _difference(scores), _difference(-scores)
    assert one.value == -other.value
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert p_value(one) == p_value(other)
    assert p_drop(one) + p_drop(other) == pytest.approx(1.0)


def test_false_positives_are_as_many_as_the_level_says() -> None:
    rng = np.random.default_rng(4)
    found = [p_value(_difference(rng.choice([-1.0, 0.0, 1.0], 80, p=[0.2, 0.6, 0.2]))) < 0.05 for _ in range(1000)]
    assert 0.03 <= np.mean(found) <= 0.065


def test_holm_on_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_holm_keeps_order_and_lies_between(given_p: list[float]) -> None:
    corrected = holm(given_p)
    for p, fixed in zip(given_p, corrected, strict=True):
        assert p <= fixed <= min(1.0, p * len(given_p)) or fixed == max(corrected[given_p.index(p)], fixed)
        assert 0 <= fixed <= 1
    order = sorted(range(len(given_p)), key=given_p.__getitem__)
    assert [corrected[i] for i in order] == sorted(corrected)
    assert holm(given_p[::-1]) == pytest.approx(corrected[::-1])


def test_detectable_in_closed_form_and_in_simulation() -> None:
    rng = np.random.default_rng(6)
    pilot = _difference(rng.normal(0, 0.4, 900))
    delta = detectable(pilot)
    assert delta is not None
    z = NormalDist().inv_cdf
    assert delta == pytest.approx((z(0.975) + z(0.8)) * 0.4 / 30, rel=0.06)
    found = [p_value(_difference(rng.normal(delta, 0.4, 900))) < 0.05 for _ in range(400)]
    assert 0.74 <= np.mean(found) <= 0.87
    assert detectable(_difference(np.zeros(10))) is None
    assert detectable(_difference(np.ones(1))) is None
