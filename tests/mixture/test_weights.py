"""Repeat factors and language weights."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.mixture.weights import language_weights, repeat_counts
from polysee.schema.errors import UserError


@given(st.integers(0, 400), st.floats(0.01, 4.0), st.integers())
def test_each_sample_is_there_floor_r_times_and_the_total_is_right(n: int, factor: float, seed: int) -> None:
    counts = repeat_counts(n, factor, seed=seed, name="تسمية")
    assert counts.shape == (n,)
    assert counts.dtype == np.int64
    assert set(counts.tolist()) <= {math.floor(factor), math.floor(factor) + 1}
    assert abs(counts.sum() - factor * n) <= 0.5 + 1e-6


def test_the_subset_is_seeded_named_and_stable() -> None:
    counts = repeat_counts(12, 0.5, seed=7, name="llava")
    assert counts.tolist() == [1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 0]  # the same on every machine and for ever
    assert counts.tolist() != repeat_counts(12, 0.5, seed=8, name="llava").tolist()
    assert counts.tolist() != repeat_counts(12, 0.5, seed=7, name="m3it").tolist()


@given(st.permutations([f"{number:04x}" for number in range(40)]))
def test_with_ids_the_order_of_rows_plays_no_part(ids: list[str]) -> None:
    def chosen(order: list[str]) -> set[str]:
        counts = repeat_counts(len(order), 1.3, seed=1, name="x", ids=order)
        return {name for name, count in zip(order, counts, strict=True) if count == 2}

    assert chosen(ids) == chosen(sorted(ids))
    assert len(chosen(ids)) == 12


@pytest.mark.parametrize("factor", [0.0, -1.0, 4.0001, math.nan, math.inf])
def test_factors_out_of_range_are_refused(factor: float) -> None:
    with pytest.raises(UserError, match=r"repeat factor .* of 'ocr' is out of range"):
        repeat_counts(3, factor, seed=0, name="ocr")


def test_lengths_must_match() -> None:
    with pytest.raises(ValueError, match="n is 3 but there are 1 ids"):
        repeat_counts(3, 1.0, seed=0, name="x", ids=["a"])
    with pytest.raises(ValueError, match="n is -1"):
        repeat_counts(-1, 1.0, seed=0, name="x")


def test_temperature_evens_the_languages_out() -> None:
    shares = {"en": 900.0, "አማ": 100.0, "th": 0.0}
    assert language_weights(shares, 1.0) == pytest.approx({"en": 0.9, "አማ": 0.1, "th": 0.0})
    assert language_weights(shares, 2.0) == pytest.approx({"en": 0.75, "አማ": 0.25, "th": 0.0})
    assert language_weights(shares, 100.0)["አማ"] == pytest.approx(0.5, abs=0.01)
    assert language_weights({"en": 1e9, "sw": 1.0}, 0.01) == pytest.approx({"en": 1.0, "sw": 0.0})


@given(st.dictionaries(st.text(), st.floats(1e-6, 1e9), min_size=1), st.floats(0.1, 100))
def test_weights_sum_to_one_and_keep_the_order(shares: dict[str, float], temperature: float) -> None:
    weights = language_weights(shares, temperature)
    assert math.fsum(weights.values()) == pytest.approx(1.0)
    assert list(weights) == list(shares)
    ranked = sorted(shares, key=shares.__getitem__)
    assert all(weights[a] <= weights[b] for a, b in pairwise(ranked))


@pytest.mark.parametrize(
    ("shares", "temperature", "message"),
    [
        ({"en": 1.0}, 0.0, "temperature"),
        ({"en": 1.0}, math.inf, "temperature"),
        ({"en": -1.0}, 1.0, "share of 'en'"),
        ({"en": math.nan}, 1.0, "share of 'en'"),
        ({"en": 0.0}, 1.0, "no language"),
        ({}, 1.0, "no language"),
    ],
)
def test_bad_weights_are_refused(shares: dict[str, float], temperature: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        language_weights(shares, temperature)
