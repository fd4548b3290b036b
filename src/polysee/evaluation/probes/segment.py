"""Semantic segmentation: a linear head, an UperNet head, and both with all of the encoder trained."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from polysee.evaluation.probes.data import IGNORED, MaskedPicture, MaskFolder, open_mask
from polysee.evaluation.probes.encoder import Encoder
from polysee.evaluation.statistics import LEVEL, Interval
from polysee.inference.encoder import Tiles
from polysee.schema.errors import UserError

SegmentKind = Literal["segment-linear", "segment-head", "segment-full"]


@dataclass(frozen=True, slots=True)
class SegmentRecipe:
    """AdamW with a warm-up and a linear decay, as in InternVL 2.5, section 5.5 (80,000 steps of 16 pictures there).

    ``rate``: of the head; ``encoder_rate``: of the encoder's last layer in full tuning, each layer below having
    ``decay`` times that of the one above. ``weight_decay``: 0 for the linear head in any case. ``width``: channels of
    the UperNet head.
    """

    steps: int = 2000
    batch: int = 16
    rate: float = 1e-3
    encoder_rate: float = 4e-5
    decay: float = 0.95
    weight_decay: float = 0.05
    width: int = 128
    seed: int = 0
    resamples: int = 2000


@dataclass(frozen=True, slots=True)
class SegmentScore:
    """Mean intersection over union of classes, 0-1, with an interval over pictures; see `mean_iou`."""

    kind: SegmentKind
    miou: Interval
    by_class: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class SegmentProbe:
    """``classes``: how many there are."""

    scores: tuple[SegmentScore, ...]
    classes: int
    train: int
    test: int


class LinearSegments(nn.Module):
    """Normalised patches of the last layer, and a line for each."""

    def __init__(self, hidden: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm2d(hidden), nn.Conv2d(hidden, classes, 1))

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """(n, hidden, grid, grid) maps of several layers to (n, classes, grid, grid)."""
        out: torch.Tensor = self.layers(maps[-1])
        return out


class UperNetSegments(nn.Module):
    """A pyramid from four layers of equal size (fourfold, double, equal and half), and transformers' UperNet head."""

    def __init__(self, hidden: int, classes: int, width: int) -> None:
        super().__init__()
        from transformers import UperNetConfig
        from transformers.models.upernet.modeling_upernet import UperNetHead

        self.scales = nn.ModuleList(
            [
                nn.Sequential(
                    nn.ConvTranspose2d(hidden, hidden, 2, stride=2),
                    nn.BatchNorm2d(hidden),
                    nn.GELU(),
                    nn.ConvTranspose2d(hidden, hidden, 2, stride=2),
                ),
                nn.ConvTranspose2d(hidden, hidden, 2, stride=2),
                nn.Identity(),
                nn.MaxPool2d(2),
            ]
        )
        shape: Any = UperNetConfig
        make: Any = UperNetHead
        self.head = make(shape(hidden_size=width, num_labels=classes), in_channels=[hidden] * 4)

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Four (n, hidden, grid, grid) maps to (n, classes, 4 grid, 4 grid)."""
        out: torch.Tensor = self.head([scale(part) for scale, part in zip(self.scales, maps, strict=True)])
        return out


def probe_segments(
    encoder: Encoder, data: MaskFolder, kinds: Sequence[SegmentKind], recipe: SegmentRecipe | None = None
) -> SegmentProbe:
    """Train a head of each kind and test it at the encoder's resolution. Full tuning trains a copy of the encoder.

    Raises `UserError` for masks with one class only.
    """
    chosen = recipe or SegmentRecipe()
    train, test = _open(encoder, data.train), _open(encoder, data.test)
    values = np.unique(np.concatenate([train.masks, test.masks]))
    classes = int(max(values[values != IGNORED], default=-1)) + 1
    if classes < 2:
        raise UserError("a probe needs two classes or more", "check that masks hold class numbers from 0")
    scores = []
    for kind in kinds:
        run = _Run(encoder, kind, classes, chosen)
        run.train(train)
        counts = np.stack(list(run.counts(test)))
        miou, by_class = mean_iou(counts[:, 0], counts[:, 1], resamples=chosen.resamples, seed=chosen.seed)
        scores.append(SegmentScore(kind, miou, by_class))
    return SegmentProbe(tuple(scores), classes, len(data.train), len(data.test))


def mean_iou(
    inter: NDArray[np.int64], union: NDArray[np.int64], *, resamples: int, seed: int
) -> tuple[Interval, tuple[float | None, ...]]:
    """Mean over classes of summed intersection over summed union, its interval, and each class's own.

    A class in neither masks nor answers has None and does not count.

    ``inter``, ``union``: pixels (pictures, classes). Whole pictures are resampled.
    """
    total = _ratio(inter.sum(0), union.sum(0))
    rng = np.random.Generator(np.random.PCG64([seed, len(inter)]))
    weights = rng.multinomial(len(inter), [1 / len(inter)] * len(inter), size=resamples)
    draws = np.nanmean(_ratio(weights @ inter, weights @ union), axis=1)
    value = float(np.nanmean(total))
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    each = tuple(None if np.isnan(part) else float(part) for part in total)
    return Interval(value, min(low, value), max(high, value)), each


def _ratio(inter: NDArray[np.int64], union: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(union > 0, inter / np.maximum(union, 1), np.nan)


def layer_rates(layers: int, recipe: SegmentRecipe) -> list[float]:
    """Learning rates of the embedding (first) and of each layer: the last has the whole, each below ``decay`` less."""
    return [recipe.encoder_rate * recipe.decay ** (layers - layer) for layer in range(layers + 1)]


@dataclass(frozen=True, slots=True)
class _Opened:
    """``squares``: uint8 (n, side, side, 3), decoded once for all steps; ``masks``: class numbers (n, side, side)."""

    squares: Tiles
    masks: NDArray[np.int64]


def _open(encoder: Encoder, pictures: Sequence[MaskedPicture]) -> _Opened:
    masks = np.stack([open_mask(picture.mask, encoder.side) for picture in pictures])
    return _Opened(encoder.cut([picture.path for picture in pictures]), masks)


class _Run:
    """One head, with the encoder frozen or trained."""

    def __init__(self, encoder: Encoder, kind: SegmentKind, classes: int, recipe: SegmentRecipe) -> None:
        from polysee.models.device import best_device

        self.kind, self.recipe, self.classes = kind, recipe, classes
        self.full = kind == "segment-full"
        self.device = best_device()
        tower = copy.deepcopy(encoder.tower).float() if self.full else encoder.tower
        self.encoder = Encoder(tower.to(self.device), encoder.normalisation, encoder.side)
        count = encoder.layers
        self.layers = (
            (count,) if kind == "segment-linear" else tuple(max(1, count * part // 4) for part in (1, 2, 3, 4))
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            hidden = encoder.hidden
            linear = kind == "segment-linear"
            head = LinearSegments(hidden, classes) if linear else UperNetSegments(hidden, classes, recipe.width)
        self.head: nn.Module = head.to(self.device)

    def train(self, data: _Opened) -> None:
        """All steps of the recipe on pictures of ``data`` that its seed draws."""
        recipe = self.recipe
        groups = list(self._groups())
        optimizer = torch.optim.AdamW(groups)
        peaks = [float(group["lr"]) for group in groups]
        rng = np.random.Generator(np.random.PCG64(recipe.seed))
        self.head.train()
        for step in range(recipe.steps):
            factor = min((step + 1) / max(1, recipe.steps // 50), 1 - step / recipe.steps)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            # Two at least: a pyramid's top is one value a picture, of which a batch normalisation needs several.
            picked = rng.integers(0, len(data.masks), max(2, min(recipe.batch, len(data.masks))))
            wanted = torch.from_numpy(data.masks[picked]).to(self.device)
            said = self._say(data.squares[picked])
            loss: Any = nn.functional.cross_entropy(said, wanted, ignore_index=IGNORED)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        self.head.eval()

    @torch.inference_mode()
    def counts(self, data: _Opened) -> Iterator[NDArray[np.int64]]:
        """(2, classes) pixels of intersection and union of each picture."""
        for start in range(0, len(data.masks), self.recipe.batch):
            part = slice(start, start + self.recipe.batch)
            said = self._say(data.squares[part]).argmax(1).cpu().numpy()
            for one, mask in zip(said, data.masks[part], strict=True):
                kept = mask != IGNORED
                ours, gold = one[kept], mask[kept]
                inter = np.bincount(gold[ours == gold], minlength=self.classes)
                both = np.bincount(ours, minlength=self.classes) + np.bincount(gold, minlength=self.classes)
                yield np.stack([inter, both - inter])

    def _say(self, squares: Tiles) -> torch.Tensor:
        """(n, classes, side, side) logits."""
        with nullcontext() if self.full else torch.no_grad():
            states = self.encoder.states(self.encoder.pixels(squares), self.layers)
        grid = self.encoder.grid
        maps = [self.encoder.patches(state).transpose(1, 2) for state in states]
        said: torch.Tensor = self.head([part.reshape(*part.shape[:2], grid, grid) for part in maps])
        return nn.functional.interpolate(said, size=self.encoder.side, mode="bilinear", align_corners=False)

    def _groups(self) -> Iterator[dict[str, Any]]:
        decay = 0.0 if self.kind == "segment-linear" else self.recipe.weight_decay
        yield {"params": list(self.head.parameters()), "lr": self.recipe.rate, "weight_decay": decay}
        if not self.full:
            return
        tower = self.encoder.tower
        count = self.encoder.layers
        layers = next(part for part in tower.modules() if isinstance(part, nn.ModuleList) and len(part) == count)
        rates = layer_rates(count, self.recipe)
        own = {id(parameter) for parameter in layers.parameters()}
        rest = [parameter for parameter in tower.parameters() if id(parameter) not in own]
        yield {"params": rest, "lr": rates[0], "weight_decay": decay}
        for layer, rate in zip(layers, rates[1:], strict=True):
            yield {"params": list(layer.parameters()), "lr": rate, "weight_decay": decay}
