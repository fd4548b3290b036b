"""From samples and media to what the model takes: pixels, prompts and the media that they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polysee.media.tiling import normalise
from polysee.models.prompt import PromptEncoder
from polysee.schema.sample import MediaRef, Sample

Tiles = NDArray[np.uint8]
"""(n, tile, tile, 3) RGB bytes."""

ReadTiles = Callable[[MediaRef], Tiles]
"""A medium's tiles, in the order in which their tokens stand in the prompt."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Per-channel mean and standard deviation of pixels in 0-1, as in the checkpoint's processor file."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def apply(self, tiles: Tiles) -> NDArray[np.float32]:
        """(n, height, width, 3) bytes to (n, 3, height, width) normalised float32."""
        return normalise(tiles, self.mean, self.std)


@dataclass(frozen=True, slots=True)
class Prompt:
    """Token ids up to the answer, and the keys of the media whose features replace the image tokens, in order."""

    ids: tuple[int, ...]
    media: tuple[str, ...] = ()


def media_key(ref: MediaRef) -> str:
    """One name for one medium, or the region or span of it that a sample means."""
    parts = [ref.sha256]
    parts += [f"{name}={','.join(map(repr, value))}" for name, value in (("box", ref.box), ("span", ref.span)) if value]
    if ref.kind == "video":
        # One video is shown with several numbers of frames.
        parts.append(f"frames={ref.frames}")
    return ";".join(parts)


def encode_dialogue(encoder: PromptEncoder, sample: Sample, tiles: Mapping[str, Tiles]) -> Prompt:
    """The prompt of the last turn, behind the turns before it with their answers, and all media."""
    keys = [media_key(ref) for ref in sample.media]
    encoded = encoder.encode(sample, [len(tiles[key]) for key in keys])
    return Prompt(encoded.input_ids[: encoded.answers[-1][0]], tuple(keys))


def encode_prompt(encoder: PromptEncoder, sample: Sample, tiles: Mapping[str, Tiles]) -> Prompt:
    """The prompt of the first turn, with the media that it shows (those of later turns are left out)."""
    keys = [media_key(ref) for ref in sample.media]
    counts = [len(tiles[key]) for key in keys]
    ids = tuple(encoder.prompt_ids(sample, counts))
    room = ids.count(encoder.image_token_id)
    shown: list[str] = []
    for key, count in zip(keys, counts, strict=True):
        if room <= 0:
            break
        shown.append(key)
        room -= count * encoder.tokens_per_tile
    return Prompt(ids, tuple(shown))
