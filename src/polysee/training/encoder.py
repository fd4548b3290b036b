"""Pre-trains the tiny vision encoder on microworld scenes by dense naming.

Every patch says which concept covers it, and which coloured square lies there. Scenes are drawn from the training
split's layouts with trained concepts alone; step *k* sees scenes that depend on the seed and *k* only, so that a run
resumes exactly from its step number.
"""

from __future__ import annotations

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
from polysee.sources.microworld.concepts import CONCEPTS, SQUARES
from polysee.sources.microworld.layouts import LAYOUTS
from polysee.sources.microworld.scenes import Scene, draw
from polysee.training.config import EncoderConfig
from polysee.training.schedule import cosine

_TASKS = ("naming", "counting", "colour", "position", "matching", "grounding", "multi_image")
_ENCODER_STREAM = 7
"""Keeps the scenes of the encoder apart from those of every split of the source."""


@dataclass(frozen=True, slots=True)
class Batch:
    """``pixels``: uint8 (n, side, side, 3); ``concepts`` and ``squares``: int64 (n, patches), 0 where there is none."""

    pixels: NDArray[np.uint8]
    concepts: NDArray[np.int64]
    squares: NDArray[np.int64]


class DenseNaming(nn.Module):
    """An InternViT with two linear heads on its patches."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.tower = vision_tower(config)
        self.concepts = nn.Linear(config.hidden, len(CONCEPTS) + 1)
        self.squares = nn.Linear(config.hidden, len(SQUARES) + 1)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, 3, side, side) -> logits (n, patches, concepts + 1) and (n, patches, squares + 1)."""
        features = self.tower(pixel_values=pixels).last_hidden_state[:, 1:]
        return self.concepts(features), self.squares(features)


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
    concepts = np.zeros((count, side * side), np.int64)
    squares = np.zeros((count, side * side), np.int64)
    for row, scene in enumerate(drawn):
        _label(scene, side, concepts[row], squares[row])
    pixels = np.stack([np.asarray(draw(scene)) for scene in drawn])
    return Batch(pixels, concepts, squares)


def _label(scene: Scene, side: int, concepts: NDArray[np.int64], squares: NDArray[np.int64]) -> None:
    centres = (np.arange(side) + 0.5) / side
    for thing in scene.things:
        across, down = np.abs(centres - thing.x), np.abs(centres - thing.y)
        if thing.square is not None:
            half = thing.size * 1.45 / 2
            squares[np.outer(down < half, across < half).ravel()] = SQUARES.index(thing.square) + 1
        half = max(thing.size * 0.46, 0.5 / side)
        concepts[np.outer(down < half, across < half).ravel()] = thing.concept + 1


def normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (n, h, w, 3) -> float32 (n, 3, h, w), normalised with ImageNet's mean and deviation."""
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    return (values - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def loss_of(model: DenseNaming, batch: Batch) -> tuple[torch.Tensor, float]:
    """Mean cross-entropy over both heads, and the share of covered patches that are named rightly."""
    concepts, squares = model(normalised(batch.pixels))
    wanted, shades = torch.from_numpy(batch.concepts), torch.from_numpy(batch.squares)
    weights = torch.full((concepts.shape[-1],), 1.0)
    weights[0] = 0.2  # most patches are background; they would drown the names
    loss = nn.functional.cross_entropy(concepts.flatten(0, 1), wanted.flatten(), weights)
    loss = loss + nn.functional.cross_entropy(squares.flatten(0, 1), shades.flatten())
    covered = wanted > 0
    right = (concepts.argmax(-1) == wanted)[covered].float().mean().item()
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

    ``report`` is called with step, loss and accuracy. Raises `FloatingPointError` if the loss is not finite.
    """
    from safetensors.torch import save_file

    from polysee.store.atomic import replacing

    torch.manual_seed(seed)
    model = DenseNaming(vision)
    # Half of a step went into the fused attention's bfloat16 backward on CPU; over 65 tokens plain products win.
    model.tower.set_attn_implementation("eager")
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    state, start = folder / "state.pt", 0
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        start = int(saved["step"])
    with ThreadPoolExecutor(1) as drawer:
        upcoming = drawer.submit(scene_batch, seed, start, config.batch, vision)
        for step in range(start, config.steps):
            batch = upcoming.result()
            upcoming = drawer.submit(scene_batch, seed, step + 1, config.batch, vision)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * cosine(step, config.steps, config.warmup_steps)
            with torch.autocast("cpu", torch.bfloat16):
                loss, right = loss_of(model, batch)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"the encoder's loss is {loss.item()} at step {step}")
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            report(step, loss.item(), right)
            if (step + 1) % config.checkpoint_every == 0:
                saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
                with replacing(state) as path:
                    torch.save(saved, path)
    path = folder / "vision.safetensors"
    weights = {name: value.half().contiguous() for name, value in model.tower.state_dict().items()}
    with replacing(path) as target:
        save_file(weights, target)
    return path
