"""The compiled core of the packer. Imports numba: nothing but ``plan_packs`` should import this module."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

# A pack takes samples in the order they come until at most this many tenths of one budget are free. Up to there any
# sample is as good as another; only the last few decide how well the pack closes, and only they are worth a search.
_SEARCH_TENTHS = 3


def _best(
    sizes: tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]],
    scores: npt.NDArray[np.float32],
    free: tuple[int, int],
    scale: tuple[float, float],
) -> int:
    """Slot of the sample that fits and leaves the smallest weighted remainder, or -1. Ties: the lowest slot.

    Both loops are free of branches and of sums over floats, so they vectorise, and every processor rounds alike.
    """
    tokens, tiles = sizes
    free_tokens, free_tiles = np.int32(free[0]), np.int32(free[1])
    token_scale, tile_scale = np.float32(scale[0]), np.float32(scale[1])
    nothing = np.float32(np.inf)
    for slot in range(tokens.shape[0]):
        token_rest = np.float32(free_tokens - tokens[slot]) * token_scale
        tile_rest = np.float32(free_tiles - tiles[slot]) * tile_scale
        fits = (tokens[slot] <= free_tokens) & (tiles[slot] <= free_tiles)
        scores[slot] = token_rest * token_rest + tile_rest * tile_rest if fits else nothing
    least = nothing
    for slot in range(scores.shape[0]):
        least = scores[slot] if scores[slot] < least else least
    if least < nothing:
        for slot in range(scores.shape[0]):
            if scores[slot] == least:
                return slot
    return -1


# Value-preserving flags only: they let the minimum run on vectors and never change which slot wins.
_best_compiled = numba.njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})(_best)


def _pack(
    tokens: npt.NDArray[np.int32],
    tiles: npt.NDArray[np.int32],
    budgets: tuple[int, int],
    lookahead: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    count = tokens.shape[0]
    max_tokens, max_tiles = budgets
    # The window: slots without an order. An empty slot holds a size that never fits.
    width = min(lookahead, count)
    window_tokens, window_tiles = tokens[:width].copy(), tiles[:width].copy()
    window_item = np.arange(width)
    scores = np.empty(width, np.float32)
    slot_of = np.arange(count)
    taken = np.zeros(count, np.bool_)
    demand_tokens, demand_tiles = window_tokens.sum(), window_tiles.sum()
    order, ends = np.empty(count, np.int64), np.empty(count, np.int64)
    following, oldest, placed, packs, start = width, 0, 0, 0, 0
    free_tokens, free_tiles = max_tokens, max_tiles
    while placed < count:
        while taken[oldest]:
            oldest += 1
        slot = slot_of[oldest]
        roomy = 10 * free_tokens > _SEARCH_TENTHS * max_tokens and 10 * free_tiles > _SEARCH_TENTHS * max_tiles
        # The first of a pack is always the oldest, so that no sample waits longer than `lookahead` packs.
        if not (roomy and window_tokens[slot] <= free_tokens and window_tiles[slot] <= free_tiles):
            # A budget counts by how much of it the window asks for: waste of one that is plentiful costs nothing.
            most = max(demand_tokens / max_tokens, demand_tiles / max_tiles)
            scale = (demand_tokens / max_tokens / most / max_tokens, demand_tiles / max_tiles / most / max_tiles)
            slot = _best_compiled((window_tokens, window_tiles), scores, (free_tokens, free_tiles), scale)
        if slot < 0:
            order[start:placed].sort()
            ends[packs], start, packs = placed, placed, packs + 1
            free_tokens, free_tiles = max_tokens, max_tiles
            continue
        item = window_item[slot]
        order[placed], taken[item], placed = item, True, placed + 1
        free_tokens, free_tiles = free_tokens - tokens[item], free_tiles - tiles[item]
        demand_tokens, demand_tiles = demand_tokens - tokens[item], demand_tiles - tiles[item]
        if following < count:
            window_tokens[slot], window_tiles[slot] = tokens[following], tiles[following]
            window_item[slot], slot_of[following] = following, slot
            demand_tokens, demand_tiles = demand_tokens + tokens[following], demand_tiles + tiles[following]
            following += 1
        else:
            window_tokens[slot], window_tiles[slot] = max_tokens + 1, max_tiles + 1
    order[start:placed].sort()
    ends[packs] = placed
    return order, ends[: packs + 1]


_pack_compiled = numba.njit(cache=True, nogil=True)(_pack)


def pack_stream(
    tokens: npt.NDArray[np.int32], tiles: npt.NDArray[np.int32], max_tokens: int, max_tiles: int, lookahead: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pack ``n >= 1`` samples of one stream under two budgets.

    Args: ``tokens`` and ``tiles`` of shape (n,), each value within its budget; budgets of 1 to 2**31 - 2.
    Returns ``order`` (n,), a permutation of the rows, ascending inside each pack; and ``ends`` (packs,), where each
    pack ends in it.
    """
    order, ends = _pack_compiled(tokens, tiles, (max_tokens, max_tiles), lookahead)
    return order, ends
