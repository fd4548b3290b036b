"""The part of a training step that runs on the device: tiles and packs in, one loss for every answer token out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from polysee.models.compose import MEAN, STD
from polysee.packing.collate import PackBatch


@dataclass(frozen=True, slots=True)
class DeviceBatch:
    """A `PackBatch` as tensors on one device; see there for the shapes."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    rows: torch.Tensor
    columns: torch.Tensor
    targets: torch.Tensor
    tiles: torch.Tensor


def to_device(batch: PackBatch, device: torch.device) -> DeviceBatch:
    """Tensors on ``device``; the tiles stay uint8 and are normalised there."""
    arrays = (batch.input_ids, batch.position_ids, batch.rows, batch.columns, batch.targets, batch.tiles)
    return DeviceBatch(*(torch.from_numpy(array).to(device) for array in arrays))


def normalise_on_device(tiles: torch.Tensor) -> torch.Tensor:
    """uint8 (T, h, w, 3) -> float32 (T, 3, h, w) with ImageNet's mean and deviation."""
    mean = torch.tensor(MEAN, device=tiles.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=tiles.device).view(1, 3, 1, 1)
    return (tiles.permute(0, 3, 1, 2).float() / 255 - mean) / std


class PackedLoss(nn.Module):
    """Wraps a native VLM. Logits are computed for answer tokens alone, so their cost does not grow with prompts.

    Samples in a row are kept apart by positions that restart, with no attention mask and no cache: the one way that is
    exact for every family tried.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: DeviceBatch) -> torch.Tensor:
        """float32 (K,) cross-entropy of each answer token."""
        hidden = self.model.model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            mm_encoder_outputs=self._visual(batch.tiles),
            attention_mask=None,
            use_cache=False,
        ).last_hidden_state
        logits = self.model.lm_head(hidden[batch.rows, batch.columns])
        return nn.functional.cross_entropy(logits.float(), batch.targets, reduction="none")

    def _visual(self, tiles: torch.Tensor) -> dict[str, Any]:
        """What the native class would compute from the tiles' pixels, also where their features are known already."""
        if not len(tiles):
            return {}
        vlm = self.model.model
        if tiles.dtype == torch.uint8:
            return {"image": vlm.get_image_features(normalise_on_device(tiles), return_dict=True)}
        side = math.isqrt(tiles.shape[1])
        grid = tiles.float().reshape(len(tiles), side, side, -1)
        grid = vlm.pixel_shuffle(grid, scale_factor=vlm.config.downsample_ratio)
        visual = vlm.multi_modal_projector(grid.reshape(len(tiles), -1, grid.shape[-1]))
        return {"image": BaseModelOutputWithPooling(pooler_output=visual)}
