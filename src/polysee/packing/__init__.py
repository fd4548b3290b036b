"""Packs: which samples share one sequence, and which packs share one step."""

from polysee.packing.plan import plan_packs
from polysee.packing.steps import CostModel, assign, balance, pack_cost

__all__ = ["CostModel", "assign", "balance", "pack_cost", "plan_packs"]
