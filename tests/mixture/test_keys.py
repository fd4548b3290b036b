"""Stable keys: published values, no collisions among neighbours, even spread."""

from __future__ import annotations

import numpy as np

from polysee.mixture.keys import mix64, text_key, text_keys, unit


def test_mix64_gives_the_published_stream() -> None:
    # First outputs of splitmix64 from state 0, as in the reference implementation.
    golden = np.uint64(0x9E3779B97F4A7C15)
    states = np.arange(3, dtype=np.uint64) * golden
    assert [hex(value) for value in mix64(states)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x6c45d188009454f"]


def test_text_keys_differ_for_texts_that_differ() -> None:
    texts = ["", "a", "b", "ا", "አ", "ก", "字", "字 "]
    keys = text_keys(texts)
    assert keys.shape == (8,)
    assert len(set(keys.tolist())) == 8
    assert text_key("አ")[0] == keys[4]
    assert text_keys([]).shape == (0,)


def test_unit_is_even() -> None:
    numbers = unit(mix64(np.arange(100_000, dtype=np.uint64)))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(np.histogram(numbers, 10, (0, 1))[0] - 10_000).max() < 500
