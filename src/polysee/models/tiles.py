"""How many tiles a medium becomes, by its size alone, and the tiles themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polysee.media.decode import decode
from polysee.media.frames import sample_frames
from polysee.media.tiling import tile_count, tiles
from polysee.schema.sample import MediaRef

MAX_FRAMES = 8


@dataclass(frozen=True, slots=True)
class TilePolicy:
    """``tile``: pixels. ``image_tiles``: most tiles of an image (a thumbnail comes on top). Video frames get one.

    Of a medium with a box only that region is cut, as if it were the whole picture.
    """

    tile: int
    image_tiles: int

    def count(self, medium: MediaRef) -> int:
        """Tiles of a medium, without its bytes."""
        if medium.kind == "video":
            return min(medium.frames, MAX_FRAMES)
        x1, y1, x2, y2 = region(medium)
        return tile_count(x2 - x1, y2 - y1, tile=self.tile, max_tiles=self.image_tiles)

    def cut(self, medium: MediaRef, data: bytes) -> NDArray[np.uint8]:
        """uint8 (`count`, tile, tile, 3). Raises `BadRecord` if the bytes cannot be decoded."""
        if medium.kind == "video":
            count = self.count(medium)
            frames = sample_frames(data, count, span=medium.span)
            if medium.box is not None:
                frames = [frame.crop(region(medium)) for frame in frames]
            cut = [tiles(f, tile=self.tile, max_tiles=1, thumbnail=False) for f in frames]
            # A span can hold fewer frames than its video, which is all that the plan knows: they are then repeated.
            return np.concatenate([cut[i * len(cut) // count] for i in range(count)])
        image = data if medium.box is None else decode(data).crop(region(medium))
        return tiles(image, tile=self.tile, max_tiles=self.image_tiles)


def region(medium: MediaRef) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of what is meant of a medium: whole pixels that hold its box, within it, at least one."""
    if medium.box is None:
        return 0, 0, medium.width, medium.height
    x1, y1, x2, y2 = medium.box
    left = min(max(math.floor(x1), 0), medium.width - 1)
    top = min(max(math.floor(y1), 0), medium.height - 1)
    right = max(min(math.ceil(x2), medium.width), left + 1)
    bottom = max(min(math.ceil(y2), medium.height), top + 1)
    return left, top, right, bottom
