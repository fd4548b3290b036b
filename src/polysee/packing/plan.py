"""Which samples share a pack: planned on counts of tokens and tiles alone, before any text or pixel is read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from polysee.schema.errors import MissingExtra

_LARGEST = 2**31 - 2


def plan_packs(
    tokens: Sequence[int] | npt.NDArray[np.integer[Any]],
    tiles: Sequence[int] | npt.NDArray[np.integer[Any]],
    *,
    max_tokens: int,
    max_tiles: int,
    lookahead: int = 512,
) -> list[npt.NDArray[np.int64]]:
    """Partition samples into packs that keep within a budget of tokens and one of image tiles.

    A stream with a window: packs are filled one after the other out of the ``lookahead`` oldest samples that are left.
    The oldest one opens a pack; the rest are taken in order while there is room, and the last few are searched for
    (two-dimensional best fit: the sample that leaves the smallest remainder, each budget weighed by how scarce it is
    in the window). So the order is roughly kept: a sample waits for at most ``lookahead`` packs. The result depends on
    the arguments alone, on every machine.

    Args:
        tokens: tokens per sample, image tokens included; shape (n,), each 1 to ``max_tokens``.
        tiles: image tiles per sample; shape (n,), each 0 to ``max_tiles``.
        max_tokens: tokens in a pack, at least 1. max_tiles: tiles in a pack; 0 where no sample has an image.
        lookahead: samples in the window, at least 1. A larger one packs tighter and keeps the order less.

    Returns: one int64 array of ascending rows a pack; together they hold every row from 0 to n - 1 exactly once.

    Raises: ValueError for inputs out of these ranges, naming the first row that is; MissingExtra without numba.
    """
    _check_budget("max_tokens", max_tokens, 1)
    _check_budget("max_tiles", max_tiles, 0)
    _check_budget("lookahead", lookahead, 1)
    token_counts = _counts("tokens", tokens, least=1, budget=max_tokens)
    tile_counts = _counts("tiles", tiles, least=0, budget=max_tiles)
    if token_counts.size != tile_counts.size:
        raise ValueError(f"tokens has {token_counts.size} items but tiles has {tile_counts.size}")
    if token_counts.size == 0:
        return []
    try:
        from polysee.packing.kernel import pack_stream
    except ModuleNotFoundError as error:
        if error.name not in ("numba", "llvmlite"):
            raise
        raise MissingExtra("numba", "train") from error
    # A tile budget of 0 has only samples without tiles: any positive one plans the same and spares a division by 0.
    order, ends = pack_stream(token_counts, tile_counts, int(max_tokens), max(int(max_tiles), 1), int(lookahead))
    bounds = [0, *ends.tolist()]
    return [order[start:end] for start, end in pairwise(bounds)]


def _check_budget(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    if not least <= value <= _LARGEST:
        raise ValueError(f"{name} must lie between {least} and {_LARGEST}, not {value}")


def _counts(name: str, values: Any, *, least: int, budget: int) -> npt.NDArray[np.int32]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    if array.size == 0:
        return np.empty(0, np.int32)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers, not {array.dtype}")
    low, high = array < least, array > budget
    if low.any():
        row = int(low.argmax())
        raise ValueError(f"item {row}: {name} is {array[row]}, must be at least {least}")
    if high.any():
        row = int(high.argmax())
        raise ValueError(f"item {row}: {name} is {array[row]}, over the budget of {budget}")
    return array.astype(np.int32)
