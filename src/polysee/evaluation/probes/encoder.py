"""The vision encoder of a checkpoint, and its features layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polysee.evaluation.probes.data import open_picture
from polysee.inference.encoder import Normalisation, Tiles
from polysee.media.tiling import tiles
from polysee.schema.errors import UserError

CHUNK = 64
"""Pictures in one pass."""

MAX_BYTES = 16 << 30
"""Most memory for the features of all layers together."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A transformer over patches, in evaluation mode. ``side``: pixels of the square that it sees."""

    tower: Any
    normalisation: Normalisation
    side: int

    @property
    def layers(self) -> int:
        """How many there are."""
        return int(self.tower.config.num_hidden_layers)

    @property
    def hidden(self) -> int:
        """Width of its features."""
        return int(self.tower.config.hidden_size)

    @property
    def grid(self) -> int:
        """Patches along a side."""
        patch = self.tower.config.patch_size
        return self.side // int(patch if isinstance(patch, int) else patch[0])

    def cut(self, paths: Sequence[Path]) -> Tiles:
        """Pictures squeezed to one square each: uint8 (n, side, side, 3)."""
        return np.concatenate([tiles(open_picture(p), tile=self.side, max_tiles=1, thumbnail=False) for p in paths])

    def pixels(self, squares: Tiles) -> torch.Tensor:
        """Normalised float32 (n, 3, side, side)."""
        return torch.from_numpy(self.normalisation.apply(squares))

    def states(self, pixels: torch.Tensor, layers: Sequence[int]) -> list[torch.Tensor]:
        """float32 (n, tokens, hidden) after each of ``layers``, numbered from 1; 0 is the patches' embedding."""
        parameter = next(self.tower.parameters())
        given = pixels.to(parameter.device, parameter.dtype)
        found = self.tower(pixel_values=given, output_hidden_states=True).hidden_states
        return [found[layer].float() for layer in layers]

    def patches(self, states: torch.Tensor) -> torch.Tensor:
        """Tokens without the one that stands for the whole picture, if there is one."""
        return states[:, states.shape[1] - self.grid**2 :]


def open_encoder(checkpoint: Path) -> Encoder:
    """The vision encoder of a checkpoint's folder. Raises `UserError` as `load_checkpoint` does."""
    from polysee.inference.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    return Encoder(loaded.model.model.vision_tower, loaded.normalisation, loaded.tiling.tile)


def parse_layers(text: str, count: int) -> tuple[int, ...]:
    """``last``, ``all``, or numbers from 0 to ``count``; negative ones count from the end. Raises `UserError`."""
    if text == "last":
        return (count,)
    if text == "all":
        return tuple(range(count + 1))
    found = []
    for word in text.split(","):
        number = int(word) if word.strip().removeprefix("-").isdecimal() else None
        if number is None or not -count - 1 <= number <= count:
            raise UserError(f"{word.strip()!r} is no layer", f"write last, all, or numbers from 0 to {count}")
        found.append(number if number >= 0 else count + 1 + number)
    return tuple(sorted(set(found)))


@torch.inference_mode()
def features(encoder: Encoder, paths: Sequence[Path], layers: Sequence[int]) -> dict[int, torch.Tensor]:
    """Layer -> (n, tokens, hidden) on the CPU, float16 beyond a quarter of `MAX_BYTES`.

    Raises `UserError` where they would not fit `MAX_BYTES`.
    """
    size = len(paths) * (encoder.grid**2 + 1) * encoder.hidden * len(layers) * 4
    if size > 2 * MAX_BYTES:
        fix = "probe fewer layers at a time, or give --limit"
        raise UserError(f"the features would take {size >> 31} GiB of memory", fix)
    kind = torch.float32 if size <= MAX_BYTES // 4 else torch.float16
    parts: dict[int, list[torch.Tensor]] = {layer: [] for layer in layers}
    for start in range(0, len(paths), CHUNK):
        states = encoder.states(encoder.pixels(encoder.cut(paths[start : start + CHUNK])), layers)
        for layer, state in zip(layers, states, strict=True):
            parts[layer].append(state.to("cpu", kind))
    return {layer: torch.cat(part) for layer, part in parts.items()}
