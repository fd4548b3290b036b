"""Pre-trains the tiny vision encoder on microworld scenes by dense naming.

Every patch says which concept covers it, how many of that kind the picture holds, where the thing's centre lies, and
which coloured square lies there: what a language model will want to know of it. Scenes are drawn from the training
split's layouts with trained concepts alone; step *k* sees scenes that depend on the seed and *k* only, so that a run
resumes exactly from its step number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from polysee.models.compose import MEAN, STD
from polysee.models.config import VisionConfig
from polysee.schema.errors import UserError
from polysee.sources.microworld.concepts import CONCEPTS, SQUARES
from polysee.sources.microworld.layouts import LAYOUTS
from polysee.sources.microworld.scenes import Scene, draw
from polysee.training.checkpoint import StageCheckpoints
from polysee.training.config import EncoderConfig
from polysee.training.schedule import cosine

_TASKS = ("naming", "counting", "colour", "position", "matching", "grounding", "multi_image")
_ENCODER_STREAM = 7
"""Keeps the scenes of the encoder apart from those of every split of the source."""


@dataclass(frozen=True, slots=True)
class Batch:
    """``pixels``: uint8 (n, side, side, 3). ``labels``: int64 (n, patches) by head; -1 where a head is not asked."""

    pixels: NDArray[np.uint8]
    labels: dict[str, NDArray[np.int64]]


HEADS: dict[str, int] = {
    "concept": len(CONCEPTS) + 1,
    "square": len(SQUARES) + 1,
    "count": 10,
    "column": 8,
    "row": 8,
}
"""Classes of each linear head; class 0 of the first two is "none"."""

WEIGHTS: dict[str, float] = {"concept": 1.0, "square": 1.0, "count": 0.5, "column": 0.25, "row": 0.25}


class DenseNaming(nn.Module):
    """An InternViT with linear heads on its patches."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.tower = vision_tower(config)
        self.heads = nn.ModuleDict({name: nn.Linear(config.hidden, classes) for name, classes in HEADS.items()})

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """(n, 3, side, side) -> logits (n, patches, classes) by head."""
        features = self.tower(pixel_values=pixels).last_hidden_state[:, 1:]
        return {name: head(features) for name, head in self.heads.items()}


def vision_tower(config: VisionConfig) -> Any:
    """A random InternViT of the recipe's shape, as `compose` builds it."""
    from transformers import InternVLVisionConfig, InternVLVisionModel

    return InternVLVisionModel(
        InternVLVisionConfig(
            hidden_size=config.hidden,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=config.intermediate,
            image_size=config.tile,
            patch_size=config.patch,
            attention_bias=True,
        )
    )


def scene_batch(seed: int, step: int, count: int, config: VisionConfig) -> Batch:
    """The scenes of one step and what covers each patch."""
    rng = np.random.default_rng([seed, _ENCODER_STREAM, step])
    drawn: list[Scene] = []
    while len(drawn) < count:
        layout = LAYOUTS[_TASKS[int(rng.integers(len(_TASKS)))]](rng, config.tile, False)
        drawn.append(layout.scenes[0])
    side = config.tile // config.patch
    labels = {
        name: np.full((count, side * side), 0 if name in ("concept", "square") else -1, np.int64) for name in HEADS
    }
    for row, scene in enumerate(drawn):
        _label(scene, side, {name: label[row] for name, label in labels.items()})
    pixels = np.stack([np.asarray(draw(scene)) for scene in drawn])
    return Batch(pixels, labels)


def _label(scene: Scene, side: int, labels: dict[str, NDArray[np.int64]]) -> None:
    centres = (np.arange(side) + 0.5) / side
    kinds = Counter(thing.concept for thing in scene.things)
    for thing in scene.things:
        across, down = np.abs(centres - thing.x), np.abs(centres - thing.y)
        if thing.square is not None:
            half = thing.size * 1.45 / 2
            labels["square"][np.outer(down < half, across < half).ravel()] = SQUARES.index(thing.square) + 1
        half = max(thing.size * 0.46, 0.5 / side)
        covered = np.outer(down < half, across < half).ravel()
        labels["concept"][covered] = thing.concept + 1
        labels["count"][covered] = min(kinds[thing.concept], HEADS["count"] - 1)
        labels["column"][covered] = min(int(thing.x * HEADS["column"]), HEADS["column"] - 1)
        labels["row"][covered] = min(int(thing.y * HEADS["row"]), HEADS["row"] - 1)


def normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (n, h, w, 3) -> float32 (n, 3, h, w), normalised with ImageNet's mean and deviation."""
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    return (values - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def loss_of(model: DenseNaming, batch: Batch) -> tuple[torch.Tensor, float]:
    """Weighted sum of the heads' cross-entropies, and the share of covered patches that are named rightly."""
    logits = model(normalised(batch.pixels))
    background = torch.ones(HEADS["concept"])
    background[0] = 0.2  # most patches are background; they would drown the names
    loss = torch.zeros(())
    for name, values in logits.items():
        wanted = torch.from_numpy(batch.labels[name])
        weight = background if name == "concept" else None
        each = nn.functional.cross_entropy(values.flatten(0, 1).float(), wanted.flatten(), weight, ignore_index=-1)
        loss = loss + WEIGHTS[name] * each
    named = torch.from_numpy(batch.labels["concept"])
    right = (logits["concept"].argmax(-1) == named)[named > 0].float().mean().item()
    return loss, right


def train_encoder(
    config: EncoderConfig,
    vision: VisionConfig,
    *,
    seed: int,
    folder: Path,
    report: Callable[[int, float, float], None],
) -> Path:
    """Train, resuming from ``folder`` if it holds a checkpoint; returns the weights' safetensors (float16) path.

    ``report`` is called with step, loss and accuracy. Raises `UserError` if the loss is not finite.
    """
    from safetensors.torch import save_file

    from polysee.store.atomic import replacing

    torch.manual_seed(seed)
    model = DenseNaming(vision)
    # Half of a step went into the fused attention's bfloat16 backward on CPU; over 65 tokens plain products win.
    model.tower.set_attn_implementation("eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    checkpoints = StageCheckpoints(folder / "steps")
    start = checkpoints.restore(model, [optimizer])
    with ThreadPoolExecutor(1) as drawer:
        upcoming = drawer.submit(scene_batch, seed, start, config.batch, vision)
        for step in range(start, config.steps):
            batch = upcoming.result()
            upcoming = drawer.submit(scene_batch, seed, step + 1, config.batch, vision)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * cosine(step, config.steps, config.warmup)
            with torch.autocast("cpu", torch.bfloat16):
                loss, right = loss_of(model, batch)
            if not torch.isfinite(loss):
                raise UserError(f"the encoder's loss is {loss.item()} at step {step}", "lower encoder.learning_rate")
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            report(step, loss.item(), right)
            if (step + 1) % config.checkpoint_every == 0 and step + 1 < config.steps:
                checkpoints.save(step + 1, model, [optimizer])
    path = folder / "vision.safetensors"
    weights = {name: value.half().contiguous() for name, value in model.tower.state_dict().items()}
    with replacing(path) as target:
        save_file(weights, target)
    return path
