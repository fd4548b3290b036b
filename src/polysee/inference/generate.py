"""Free answers, greedy or drawn, batched with padding on the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from polysee.inference.batching import plan_batches, run_batches, token_budget, tolerance
from polysee.inference.encoder import Prompt
from polysee.inference.features import Features, embed


@dataclass(frozen=True, slots=True)
class Drawing:
    """How an answer is drawn. ``temperature`` > 0; ``seed``: equal seeds draw equal answers in whatever batch."""

    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class Limits:
    """``end_id``: the token that ends an answer; ``max_new_tokens``: of one answer; ``batch``: rows, None by memory."""

    image_token_id: int
    end_id: int
    max_new_tokens: int
    batch: int | None


@torch.inference_mode()
def greedy(
    model: Any,
    prompts: Sequence[Prompt],
    features: Features,
    *,
    image_token_id: int,
    end_id: int,
    max_new_tokens: int,
    batch: int | None,
) -> list[tuple[int, ...]]:
    """The likeliest next token again and again, until ``end_id`` (left out of the answer) or ``max_new_tokens``.

    As `generate` without a drawing.
    """
    return generate(model, prompts, features, Limits(image_token_id, end_id, max_new_tokens, batch))


@torch.inference_mode()
def generate(
    model: Any,
    prompts: Sequence[Prompt],
    features: Features,
    limits: Limits,
    drawings: Sequence[Drawing | None] | None = None,
) -> list[tuple[int, ...]]:
    """Answers in the order of ``prompts``, without their end token; drawn where ``drawings`` says so.

    Prompts of similar length share a batch. Other rows of a batch move a row's values by rounding alone; an answer in
    which two tokens were nearer to each other than that is computed anew by itself, so that every answer is what a
    batch of one gives. Raises `ValueError` for an empty prompt.
    """
    if not all(prompt.ids for prompt in prompts):
        raise ValueError("a prompt has no tokens")
    drawn = list(drawings or [None] * len(prompts))

    def answers(chosen: Sequence[int]) -> list[tuple[list[int], bool]]:
        rows, how = [prompts[index] for index in chosen], [drawn[index] for index in chosen]
        return _answers(model, rows, features, limits, how)

    lengths = [len(prompt.ids) + limits.max_new_tokens for prompt in prompts]
    batches = plan_batches(lengths, limits.batch, token_budget(model))
    found = run_batches(batches, answers)
    shared = {index for batch in batches if len(batch) > 1 for index in batch}
    alone = [index for index in sorted(shared) if not found[index][1]]
    found.update(run_batches([[index] for index in alone], answers))
    return [tuple(found[index][0]) for index in range(len(prompts))]


def _answers(
    model: Any, rows: Sequence[Prompt], features: Features, limits: Limits, drawn: Sequence[Drawing | None]
) -> list[tuple[list[int], bool]]:
    """Each row's tokens, and whether all of them were chosen clearly."""
    ids, mask = _pad(rows, model.device)
    embeddings = embed(model, ids, [row.media for row in rows], features, limits.image_token_id)
    tokens, clear = _continue(model, embeddings, mask, limits, drawn)
    answers = []
    for row, row_clear in zip(tokens, clear, strict=True):
        length = row.index(limits.end_id) if limits.end_id in row else len(row)
        answers.append((row[:length], all(row_clear[: length + 1])))
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
    model: Any, embeddings: torch.Tensor, mask: torch.Tensor, limits: Limits, drawn: Sequence[Drawing | None]
) -> tuple[list[list[int]], list[list[bool]]]:
    """New ids of each row and how clearly each was chosen; what follows a row's end token is to be ignored."""
    cache = DynamicCache(config=model.config.get_text_config())
    # Left to itself the model would count the padding as positions.
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    ended = torch.zeros(len(mask), dtype=torch.bool, device=mask.device)
    choose = _Chooser(drawn, model.dtype)
    columns: list[torch.Tensor] = []
    clear: list[torch.Tensor] = []
    for step in range(limits.max_new_tokens):
        logits = model(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        column, distinct = choose(logits)
        columns.append(column)
        clear.append(distinct)
        ended |= column == limits.end_id
        if step + 1 == limits.max_new_tokens or bool(ended.all()):
            break
        embeddings = model.get_input_embeddings()(column[:, None])
        mask = torch.cat([mask, mask.new_ones((len(mask), 1))], 1)
        positions = positions[:, -1:] + 1
    return torch.stack(columns, 1).tolist(), torch.stack(clear, 1).tolist()


class _Chooser:
    """Takes the likeliest token, or draws one by the Gumbel-max trick with noise that each row has of its own."""

    def __init__(self, drawn: Sequence[Drawing | None], dtype: torch.dtype) -> None:
        self._drawn = drawn
        self._tolerance = tolerance(dtype)
        self._generators = [None if one is None else torch.Generator().manual_seed(one.seed) for one in drawn]

    def __call__(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(rows, vocabulary) to the tokens of the rows and whether each is clearly ahead of the next one."""
        values = logits.float()
        scale = 1.0
        for row, (one, generator) in enumerate(zip(self._drawn, self._generators, strict=True)):
            if one is None or generator is None:
                continue
            noise = torch.rand(values.shape[1], generator=generator, dtype=torch.float64).clamp_(1e-12, 1 - 1e-12)
            gumbel = -torch.log(-torch.log(noise))
            values[row] = values[row] / one.temperature + gumbel.to(values.device, values.dtype)
            scale = max(scale, 1 / one.temperature)
        best, tokens = values.topk(2, dim=-1)
        return tokens[:, 0], best[:, 0] - best[:, 1] > self._tolerance * scale
