"""Choice among options by the likelihood of each whole answer, image and prompt being computed once for all options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from polysee.inference.batching import plan_batches, run_batches, token_budget, tolerance
from polysee.inference.encoder import Prompt
from polysee.inference.features import Features, embed


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and its candidate answers, each as token ids that close with the end token."""

    prompt: Prompt
    options: tuple[tuple[int, ...], ...]

    @property
    def length(self) -> int:
        """Tokens of the row: the prompt, and every option without its end token (nothing follows that one)."""
        return len(self.prompt.ids) + sum(len(option) - 1 for option in self.options)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows of [prompt, option, option, ...], padded on the right.

    ``segments``: 0 for the prompt, k for the k-th option, -1 for padding. ``sources`` (flat row * length + column)
    are the positions whose output predicts ``targets``; ``owners`` is the flat row * options + option that each
    prediction belongs to.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    sources: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor
    width: int


@torch.inference_mode()
def option_scores(
    model: Any, questions: Sequence[Question], features: Features, *, image_token_id: int, batch: int | None
) -> list[list[float]]:
    """log p(option, end | media, prompt) in nats for each option of each question, in the given order.

    Questions of similar length share a batch (``batch`` rows; None: as many as the memory allows). The plan depends on
    the questions alone, so equal input gives equal bits. Another ``batch`` changes a score by rounding; where that
    could turn a choice between options, in sum or per token, the question is computed anew by itself, so that every
    choice is what a batch of one gives. Raises `ValueError` for an option without tokens and for a decoder with
    sliding windows, which one 4D mask cannot express.
    """
    _check(model, questions)

    def score(chosen: Sequence[int]) -> list[list[float]]:
        return _score(model, [questions[index] for index in chosen], features, image_token_id)

    batches = plan_batches([question.length for question in questions], batch, token_budget(model))
    found = run_batches(batches, score)
    shared = {index for chosen in batches if len(chosen) > 1 for index in chosen}
    limit = tolerance(model.dtype)
    alone = [index for index in sorted(shared) if _close(questions[index], found[index], limit)]
    found.update(run_batches([[index] for index in alone], score))
    return [found[index] for index in range(len(questions))]


def _close(question: Question, scores: Sequence[float], limit: float) -> bool:
    """Whether rounding could change which option is best."""
    if len(scores) < 2:
        return True
    tokens = [len(option) for option in question.options]
    first, second = sorted(scores, reverse=True)[:2]
    best_mean, next_mean = sorted((s / n for s, n in zip(scores, tokens, strict=True)), reverse=True)[:2]
    return first - second <= limit * max(tokens) or best_mean - next_mean <= limit


def best(scores: Sequence[float]) -> int:
    """Index of the likeliest option, the first of equals."""
    return max(range(len(scores)), key=lambda index: (scores[index], -index))


def _check(model: Any, questions: Sequence[Question]) -> None:
    if "sliding_attention" in (getattr(model.config.get_text_config(), "layer_types", None) or ()):
        raise ValueError("scoring options in one row needs a decoder without sliding-window layers")
    for index, question in enumerate(questions):
        if not question.prompt.ids or not question.options or not all(question.options):
            raise ValueError(f"question {index} has an empty prompt or an empty option")


def _score(model: Any, rows: Sequence[Question], features: Features, image_token_id: int) -> list[list[float]]:
    batch = _assemble(rows, model.device)
    embeddings = embed(model, batch.ids, [row.prompt.media for row in rows], features, image_token_id)
    hidden = model.model(
        inputs_embeds=embeddings,
        attention_mask=_mask(batch.segments, embeddings.dtype),
        position_ids=batch.positions,
        use_cache=False,
    ).last_hidden_state
    # A prompt's last position predicts the first token of every option: its logits are computed once.
    distinct, back = torch.unique(batch.sources, return_inverse=True)
    logits = model.lm_head(hidden.flatten(0, 1)[distinct]).float()
    normaliser = torch.logsumexp(logits, dim=-1)
    log_probs = logits[back, batch.targets] - normaliser[back]
    sums = torch.zeros(len(rows) * batch.width, dtype=torch.float64, device=log_probs.device)
    sums.index_add_(0, batch.owners, log_probs.double())
    table = sums.view(len(rows), batch.width).tolist()
    return [values[: len(row.options)] for values, row in zip(table, rows, strict=True)]


def _assemble(rows: Sequence[Question], device: torch.device) -> _Batch:
    length = max(row.length for row in rows)
    width = max(len(row.options) for row in rows)
    ids, positions, segments = ([[fill] * length for _ in rows] for fill in (0, 0, -1))
    sources: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for r, row in enumerate(rows):
        prefix = len(row.prompt.ids)
        ids[r][:prefix] = row.prompt.ids
        positions[r][:prefix] = range(prefix)
        segments[r][:prefix] = [0] * prefix
        column = prefix
        for k, option in enumerate(row.options):
            inner = len(option) - 1
            ids[r][column : column + inner] = option[:-1]
            positions[r][column : column + inner] = range(prefix, prefix + inner)
            segments[r][column : column + inner] = [k + 1] * inner
            sources += [r * length + prefix - 1, *(r * length + c for c in range(column, column + inner))]
            targets += option
            owners += [r * width + k] * len(option)
            column += inner
    return _Batch(
        ids=torch.tensor(ids, device=device),
        positions=torch.tensor(positions, device=device),
        segments=torch.tensor(segments, device=device),
        sources=torch.tensor(sources, device=device),
        targets=torch.tensor(targets, device=device),
        owners=torch.tensor(owners, device=device),
        width=width,
    )


def _mask(segments: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """(rows, 1, length, length) additive mask: causal, to the prompt and the own segment only.

    Additive floats, since a boolean mask is silently added by some attention implementations. Padding sees itself,
    which keeps its softmax finite.
    """
    length = segments.shape[1]
    query, key = segments[:, :, None], segments[:, None, :]
    seen = (key == query) | ((key == 0) & (query > 0))
    seen &= torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    floor = torch.finfo(dtype).min
    return torch.zeros(seen.shape, dtype=dtype, device=segments.device).masked_fill_(~seen, floor)[:, None]
