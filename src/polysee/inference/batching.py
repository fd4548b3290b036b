"""Which rows are computed together: rows of similar length, as many as a number or the memory allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")

CPU_TOKENS = 8192
"""Tokens of a batch on a processor, padding counted: more keeps no core busier."""
MAX_ROWS = 512
_SHARE = 0.5
"""Of the free memory of an accelerator that one batch may fill."""
_COPIES = 12
"""Activations of a hidden state that one layer holds at once, as a bound."""


def token_budget(model: Any) -> int:
    """The most tokens of a batch, padding counted: a constant on a processor, by free memory on an accelerator."""
    device = torch.device(model.device)
    if device.type != "cuda":
        return CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(device)
    text = model.config.get_text_config()
    size = torch.empty(0, dtype=model.dtype).element_size()
    cached = 2 * text.num_hidden_layers * text.hidden_size * size
    passing = _COPIES * max(text.hidden_size, text.intermediate_size) * size
    return max(CPU_TOKENS, int(_SHARE * free / (cached + passing)))


def plan_batches(lengths: Sequence[int], batch: int | None, budget: int = CPU_TOKENS) -> list[list[int]]:
    """Indices of the rows of each batch, from short to long rows; each index once.

    ``batch``: rows of a batch; None for as many as fit into ``budget`` tokens with padding, but at least one.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    if batch is not None:
        return [order[start : start + batch] for start in range(0, len(order), batch)]
    batches: list[list[int]] = []
    for index in order:
        # Rows come by growing length: the newest is the longest of its batch.
        full = batches and (len(batches[-1]) >= MAX_ROWS or (len(batches[-1]) + 1) * lengths[index] > budget)
        if not batches or full:
            batches.append([])
        batches[-1].append(index)
    return batches


def run_batches(
    batches: Sequence[Sequence[int]], compute: Callable[[Sequence[int]], Sequence[Result]]
) -> dict[int, Result]:
    """The result of each index. A batch that an accelerator has no memory for is computed in halves."""
    results: dict[int, Result] = {}
    waiting = [list(batch) for batch in reversed(batches)]
    while waiting:
        chosen = waiting.pop()
        try:
            found = compute(chosen)
        except torch.cuda.OutOfMemoryError:
            if len(chosen) == 1:
                raise
            torch.cuda.empty_cache()
            middle = len(chosen) // 2
            waiting += [chosen[middle:], chosen[:middle]]
            continue
        results.update(zip(chosen, found, strict=True))
    return results


def tolerance(dtype: torch.dtype) -> float:
    """How far rounding may move one log probability, in nats, when other rows share its batch."""
    return 1e-4 if dtype in (torch.float32, torch.float64) else 0.05
