"""Dynamic tiles: which grid an image gets, and its pixels cut to that grid.

The grid follows from width and height alone, so an epoch can be planned from metadata. The rule is that of the public
InternVL code (`dynamic_preprocess`) and of transformers' `GotOcr2ImageProcessor`; InternVL 2.5's paper words the
tie-break differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from polysee.media.decode import decode, decode_at_least, probe, to_rgb
from polysee.schema import MissingExtra

if TYPE_CHECKING:
    import torch

Mode = Literal["exact", "fast"]
UInt8 = npt.NDArray[np.uint8]


@lru_cache(maxsize=64)
def grids(min_tiles: int, max_tiles: int) -> tuple[tuple[int, int], ...]:
    """All (columns, rows) with ``min_tiles`` to ``max_tiles`` tiles, by growing tile count, then by columns.

    Raises `ValueError` unless 1 <= min_tiles <= max_tiles.
    """
    if not 1 <= min_tiles <= max_tiles:
        raise ValueError(f"need 1 <= min_tiles <= max_tiles, got {min_tiles} and {max_tiles}")
    found = [
        (columns, rows)
        for columns in range(1, max_tiles + 1)
        for rows in range(1, max_tiles // columns + 1)
        if columns * rows >= min_tiles
    ]
    return tuple(sorted(found, key=lambda grid: grid[0] * grid[1]))


@lru_cache(maxsize=65536)
def closest_grid(
    width: int, height: int, *, tile: int = 448, min_tiles: int = 1, max_tiles: int = 12
) -> tuple[int, int]:
    """The (columns, rows) whose aspect ratio is closest to that of a ``width`` x ``height`` image, in pixels.

    Grids are tried by growing tile count; on an exact tie the later grid wins only where the image has more than half
    of that grid's pixels. Raises `ValueError` for a size below 1 or an impossible range of tiles.
    """
    if width < 1 or height < 1 or tile < 1:
        raise ValueError(f"width, height and tile must be at least 1, got {width}, {height} and {tile}")
    aspect = width / height
    best_gap = float("inf")
    best = (1, 1)
    for columns, rows in grids(min_tiles, max_tiles):
        gap = abs(aspect - columns / rows)
        if gap < best_gap or (gap == best_gap and width * height > 0.5 * tile * tile * columns * rows):
            best_gap, best = gap, (columns, rows)
    return best


def tile_count(
    width: int, height: int, *, tile: int = 448, min_tiles: int = 1, max_tiles: int = 12, thumbnail: bool = True
) -> int:
    """How many tiles `tiles` makes of an image of that size: its grid, and one thumbnail where that is more than one.

    Raises `ValueError` as `closest_grid` does.
    """
    columns, rows = closest_grid(width, height, tile=tile, min_tiles=min_tiles, max_tiles=max_tiles)
    count = columns * rows
    return count + 1 if thumbnail and count > 1 else count


def tile_counts(
    widths: npt.ArrayLike,
    heights: npt.ArrayLike,
    *,
    tile: int = 448,
    min_tiles: int = 1,
    max_tiles: int = 12,
    thumbnail: bool = True,
) -> npt.NDArray[np.int64]:
    """`tile_count` of many images at once: int64, shape (n,). Raises `ValueError` as `closest_grid` does."""
    width = np.asarray(widths, dtype=np.int64)
    height = np.asarray(heights, dtype=np.int64)
    if width.shape != height.shape or width.ndim != 1:
        raise ValueError(f"widths and heights must be equally long lists, got shapes {width.shape} and {height.shape}")
    if tile < 1 or (width < 1).any() or (height < 1).any():
        raise ValueError("widths, heights and tile must be at least 1")
    aspect = width / height
    area = width * height
    best_gap = np.full(aspect.shape, np.inf)
    count = np.ones(aspect.shape, dtype=np.int64)
    for columns, rows in grids(min_tiles, max_tiles):
        gap = np.abs(aspect - columns / rows)
        wins = (gap < best_gap) | ((gap == best_gap) & (area > 0.5 * tile * tile * columns * rows))
        best_gap[wins] = gap[wins]
        count[wins] = columns * rows
    return count + (count > 1) if thumbnail else count


def tiles(
    image: Image.Image | bytes,
    *,
    tile: int = 448,
    min_tiles: int = 1,
    max_tiles: int = 12,
    thumbnail: bool = True,
    mode: Mode = "exact",
) -> UInt8:
    """The tiles of an image, row by row, the thumbnail last: uint8, shape (n, tile, tile, 3), RGB.

    ``exact`` is equal in every pixel to transformers' `GotOcr2ImageProcessorPil` with ``crop_to_patches``: full
    decode, Pillow's bicubic. ``fast`` lets libjpeg decode a large JPEG at a reduced size that is never below the
    grid's, and resizes with torch's 8-bit antialiased bicubic: the same filter with its own rounding. Raises
    `BadRecord` for bad bytes, `ValueError` as `closest_grid` does, and `MissingExtra` where fast mode lacks torch.
    """
    if mode not in ("exact", "fast"):
        raise ValueError(f"mode must be 'exact' or 'fast', got {mode!r}")
    if isinstance(image, bytes):
        # The grid follows from the true size, also where the decoder is about to give a smaller picture.
        info = probe(image)
        width, height = info.width, info.height
    else:
        width, height = image.size
    columns, rows = closest_grid(width, height, tile=tile, min_tiles=min_tiles, max_tiles=max_tiles)
    if isinstance(image, bytes):
        picture = decode(image) if mode == "exact" else decode_at_least(image, columns * tile, rows * tile)
    else:
        picture = to_rgb(image)
    cut = _cut_exact if mode == "exact" else _cut_fast
    return cut(picture, columns, rows, tile, thumbnail and columns * rows > 1)


def normalise(tiles: UInt8, mean: Sequence[float], std: Sequence[float]) -> npt.NDArray[np.float32]:
    """(tiles / 255 - mean) / std as float32, shape (n, 3, height, width), from uint8 (n, height, width, 3).

    Rounds where transformers' PIL processors round: rescaled in float64, stored and normalised in float32. Raises
    `ValueError` for another shape or dtype, and for other than three means and deviations.
    """
    if tiles.dtype != np.uint8 or tiles.ndim != 4 or tiles.shape[3] != 3:
        raise ValueError(f"tiles must be uint8 (n, height, width, 3), got {tiles.dtype} {tiles.shape}")
    if len(mean) != 3 or len(std) != 3:
        raise ValueError(f"mean and std need three values each, got {len(mean)} and {len(std)}")
    # 256 possible inputs a channel: a table gives the processor's own rounding at the price of one look-up.
    levels = (np.arange(256, dtype=np.float64) * (1 / 255)).astype(np.float32)
    out = np.empty((tiles.shape[0], 3, tiles.shape[1], tiles.shape[2]), dtype=np.float32)
    for channel in range(3):
        table = (levels - np.float32(mean[channel])) / np.float32(std[channel])
        np.take(table, tiles[..., channel], out=out[:, channel])
    return out


def _cut_exact(image: Image.Image, columns: int, rows: int, tile: int, thumbnail: bool) -> UInt8:
    bicubic = Image.Resampling.BICUBIC
    grid = np.asarray(image.resize((columns * tile, rows * tile), bicubic))
    small = np.asarray(image.resize((tile, tile), bicubic)) if thumbnail else None
    return _assemble(grid, small, columns, rows, tile)


def _cut_fast(image: Image.Image, columns: int, rows: int, tile: int, thumbnail: bool) -> UInt8:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise MissingExtra("torch", "train") from error
    # A batch of one in channels-last order: torch resizes interleaved RGB as it lies, three times as fast as planes.
    pixels = torch.from_numpy(np.array(image))[None].permute(0, 3, 1, 2)
    grid = _resize(pixels, rows * tile, columns * tile)
    small = _resize(pixels, tile, tile) if thumbnail else None
    return _assemble(grid, small, columns, rows, tile)


def _resize(pixels: torch.Tensor, height: int, width: int) -> UInt8:
    import torch

    # "antialias" also makes the cubic kernel Pillow's (a = -0.5 instead of -0.75).
    resized = torch.nn.functional.interpolate(pixels, size=(height, width), mode="bicubic", antialias=True)
    array: UInt8 = resized[0].permute(1, 2, 0).numpy()
    return array


def _assemble(grid: UInt8, small: UInt8 | None, columns: int, rows: int, tile: int) -> UInt8:
    out = np.empty((columns * rows + (small is not None), tile, tile, 3), dtype=np.uint8)
    blocks = grid.reshape(rows, tile, columns, tile, 3).transpose(0, 2, 1, 3, 4)
    out[: columns * rows].reshape(rows, columns, tile, tile, 3)[:] = blocks
    if small is not None:
        out[-1] = small
    return out
