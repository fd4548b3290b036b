"""Visual features: computed once for each distinct medium, then put in place of the image tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from polysee.inference.encoder import Normalisation, Tiles

Features = Mapping[str, torch.Tensor]
"""Medium key -> (visual tokens, hidden) features in the order of its tiles."""

CHUNK = 64
"""Tiles in one pass of the vision encoder."""


@torch.inference_mode()
def image_features(model: Any, tiles: Mapping[str, Tiles], normalisation: Normalisation) -> dict[str, torch.Tensor]:
    """Features of each medium; tiles of several media share a pass of the vision encoder.

    ``tiles``: key -> (n, tile, tile, 3) bytes, n >= 1. Passes are cut in the mapping's order, so equal input gives
    equal bits.
    """
    if not tiles:
        return {}
    pixels = np.concatenate([normalisation.apply(value) for value in tiles.values()])
    features = _encode(model, torch.from_numpy(pixels))
    out: dict[str, torch.Tensor] = {}
    start = 0
    for key, value in tiles.items():
        out[key] = features[start : start + len(value)].flatten(0, 1)
        start += len(value)
    return out


@torch.inference_mode()
def blank_features(model: Any, tiles: Mapping[str, Tiles]) -> dict[str, torch.Tensor]:
    """As `image_features`, had every pixel the data's mean colour, which is 0 after normalisation."""
    if not tiles:
        return {}
    height, width = next(iter(tiles.values())).shape[1:3]
    one = _encode(model, torch.zeros((1, 3, height, width)))[0]
    return {key: one.repeat(len(value), 1) for key, value in tiles.items()}


def _encode(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """(tiles, 3, height, width) to (tiles, tokens of a tile, hidden)."""
    parts = [
        model.model.get_image_features(part.to(model.device, model.dtype)).pooler_output
        for part in torch.split(pixels, CHUNK)
    ]
    return torch.cat(parts)


def embed(
    model: Any, ids: torch.Tensor, media: Sequence[Sequence[str]], features: Features, image_token_id: int
) -> torch.Tensor:
    """(rows, length) token ids to (rows, length, hidden) input embeddings with the features in place.

    ``media``: each row's media keys. Raises `ValueError` where a row's image tokens and features differ in number.
    """
    embeddings: torch.Tensor = model.get_input_embeddings()(ids)
    holes = ids == image_token_id
    expected = [sum(len(features[key]) for key in keys) for keys in media]
    found = holes.sum(1).tolist()
    for row, (want, have) in enumerate(zip(expected, found, strict=True)):
        if want != have:
            raise ValueError(f"row {row} has {have} image tokens but {want} visual features")
    flat = [features[key] for keys in media for key in keys]
    if flat:
        embeddings = embeddings.masked_scatter(holes.unsqueeze(-1), torch.cat(flat).to(embeddings.dtype))
    return embeddings
