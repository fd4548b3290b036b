"""How many tiles a medium becomes, by its size alone, and the tiles themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polysee.media.frames import sample_frames
from polysee.media.tiling import tile_count, tiles
from polysee.schema.sample import MediaRef

MAX_FRAMES = 8


@dataclass(frozen=True, slots=True)
class TilePolicy:
    """``tile``: pixels. ``image_tiles``: most tiles of an image (a thumbnail comes on top). Video frames get one."""

    tile: int
    image_tiles: int

    def count(self, medium: MediaRef) -> int:
        """Tiles of a medium, without its bytes."""
        if medium.kind == "video":
            return min(medium.frames, MAX_FRAMES)
        return tile_count(medium.width, medium.height, tile=self.tile, max_tiles=self.image_tiles)

    def cut(self, medium: MediaRef, data: bytes) -> NDArray[np.uint8]:
        """uint8 (`count`, tile, tile, 3). Raises `BadRecord` if the bytes cannot be decoded."""
        if medium.kind == "video":
            count = self.count(medium)
            frames = sample_frames(data, count, span=medium.span)
            cut = [tiles(f, tile=self.tile, max_tiles=1, thumbnail=False) for f in frames]
            # A span can hold fewer frames than its video, which is all that the plan knows: they are then repeated.
            return np.concatenate([cut[i * len(cut) // count] for i in range(count)])
        return tiles(data, tile=self.tile, max_tiles=self.image_tiles)
