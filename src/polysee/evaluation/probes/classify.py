"""Classification from frozen features: a linear head, and one that first attends over all patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from polysee.evaluation.probes.data import ClassFolder
from polysee.evaluation.probes.encoder import Encoder, features
from polysee.evaluation.statistics import CellMeans, Interval, clustered_mean

ClassKind = Literal["linear", "attention"]
HEAD_WIDTH = 64
"""Channels of an attention head."""


@dataclass(frozen=True, slots=True)
class ClassRecipe:
    """How a head is trained, by AdamW with a cosine schedule behind a warm-up of a tenth of the ``steps``.

    ``steps``: None for 30 passes over the pictures, at least 300. ``batch``: pictures; ``rate``: its peak.
    """

    steps: int | None = None
    batch: int = 256
    rate: float = 1e-3
    seed: int = 0
    resamples: int = 2000


@dataclass(frozen=True, slots=True)
class LayerScore:
    """Share of test pictures whose class was found, 0-1, with a bootstrap interval over pictures."""

    layer: int
    kind: ClassKind
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class LayerGap:
    """Attention pooling minus linear on the same pictures, -1 to 1, with the interval of the paired difference.

    A wide gap says that a layer knows more than a line can separate.
    """

    layer: int
    gap: Interval


@dataclass(frozen=True, slots=True)
class ClassProbe:
    """``chance``: what always naming the commonest class gives."""

    scores: tuple[LayerScore, ...]
    gaps: tuple[LayerGap, ...]
    classes: tuple[str, ...]
    train: int
    test: int
    chance: float


class LinearHead(nn.Module):
    """The whole picture's token (the mean of patches where there is none) beside the mean of patches, then a line."""

    def __init__(self, hidden: int, classes: int, whole: bool) -> None:
        super().__init__()
        self.whole = whole
        self.line = nn.Linear(hidden * (2 if whole else 1), classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(n, tokens, hidden) standardised features to (n, classes)."""
        mean = tokens[:, int(self.whole) :].mean(1)
        out: torch.Tensor = self.line(torch.cat([tokens[:, 0], mean], 1) if self.whole else mean)
        return out


class AttentionHead(nn.Module):
    """The mean of all tokens asks the tokens what matters; then a line."""

    def __init__(self, hidden: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.MultiheadAttention(hidden, math.gcd(hidden, max(1, hidden // HEAD_WIDTH)), batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.line = nn.Linear(hidden, classes)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(n, tokens, hidden) standardised features to (n, classes)."""
        pooled, _ = self.pool(tokens.mean(1, keepdim=True), tokens, tokens, need_weights=False)
        out: torch.Tensor = self.line(self.norm(pooled[:, 0]))
        return out


def probe_classes(
    encoder: Encoder,
    data: ClassFolder,
    kinds: Sequence[ClassKind],
    layers: Sequence[int],
    recipe: ClassRecipe | None = None,
) -> ClassProbe:
    """Train a head of each kind on each layer's features of the training pictures, and test it.

    The recipe is not the paper's (SGD over ImageNet): figures compare layers and encoders with one another.
    """
    chosen = recipe or ClassRecipe()
    train = features(encoder, [picture.path for picture in data.train], layers)
    test = features(encoder, [picture.path for picture in data.test], layers)
    asked = torch.tensor([picture.label for picture in data.train])
    gold = np.asarray([picture.label for picture in data.test])
    clusters = [str(picture.path) for picture in data.test]
    scores: list[LayerScore] = []
    gaps: list[LayerGap] = []
    for layer in layers:
        right: dict[ClassKind, NDArray[np.float64]] = {}
        for kind in kinds:
            said = _train(train[layer], asked, test[layer], kind, len(data.classes), encoder.grid, chosen)
            right[kind] = (said == gold).astype(np.float64)
            accuracy = clustered_mean(right[kind], clusters, resamples=chosen.resamples, seed=chosen.seed)
            scores.append(LayerScore(layer, kind, accuracy))
        if "linear" in right and "attention" in right:
            gaps.append(LayerGap(layer, _paired(right["attention"] - right["linear"], clusters, chosen)))
    common = int(np.bincount(asked.numpy()).argmax())
    chance = float((gold == common).mean())
    return ClassProbe(tuple(scores), tuple(gaps), data.classes, len(data.train), len(data.test), chance)


def _paired(differences: NDArray[np.float64], clusters: Sequence[str], recipe: ClassRecipe) -> Interval:
    draws = {"resamples": recipe.resamples, "seed": recipe.seed}
    found = CellMeans(differences, clusters, [0] * len(clusters), 1, differences=True, **draws).estimate([1.0])
    return Interval(found.value, found.low, found.high)


def _train(
    tokens: torch.Tensor,
    labels: torch.Tensor,
    test: torch.Tensor,
    kind: ClassKind,
    classes: int,
    grid: int,
    recipe: ClassRecipe,
) -> NDArray[np.int64]:
    """What a head trained on ``tokens`` says of ``test``: class numbers."""
    from polysee.models.device import best_device
    from polysee.training.schedule import cosine

    device = best_device()
    mean, spread = _moments(tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        hidden = tokens.shape[2]
        whole = tokens.shape[1] > grid**2
        head = LinearHead(hidden, classes, whole) if kind == "linear" else AttentionHead(hidden, classes)
        head.to(device).train()
        steps = recipe.steps or max(300, 30 * math.ceil(len(tokens) / recipe.batch))
        optimizer = torch.optim.AdamW(head.parameters(), lr=recipe.rate, weight_decay=0.0)
        order = torch.Generator().manual_seed(recipe.seed)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate * cosine(step, steps, max(1, steps // 10), floor=0.0)
            picked = torch.randint(0, len(tokens), (min(recipe.batch, len(tokens)),), generator=order)
            logits = head(((tokens[picked].float() - mean) / spread).to(device))
            loss: Any = nn.functional.cross_entropy(logits, labels[picked].to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    head.eval()
    said: list[NDArray[np.int64]] = []
    with torch.inference_mode():
        for start in range(0, len(test), recipe.batch):
            part = (test[start : start + recipe.batch].float() - mean) / spread
            said.append(head(part.to(device)).argmax(-1).cpu().numpy())
    return np.concatenate(said)


def _moments(tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and spread of each channel over a sample of the training tokens; a dead channel's spread is 1."""
    part = tokens[:: max(1, len(tokens) // 1024)].float().flatten(0, 1)
    spread = part.std(0)
    return part.mean(0), torch.where(spread > 1e-6, spread, torch.ones_like(spread))
