"""Greedy free answers, batched with padding on the left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from polysee.inference.encoder import Prompt
from polysee.inference.features import Features, embed


@torch.inference_mode()
def greedy(
    model: Any,
    prompts: Sequence[Prompt],
    features: Features,
    *,
    image_token_id: int,
    end_id: int,
    max_new_tokens: int,
    batch: int,
) -> list[tuple[int, ...]]:
    """The likeliest next token again and again, until ``end_id`` (left out of the answer) or ``max_new_tokens``.

    Answers stand in the order of ``prompts``. Prompts of similar length share a batch; the plan depends on the
    prompts alone, so equal input gives equal answers. Raises `ValueError` for an empty prompt.
    """
    if not all(prompt.ids for prompt in prompts):
        raise ValueError("a prompt has no tokens")
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index].ids), index))
    answers: list[tuple[int, ...]] = [()] * len(prompts)
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        rows = [prompts[index] for index in chosen]
        ids, mask = _pad(rows, model.device)
        embeddings = embed(model, ids, [row.media for row in rows], features, image_token_id)
        steps = _continue(model, embeddings, mask, end_id, max_new_tokens)
        for index, tokens in zip(chosen, steps, strict=True):
            answers[index] = tuple(tokens[: tokens.index(end_id)] if end_id in tokens else tokens)
    return answers


def _pad(rows: Sequence[Prompt], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, length) ids and 0/1 mask; padding stands on the left so that every row's answer starts at one column."""
    length = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), length), dtype=torch.long)
    mask = torch.zeros((len(rows), length), dtype=torch.long)
    for r, row in enumerate(rows):
        ids[r, length - len(row.ids) :] = torch.tensor(row.ids)
        mask[r, length - len(row.ids) :] = 1
    return ids.to(device), mask.to(device)


def _continue(
    model: Any, embeddings: torch.Tensor, mask: torch.Tensor, end_id: int, max_new_tokens: int
) -> list[list[int]]:
    """New ids of each row; what follows a row's end token is to be ignored."""
    cache = DynamicCache(config=model.config.get_text_config())
    # Left to itself the model would count the padding as positions.
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    ended = torch.zeros(len(mask), dtype=torch.bool, device=mask.device)
    columns: list[torch.Tensor] = []
    for step in range(max_new_tokens):
        logits = model(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        column = logits.argmax(-1)
        columns.append(column)
        ended |= column == end_id
        if step + 1 == max_new_tokens or bool(ended.all()):
            break
        embeddings = model.get_input_embeddings()(column[:, None])
        mask = torch.cat([mask, mask.new_ones((len(mask), 1))], 1)
        positions = positions[:, -1:] + 1
    return [[int(token) for token in row] for row in torch.stack(columns, 1).tolist()]
