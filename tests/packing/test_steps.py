"""Steps: every pack once, totals nearly equal; ranks: equal counts, nearly equal cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.packing import CostModel, assign, balance, pack_cost


@given(st.integers(1, 6), st.integers(0, 40), st.integers(1, 9), st.integers(-5, 5), st.randoms(use_true_random=False))
def test_each_pack_is_in_one_step_near_its_place(per_step: int, steps: int, window: int, seed: int, random) -> None:  # type: ignore[no-untyped-def]
    costs = np.array([random.choice([1.0, 1.0, random.random() * 9]) for _ in range(per_step * steps)])
    grouped = balance(costs, per_step, seed=seed, window=window)
    assert grouped.shape == (steps, per_step)
    assert sorted(grouped.reshape(-1).tolist()) == list(range(per_step * steps))
    for number, step in enumerate(grouped):
        assert set(step // per_step // window) == {number // window}
    assert np.array_equal(grouped, balance(costs, per_step, seed=seed, window=window))


def test_totals_are_far_more_even_than_in_the_given_order() -> None:
    costs = np.random.default_rng(3).lognormal(0.0, 0.3, 256 * 4)
    totals = costs[balance(costs, 4, seed=1)].sum(1)
    assert totals.std() < 0.2 * costs.reshape(-1, 4).sum(1).std()


def test_the_seed_orders_the_steps_and_nothing_else() -> None:
    costs = np.random.default_rng(3).random(60)
    one, other = balance(costs, 3, seed=1), balance(costs, 3, seed=2)
    assert not np.array_equal(one, other)
    assert {tuple(step) for step in one.tolist()} == {tuple(step) for step in other.tolist()}


def test_packs_that_fill_no_step_are_the_callers_to_leave_out() -> None:
    with pytest.raises(ValueError, match="7 packs do not fill whole steps of 3"):
        balance(np.ones(7), 3, seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        balance(np.ones(7), 0, seed=0)
    with pytest.raises(ValueError, match="finite"):
        balance(np.array([1.0, np.nan]), 2, seed=0)
    with pytest.raises(ValueError, match="one dimension"):
        balance(np.ones((2, 2)), 2, seed=0)


@given(st.sampled_from([(8, 1), (8, 2), (8, 4), (8, 8), (6, 3)]), st.integers(0, 1000))
def test_ranks_share_a_step_whatever_their_number(sizes: tuple[int, int], seed: int) -> None:
    packs, world_size = sizes
    costs = np.random.default_rng(seed).random(packs)
    shared = assign(costs, world_size)
    assert shared.shape == (world_size, packs // world_size)
    assert sorted(shared.reshape(-1).tolist()) == list(range(packs))
    loads = costs[shared].sum(1)
    assert loads.max() - loads.min() <= costs.max() + 1e-12


def test_ranks_that_do_not_divide_a_step_are_refused() -> None:
    assert assign([9.0, 1.0, 8.0, 2.0], 2).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="8 packs a step cannot be shared equally by 3 ranks"):
        assign(np.ones(8), 3)


def test_cost_counts_attention_by_sample() -> None:
    tokens, tiles = np.array([10, 20, 30]), np.array([0, 1, 2])
    packs = [np.array([0, 1]), np.array([2])]
    costs = pack_cost(packs, tokens, tiles, CostModel(attention=0.5, tile=7.0))
    assert costs.tolist() == [30 + 0.5 * (100 + 400) + 7, 30 + 0.5 * 900 + 14]
    assert pack_cost([], tokens, tiles, CostModel(attention=0.0, tile=0.0)).size == 0
    with pytest.raises(ValueError, match="pack 1 is empty"):
        pack_cost([packs[0], np.array([], np.int64), packs[1]], tokens, tiles, CostModel(attention=0.0, tile=0.0))
    with pytest.raises(ValueError, match="negative"):
        CostModel(attention=-1.0, tile=0.0)
