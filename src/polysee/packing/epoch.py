"""The plan of a stage: which samples share a pack and which packs share a step, on metadata alone.

The plan is a table. A loader only materialises row *k* of it, so a run resumes from an integer, and the world size
decides nothing but who computes what.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from polysee.mixture.order import epoch_order
from polysee.packing import plan_packs
from polysee.packing.steps import CostModel, balance, pack_cost
from polysee.schema.errors import UserError

PLAN_SCHEMA = pa.schema(
    [
        pa.field("step", pa.int32(), nullable=False),
        pa.field("pack", pa.int32(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("sample", pa.string(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("tiles", pa.int16(), nullable=False),
    ]
)
"""``pack`` counts over the whole stage, ``row`` within the pack."""


@dataclass(frozen=True, slots=True)
class Pool:
    """What a stage may draw from; arrays of shape (n,). ``repeats``: how often an epoch holds each sample."""

    ids: Sequence[str]
    languages: Sequence[str]
    tokens: NDArray[np.int64]
    tiles: NDArray[np.int64]
    repeats: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Budget:
    """``steps`` of ``packs_per_step`` packs, each of at most ``max_tokens`` and ``max_tiles``."""

    steps: int
    packs_per_step: int
    max_tokens: int
    max_tiles: int

    @property
    def packs(self) -> int:
        return self.steps * self.packs_per_step


def plan_stage(pool: Pool, budget: Budget, *, temperature: float, seed: int, hidden: int, stage: str = "") -> pa.Table:
    """Draw, pack and balance as many samples as the stage's steps hold; rows of `PLAN_SCHEMA`.

    ``hidden``: the decoder's width, for the cost of attention. ``stage``: its name, for messages. Raises `UserError` if
    a sample fits no pack, or if there is nothing to draw from.
    """
    if not len(pool.ids) or not pool.repeats.any():
        raise UserError("no kept training sample is left for this stage", "look at the funnel: `polysee report`")
    _check(pool, budget, stage)
    # Whole numbers: a sum of fractions depends on the order of the rows in its last digit, and so would the plan.
    tokens, tiles, drawn = (int(n) for n in (pool.tokens @ pool.repeats, pool.tiles @ pool.repeats, pool.repeats.sum()))
    share = max(tokens / (drawn * budget.max_tokens), tiles / (drawn * budget.max_tiles))
    count = math.ceil(budget.packs / share * 1.02) + 2
    while True:
        order = epoch_order(pool.ids, pool.languages, pool.repeats, temperature=temperature, count=count, seed=seed)
        packs = plan_packs(
            pool.tokens[order], pool.tiles[order], max_tokens=budget.max_tokens, max_tiles=budget.max_tiles
        )
        if len(packs) >= budget.packs:
            break
        count = math.ceil(count * 1.1) + 2
    chosen = [order[pack] for pack in packs[: budget.packs]]
    model = CostModel(attention=1 / (12 * hidden), tile=64.0)
    costs = pack_cost(chosen, pool.tokens, pool.tiles, model)
    return _table([chosen[i] for i in balance(costs, budget.packs_per_step, seed=seed).ravel()], pool, budget)


def _check(pool: Pool, budget: Budget, stage: str) -> None:
    over = {"tokens": pool.tokens - budget.max_tokens, "tiles": pool.tiles - budget.max_tiles}
    drawn = pool.repeats > 0
    count = int((drawn & ((over["tokens"] > 0) | (over["tiles"] > 0))).sum())
    if not count:
        return
    causes, fixes = [], []
    for unit, excess in over.items():
        worst = int(np.where(drawn, excess, -1).argmax())
        if drawn[worst] and excess[worst] > 0:
            most = getattr(budget, f"max_{unit}")
            causes.append(f"{pool.ids[worst]} has {most + excess[worst]:,} {unit}, {excess[worst]:,} over the {most:,}")
            fixes.append(f"max_{unit} to {most + excess[worst]}")
    raise UserError(
        f"{count:,} sample{'s fit' if count > 1 else ' fits'} no pack of the stage {stage!r}; {'; '.join(causes)}",
        f"raise the stage's {' and '.join(fixes)}, or select such samples away",
    )


def _table(packs: Sequence[NDArray[np.int64]], pool: Pool, budget: Budget) -> pa.Table:
    sizes = np.array([len(pack) for pack in packs])
    rows = np.concatenate(packs)
    numbers = np.repeat(np.arange(len(packs)), sizes)
    columns = [
        pa.array(numbers // budget.packs_per_step, pa.int32()),
        pa.array(numbers, pa.int32()),
        pa.array(np.concatenate([np.arange(size) for size in sizes]), pa.int32()),
        pa.array([pool.ids[i] for i in rows], pa.string()),
        pa.array(pool.tokens[rows], pa.int32()),
        pa.array(pool.tiles[rows], pa.int16()),
    ]
    metadata = {"max_tokens": str(budget.max_tokens), "max_tiles": str(budget.max_tiles)}
    return pa.Table.from_arrays(columns, schema=PLAN_SCHEMA.with_metadata(metadata))
