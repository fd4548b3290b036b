"""The plan of a stage: full steps, budgets kept, and nothing but the samples decides it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.packing.epoch import PLAN_SCHEMA, Budget, Pool, plan_stage
from polysee.schema.errors import UserError

BUDGET = Budget(steps=6, packs_per_step=4, max_tokens=100, max_tiles=5)
LANGUAGES = ("ar", "zh", "th", "hi", "am")


def pool(count: int = 60, seed: int = 0) -> Pool:
    rng = np.random.default_rng(seed)
    return Pool(
        ids=[f"{seed}-{i:03}" for i in range(count)],
        languages=[LANGUAGES[int(i)] for i in rng.integers(0, len(LANGUAGES), count)],
        tokens=rng.integers(5, 60, count),
        tiles=rng.integers(0, 4, count),
        repeats=rng.integers(0, 3, count),
    )


def shuffled(given_pool: Pool, order: np.ndarray[Any, Any]) -> Pool:
    return Pool(
        [given_pool.ids[i] for i in order],
        [given_pool.languages[i] for i in order],
        given_pool.tokens[order],
        given_pool.tiles[order],
        given_pool.repeats[order],
    )


def plan(given_pool: Pool, budget: Budget = BUDGET, *, temperature: float = 1.0, seed: int = 1) -> pa.Table:
    return plan_stage(given_pool, budget, temperature=temperature, seed=seed, hidden=192)


def packs_of(table: pa.Table) -> dict[int, list[dict[str, Any]]]:
    packs: dict[int, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        packs.setdefault(row["pack"], []).append(row)
    return packs


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 5), st.integers(60, 300), st.integers(3, 12))
def test_any_plan_fills_its_steps_within_the_budgets(
    seed: int, steps: int, packs_per_step: int, max_tokens: int, max_tiles: int
) -> None:
    made = pool(seed=seed)
    budget = Budget(steps, packs_per_step, max_tokens, max_tiles)
    table = plan(made, budget, seed=seed)
    assert table.schema.remove_metadata() == PLAN_SCHEMA
    assert table.schema.metadata == {b"max_tokens": b"%d" % max_tokens, b"max_tiles": b"%d" % max_tiles}
    packs = packs_of(table)
    assert list(packs) == list(range(steps * packs_per_step))
    number = {name: row for row, name in enumerate(made.ids)}
    for pack, rows in packs.items():
        assert [row["row"] for row in rows] == list(range(len(rows)))
        assert {row["step"] for row in rows} == {pack // packs_per_step}
        assert sum(row["tokens"] for row in rows) <= max_tokens
        assert sum(row["tiles"] for row in rows) <= max_tiles
        for row in rows:
            at = number[row["sample"]]
            assert (row["tokens"], row["tiles"]) == (made.tokens[at], made.tiles[at])
            assert made.repeats[at] > 0


def test_packs_are_well_filled() -> None:
    table = plan(pool(400), Budget(20, 4, 200, 12))
    tokens = sum(table.column("tokens").to_pylist()) / (80 * 200)
    tiles = sum(table.column("tiles").to_pylist()) / (80 * 12)
    assert max(tokens, tiles) > 0.95


def test_shares_follow_repeats_and_temperature() -> None:
    made = Pool(
        ids=[f"{i:02}" for i in range(40)],
        languages=["ar"] * 32 + ["zh"] * 8,
        tokens=np.full(40, 10),
        tiles=np.zeros(40, np.int64),
        repeats=np.array([0] * 4 + [1] * 20 + [2] * 8 + [1] * 8),
    )
    budget = Budget(44, 1, 100, 1)
    often = Counter(plan(made, budget).column("sample").to_pylist())
    assert not {"00", "01", "02", "03"} & set(often)
    assert all(8 <= often[f"{i:02}"] <= 12 for i in range(4, 24))
    assert all(18 <= often[f"{i:02}"] <= 22 for i in range(24, 32))
    even = Counter(plan(made, budget, temperature=1e6).column("sample").to_pylist())
    share = sum(n for name, n in even.items() if int(name) >= 32) / sum(even.values())
    assert share == pytest.approx(0.5, abs=0.03)


def test_steps_cost_alike() -> None:
    table = plan(pool(400, seed=5), Budget(16, 4, 200, 40))
    cost: Counter[int] = Counter()
    for row in table.to_pylist():
        cost[row["step"]] += row["tokens"] + row["tokens"] ** 2 / (12 * 192) + 64 * row["tiles"]
    assert max(cost.values()) < 1.1 * min(cost.values())


def test_a_plan_is_decided_by_pool_and_seed() -> None:
    table = plan(pool())
    assert plan(pool()).equals(table)
    assert not plan(pool(), seed=2).equals(table)
    assert not plan(pool(seed=3)).equals(table)
    # More steps of the same stage, or more packs a step, are further draws and not an error.
    assert len(set(plan(pool(), replace(BUDGET, steps=60)).column("step").to_pylist())) == 60


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_the_order_of_rows_plays_no_part(seed: int) -> None:
    made = pool(seed=seed)
    order = np.random.default_rng(seed).permutation(len(made.ids))
    assert plan(shuffled(made, order)).equals(plan(made))


def test_the_order_of_rows_plays_no_part_where_a_sum_of_floats_would_round() -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        count = 40
        tokens = rng.integers(1, 50, count)
        # Draws that come out whole: the last digit of a mean would decide whether one more is drawn.
        tokens[0] += -int(tokens.sum()) % 51 or 51
        tokens = np.minimum(tokens, 102)
        made = Pool([str(i) for i in range(count)], ["ar", "zh"] * 20, tokens, tokens * 0, np.ones(count, np.int64))
        budget = Budget(10 * int(tokens.sum()) // 51, 1, 102 * 4, 1)
        order = rng.permutation(count)
        assert plan(shuffled(made, order), budget).equals(plan(made, budget))


@pytest.mark.parametrize(
    ("tokens", "tiles", "cause", "fix"),
    [
        (101, 1, "0-007 has 101 tokens, 1 over the 100", "raise the stage's max_tokens to 101, or"),
        (10, 6, "0-007 has 6 tiles, 1 over the 5", "raise the stage's max_tiles to 6, or"),
        (
            1300,
            9,
            "0-007 has 1,300 tokens, 1,200 over the 100; 0-007 has 9 tiles, 4 over the 5",
            "1300 and max_tiles to 9",
        ),
    ],
)
def test_a_sample_that_fits_no_pack(tokens: int, tiles: int, cause: str, fix: str) -> None:
    made = pool()
    made.tokens[7], made.tiles[7], made.repeats[7] = tokens, tiles, 1
    # The largest of all, but never drawn.
    made.tokens[8], made.tiles[8], made.repeats[8] = 9999, 99, 0
    with pytest.raises(UserError) as error:
        plan_stage(made, BUDGET, temperature=1.0, seed=3, hidden=192, stage="full")
    assert error.value.cause == f"1 sample fits no pack of the stage 'full'; {cause}"
    assert fix in error.value.fix
    made.tokens[9], made.repeats[9] = 150, 1
    with pytest.raises(UserError, match="2 samples fit no pack of the stage"):
        plan(made)
    made.repeats[9] = 0
    # One that is never drawn needs no room.
    made.repeats[7] = 0
    assert "0-007" not in plan(made).column("sample").to_pylist()


def test_the_largest_samples_that_fit() -> None:
    made = pool()
    made.tokens[:] = 100
    made.tiles[:] = 5
    assert {len(rows) for rows in packs_of(plan(made)).values()} == {1}


@pytest.mark.parametrize("repeats", [0, None])
def test_nothing_to_draw_from(repeats: int | None) -> None:
    made = pool(0) if repeats is None else replace(pool(), repeats=np.zeros(60, np.int64))
    with pytest.raises(UserError, match="no kept training sample is left for this stage"):
        plan(made)
