"""The order of samples: by temperature, in cycles, and independent of how the rows lie."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.mixture.order import apportion, epoch_order

LANGUAGES = ["en", "ar", "zh-Hant", "hi"]


def _store(sizes: dict[str, int]) -> tuple[list[str], list[str]]:
    ids = [f"{language}-{number}" for language, size in sizes.items() for number in range(size)]
    return ids, [name.rsplit("-", 1)[0] for name in ids]


@st.composite
def stores(draw: st.DrawFn) -> tuple[list[str], list[str], list[int]]:
    ids = draw(st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=40))
    languages = [draw(st.sampled_from(LANGUAGES)) for _ in ids]
    repeats = [draw(st.integers(0, 4)) for _ in ids]
    repeats[0] = max(repeats[0], 1)
    return ids, languages, repeats


@given(stores(), st.randoms(use_true_random=False), st.integers(0, 200), st.floats(1.0, 8.0))
def test_rows_in_another_order_give_the_same_samples(store, random, count: int, temperature: float) -> None:  # type: ignore[no-untyped-def]
    ids, languages, repeats = store
    settings = {"temperature": temperature, "count": count, "seed": 3}
    rows = epoch_order(ids, languages, np.array(repeats), **settings)
    assert rows.shape == (count,)
    assert rows.dtype == np.int64
    assert all(repeats[row] > 0 for row in rows)
    mixed = list(range(len(ids)))
    random.shuffle(mixed)
    other = epoch_order([ids[i] for i in mixed], [languages[i] for i in mixed], np.array(repeats)[mixed], **settings)
    assert [ids[row] for row in rows] == [ids[mixed[row]] for row in other]


@given(stores())
def test_at_temperature_one_an_epoch_holds_each_sample_as_often_as_it_repeats(store) -> None:  # type: ignore[no-untyped-def]
    ids, languages, repeats = store
    rows = epoch_order(ids, languages, np.array(repeats), temperature=1.0, count=sum(repeats), seed=0)
    assert [Counter(rows.tolist())[row] for row in range(len(ids))] == repeats


def test_temperature_sets_the_languages_and_cycles_use_every_sample() -> None:
    ids, languages = _store({"en": 900, "am": 100})
    rows = epoch_order(ids, languages, np.ones(1000, np.int64), temperature=2.0, count=1000, seed=0)
    drawn = Counter(languages[row] for row in rows)
    assert drawn == {"en": 750, "am": 250}  # 900 ** 0.5 : 100 ** 0.5
    times = Counter(rows.tolist())
    assert {times[row] for row in range(900)} == {0, 1}
    assert {times[row] for row in range(900, 1000)} == {2, 3}
    swahili = [row for row in rows.tolist() if row >= 900]
    assert len(set(swahili[:100])) == len(set(swahili[100:200])) == 100
    assert swahili[:100] != swahili[100:200]


def test_every_part_of_the_order_mixes_the_languages_alike() -> None:
    ids, languages = _store({"en": 800, "th": 150, "sw": 50})
    rows = epoch_order(ids, languages, np.ones(1000, np.int64), temperature=1.0, count=1000, seed=0)
    for part in rows.reshape(10, 100):
        drawn = Counter(languages[row] for row in part)
        assert abs(drawn["en"] - 80) <= 2
        assert abs(drawn["th"] - 15) <= 2
        assert abs(drawn["sw"] - 5) <= 2


def test_copies_of_a_sample_lie_apart() -> None:
    ids, languages = _store({"en": 100})
    rows = epoch_order(ids, languages, np.full(100, 2), temperature=1.0, count=200, seed=0)
    assert sorted(rows[:100].tolist()) == sorted(rows[100:].tolist()) == list(range(100))


def test_seed_and_epoch_change_the_order_and_it_is_stable() -> None:
    ids, languages = _store({"ar": 6, "ja": 4})

    def order(**changes: int) -> list[int]:
        settings = {"seed": 1, "epoch": 0} | changes
        return epoch_order(ids, languages, np.ones(10, np.int64), temperature=1.0, count=10, **settings).tolist()

    assert order() == [2, 6, 4, 3, 9, 5, 7, 0, 8, 1]  # the same on every machine and for ever
    assert order(seed=2) != order()
    assert order(epoch=1) != order()


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=30), st.integers(0, 100_000))
def test_quotas_add_up_and_are_within_one(raw: list[float], count: int) -> None:
    weights = {f"l{number}": value / sum(raw) for number, value in enumerate(raw)}
    quotas = apportion(weights, count)
    assert sum(quotas.values()) == count
    assert all(abs(quotas[name] - weights[name] * count) < 1.00001 for name in weights)


def test_bad_input_is_refused() -> None:
    one = np.ones(1, np.int64)
    settings = {"temperature": 1.0, "count": 1, "seed": 0}
    with pytest.raises(ValueError, match="do not match"):
        epoch_order(["a"], ["en", "ar"], one, **settings)
    with pytest.raises(ValueError, match="'a' occurs more than once"):
        epoch_order(["a", "a"], ["en", "en"], np.ones(2, np.int64), **settings)
    with pytest.raises(ValueError, match="item 0: the repeat count is negative"):
        epoch_order(["a"], ["en"], -one, **settings)
    with pytest.raises(ValueError, match="nothing to draw from"):
        epoch_order(["a"], ["en"], 0 * one, **settings)
    with pytest.raises(ValueError, match="whole numbers"):
        epoch_order(["a"], ["en"], np.array([0.5]), **settings)
    with pytest.raises(ValueError, match="count must not be negative"):
        epoch_order(["a"], ["en"], one, temperature=1.0, count=-1, seed=0)
    assert epoch_order([], [], np.array([]), temperature=1.0, count=0, seed=0).size == 0
