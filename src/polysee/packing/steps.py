"""Which packs share a global step, and which rank computes which of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from polysee.mixture.keys import mix64, text_key

Costs = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CostModel:
    """The cost of a pack in units of one token's linear work (all matrix products of the language model).

    ``attention``: cost of one pair of tokens of one sample. A decoder layer spends about 24 h² operations on a token's
    matrices and 2 h on each causal pair (h: hidden size), so 1 / (12 h) is a good value. ``tile``: cost of encoding one
    image tile; its tokens in the language model are counted as tokens already.
    """

    attention: float
    tile: float

    def __post_init__(self) -> None:
        if not (self.attention >= 0 and self.tile >= 0):
            raise ValueError(f"costs must not be negative: {self}")


def pack_cost(
    packs: Sequence[Rows],
    tokens: npt.NDArray[np.integer[Any]],
    tiles: npt.NDArray[np.integer[Any]],
    model: CostModel,
) -> Costs:
    """Cost of each pack; shape (packs,), in units of a token.

    Samples of a pack do not see each other, so attention costs the sum of the squares, not the square of the sum.
    ``packs`` are row indices into ``tokens`` and ``tiles`` of shape (n,). Raises ValueError for an empty pack.
    """
    if not packs:
        return np.empty(0)
    sizes = np.array([len(pack) for pack in packs])
    if (sizes == 0).any():
        raise ValueError(f"pack {int((sizes == 0).argmax())} is empty")
    length = np.asarray(tokens, np.float64)
    each = length + model.attention * length**2 + model.tile * np.asarray(tiles, np.float64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    total: Costs = np.add.reduceat(each[np.concatenate(packs)], starts)
    return total


def balance(packs_cost: npt.ArrayLike, packs_per_step: int, *, seed: int, window: int = 64) -> Rows:
    """Group packs into steps of G packs whose totals are nearly equal; shape (steps, G), each pack exactly once.

    Packs move only inside windows of ``window`` steps, so that the planned order is roughly kept. Inside a window
    they are sorted by cost and dealt out in rounds, the heaviest of a round to the lightest step (the longest-
    processing-time rule with equal counts); then a seeded shuffle orders the steps. Each step so gets heavy and light
    packs alike, and no step is all long texts or all pictures. The world size plays no part: see ``assign``.

    Raises ValueError unless the packs, shape (packs,), fill whole steps: the caller decides what to leave out.
    """
    costs = _costs(packs_cost)
    if packs_per_step < 1 or window < 1:
        raise ValueError(f"packs_per_step and window must be at least 1, not {packs_per_step} and {window}")
    if costs.size % packs_per_step:
        raise ValueError(f"{costs.size} packs do not fill whole steps of {packs_per_step}")
    blocks = []
    for start in range(0, costs.size, window * packs_per_step):
        block = costs[start : start + window * packs_per_step]
        steps = _deal(block, block.size // packs_per_step)
        keys = mix64(np.arange(len(steps), dtype=np.uint64) ^ text_key(f"steps {seed} {start}"))
        blocks.append(steps[np.argsort(keys, kind="stable")] + start)
    return np.concatenate(blocks) if blocks else np.empty((0, packs_per_step), np.int64)


def assign(step_costs: npt.ArrayLike, world_size: int) -> Rows:
    """Which packs of one step each rank computes; shape (world_size, G / world_size), positions within the step.

    Every rank gets equally many packs and nearly equal cost. ``step_costs`` has shape (G,). Raises ValueError unless
    ``world_size`` divides G.
    """
    costs = _costs(step_costs)
    if world_size < 1 or costs.size % world_size:
        raise ValueError(f"{costs.size} packs a step cannot be shared equally by {world_size} ranks")
    return _deal(costs, world_size)


def _costs(values: npt.ArrayLike) -> Costs:
    costs = np.asarray(values, np.float64)
    if costs.ndim != 1:
        raise ValueError(f"costs must have one dimension, not {costs.ndim}")
    if not (np.isfinite(costs) & (costs >= 0)).all():
        raise ValueError("costs must be finite and not negative")
    return costs


def _deal(costs: Costs, groups: int) -> Rows:
    """Deal items to ``groups`` of equal size, (groups, items / groups), heaviest first to whoever has least."""
    rounds = np.argsort(-costs, kind="stable").reshape(-1, groups)
    dealt = np.empty((groups, len(rounds)), np.int64)
    totals = np.zeros(groups)
    for number, items in enumerate(rounds):
        receivers = np.argsort(totals, kind="stable")
        dealt[receivers, number] = items
        totals[receivers] += costs[items]
    return dealt
