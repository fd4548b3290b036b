"""Token weights."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.training.losses import response_weights


@given(st.lists(st.integers(1, 10**6), max_size=20))
def test_token_sample_and_square_averaging(lengths: list[int]) -> None:
    assert response_weights(lengths, exponent=0).tolist() == [1.0] * len(lengths)
    totals = response_weights(lengths, exponent=1.0) * np.array(lengths)
    assert totals == pytest.approx(np.ones(len(lengths)))  # each response counts alike
    square = response_weights(lengths, exponent=0.5)
    assert square == pytest.approx(np.array([1 / math.sqrt(length) for length in lengths]))
    assert square.dtype == np.float64


def test_the_shape_is_kept() -> None:
    assert response_weights([4, 16], exponent=0.5).tolist() == [0.5, 0.25]
    assert response_weights(np.array([[4], [16]], np.int32), exponent=0.5).shape == (2, 1)
    assert response_weights([], exponent=0.5).shape == (0,)


@pytest.mark.parametrize("bad", [0, -3, math.nan, math.inf])
def test_a_length_below_one_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="item 1: a response has at least one token"):
        response_weights(np.array([5, bad, 2]), exponent=0.5)


@pytest.mark.parametrize("exponent", [-0.5, math.nan, math.inf])
def test_a_bad_exponent_is_refused(exponent: float) -> None:
    with pytest.raises(ValueError, match="exponent"):
        response_weights([5], exponent=exponent)


def test_no_torch_is_imported() -> None:
    code = (
        "import sys; from polysee.training.losses import response_weights\n"
        "response_weights([1], exponent=0.5)\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
