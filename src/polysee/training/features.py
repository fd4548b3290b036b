"""Features of a frozen vision encoder, computed once for every tile of a plan and kept beside the stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polysee.models.tiles import TilePolicy
from polysee.schema.sample import MediaRef
from polysee.store.atomic import make_folder, replacing
from polysee.store.fingerprint import hash_file
from polysee.store.sealed import Damaged, read_sealed, write_sealed
from polysee.training.config import Precision
from polysee.training.module import normalise_on_device

_MEDIA_AT_ONCE = 64

Report = Callable[[int, int], None]
"""Called with the media done and the media in all."""


class FeatureCache:
    """``features.bin``: float16 (tiles, patches, width), the encoder's output without its class token.

    It is built anew from the start if it is not what its checksum says; the tiles of a medium stand together.
    ``folder`` belongs to one stage and one fingerprint, so that what is found there fits. ``tower`` computes where its
    weights are. Disk: 2 x patches x width bytes a tile.
    """

    def __init__(self, folder: Path, policy: TilePolicy, tower: Any, precision: Precision) -> None:
        self._folder = make_folder(folder)
        self._policy = policy
        self._tower = tower
        self._half = precision == "bf16"
        self._rows: dict[str, tuple[int, int]] = {}
        self._data: NDArray[np.float16] = np.zeros((0, 1, 1), np.float16)

    def build(self, media: Sequence[MediaRef], read: Callable[[list[str]], dict[str, bytes]], report: Report) -> None:
        """Encode each of ``media`` once, or find that it is done. ``read``: hashes to bytes."""
        distinct = list({_key(medium): medium for medium in media}.values())
        offset = 0
        for medium in distinct:
            count = self._policy.count(medium)
            self._rows[_key(medium)] = (offset, offset + count)
            offset += count
        if not offset:
            return  # text alone: there is nothing to map
        config = self._tower.config
        shape = (offset, (config.image_size[0] // config.patch_size[0]) ** 2, config.hidden_size)
        data, done = self._folder / "features.bin", self._folder / "features.json"
        if not _is_whole(data, done):
            with replacing(data) as target:
                self._encode(distinct, read, report, np.memmap(target, np.float16, "w+", shape=shape))
            write_sealed(done, {"sha256": hash_file(data)})
        self._data = np.memmap(data, np.float16, "r", shape=shape)

    def read(self, medium: MediaRef) -> NDArray[np.float16]:
        """float16 (tiles, patches, width) of one medium. Raises `KeyError` if `build` was not given it."""
        first, last = self._rows[_key(medium)]
        return np.asarray(self._data[first:last])

    @torch.no_grad()
    def _encode(
        self,
        media: Sequence[MediaRef],
        read: Callable[[list[str]], dict[str, bytes]],
        report: Report,
        out: NDArray[np.float16],
    ) -> None:
        device = next(self._tower.parameters()).device
        for start in range(0, len(media), _MEDIA_AT_ONCE):
            part = media[start : start + _MEDIA_AT_ONCE]
            data = read([medium.sha256 for medium in part])
            tiles = np.concatenate([self._policy.cut(medium, data[medium.sha256]) for medium in part])
            pixels = normalise_on_device(torch.from_numpy(tiles).to(device))
            with torch.autocast(device.type, torch.bfloat16, enabled=self._half):
                features = self._tower(pixel_values=pixels)
            first = self._rows[_key(part[0])][0]
            out[first : first + len(tiles)] = features.last_hidden_state[:, 1:].half().cpu().numpy()
            report(start + len(part), len(media))


def _is_whole(data: Path, done: Path) -> bool:
    try:
        mark = read_sealed(done)
    except (FileNotFoundError, Damaged):
        return False
    return data.is_file() and mark == {"sha256": hash_file(data)}


def _key(medium: MediaRef) -> str:
    return f"{medium.sha256}/{medium.box}/{medium.span}"
