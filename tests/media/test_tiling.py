"""Grids and pixels equal to the public rule and to transformers' own processor."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import (
    GotOcr2ImageProcessorPil,
    get_optimal_tiled_canvas,
)

from polysee.media import tiling
from polysee.media.decode import decode, decode_at_least
from polysee.media.tiling import closest_grid, grids, normalise, tile_count, tile_counts, tiles
from polysee.schema import BadRecord, MissingExtra

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = [(1, 1), (3, 500), (500, 3), (97, 61), (448, 448), (449, 447), (640, 480), (333, 1000), (900, 300), (1000, 800)]


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize((width, height), 3)
    pixels = np.asarray(coarse, dtype=float) + rng.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def native(image: Image.Image, tile: int, low: int, high: int, *, floats: bool = False) -> np.ndarray:
    processor = GotOcr2ImageProcessorPil(
        size={"height": tile, "width": tile},
        crop_to_patches=True,
        min_patches=low,
        max_patches=high,
        image_mean=list(MEAN),
        image_std=list(STD),
        do_rescale=floats,
        do_normalize=floats,
    )
    return processor(image, return_tensors="np")["pixel_values"]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    square = float(((a.astype(float) - b.astype(float)) ** 2).mean())
    return float("inf") if square == 0 else 10 * float(np.log10(255**2 / square))


@pytest.mark.parametrize(
    ("size", "grid", "count"),
    [
        ((448, 448), (1, 1), 1),
        # All squares tie: 2x2 wins only with more than half of its 896 x 896 pixels, 3x3 likewise.
        ((633, 633), (1, 1), 1),
        ((634, 634), (2, 2), 5),
        ((950, 950), (2, 2), 5),
        ((951, 951), (3, 3), 10),
        ((1000, 800), (4, 3), 13),
        ((3000, 2000), (3, 2), 7),
        ((800, 400), (2, 1), 3),
        ((10_000, 100), (12, 1), 13),
        ((100, 10_000), (1, 12), 13),
    ],
)
def test_known_grids(size: tuple[int, int], grid: tuple[int, int], count: int) -> None:
    assert closest_grid(*size) == grid
    assert tile_count(*size) == count
    assert tile_count(*size, thumbnail=False) == grid[0] * grid[1]


@given(
    st.integers(1, 6000), st.integers(1, 6000), st.integers(1, 6), st.integers(0, 40), st.sampled_from([28, 384, 448])
)
@settings(max_examples=400, deadline=None)
def test_grid_is_the_native_one(width: int, height: int, low: int, more: int, tile: int) -> None:
    high = low + more
    ours = closest_grid(width, height, tile=tile, min_tiles=low, max_tiles=high)
    assert ours == tuple(get_optimal_tiled_canvas((height, width), (tile, tile), low, high))
    assert low <= ours[0] * ours[1] <= high


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 500))
@settings(max_examples=300, deadline=None)
def test_exact_ties_are_broken_as_natively(a: int, b: int, c: int, d: int, scale: int) -> None:
    # The mean of two grids' aspect ratios is exactly as far from both.
    width, height = (a * d + b * c) * scale, 2 * b * d * scale
    assert closest_grid(width, height) == tuple(get_optimal_tiled_canvas((height, width), (448, 448), 1, 12))


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=40),
    st.integers(1, 4),
    st.integers(4, 24),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_counts_of_many_are_the_counts_of_each(
    sizes: list[tuple[int, int]], low: int, high: int, thumbnail: bool
) -> None:
    # Add square ones, where many grids tie.
    sizes = [*sizes, *((w, w) for w, _ in sizes)]
    many = tile_counts(*zip(*sizes, strict=True), min_tiles=low, max_tiles=high, thumbnail=thumbnail)
    each = [tile_count(w, h, min_tiles=low, max_tiles=high, thumbnail=thumbnail) for w, h in sizes]
    assert many.dtype == np.int64
    assert many.tolist() == each


def test_exactly_half_of_the_pixels_is_not_more_than_half() -> None:
    # 0.45 is as far from 2:4 as from 2:5, whose grid has 36,000 pixels.
    assert closest_grid(90, 200, tile=60) == (2, 4)
    assert closest_grid(180, 400, tile=60) == (2, 5)
    assert tile_counts([90, 180], [200, 400], tile=60).tolist() == [9, 11]


def test_grids_grow_and_then_widen() -> None:
    assert grids(1, 4) == ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (1, 4), (2, 2), (4, 1))


@pytest.mark.parametrize(("low", "high"), [(0, 4), (5, 4), (1, 0)])
def test_impossible_ranges_are_refused(low: int, high: int) -> None:
    with pytest.raises(ValueError, match="min_tiles"):
        closest_grid(10, 10, min_tiles=low, max_tiles=high)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        closest_grid(0, 10)
    with pytest.raises(ValueError, match="at least 1"):
        tile_counts([1, 0], [1, 1])
    with pytest.raises(ValueError, match="equally long"):
        tile_counts([1, 2], [1])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("tile", "low", "high"), [(448, 1, 12), (448, 1, 6), (56, 1, 1), (56, 2, 9), (64, 4, 40)])
def test_exact_pixels_are_the_native_ones(size: tuple[int, int], tile: int, low: int, high: int) -> None:
    image = picture(*size)
    ours = tiles(image, tile=tile, min_tiles=low, max_tiles=high)
    assert np.array_equal(ours, native(image, tile, low, high).transpose(0, 2, 3, 1))
    assert len(ours) == tile_count(*size, tile=tile, min_tiles=low, max_tiles=high)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 12))
@settings(max_examples=30, deadline=None)
def test_exact_pixels_of_any_small_picture(width: int, height: int, high: int) -> None:
    image = picture(width, height, seed=width)
    assert np.array_equal(tiles(image, tile=32, max_tiles=high), native(image, 32, 1, high).transpose(0, 2, 3, 1))


def test_bytes_and_picture_give_the_same_tiles() -> None:
    data = jpeg(picture(700, 500))
    assert np.array_equal(tiles(data), tiles(decode(data)))
    assert np.array_equal(tiles(data), native(decode(data), 448, 1, 12).transpose(0, 2, 3, 1))


def test_turned_jpegs_are_tiled_as_displayed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(picture(1800, 600), exif=exif)
    for mode in ("exact", "fast"):
        assert len(tiles(data, mode=mode, tile=64)) == tile_count(600, 1800, tile=64)
    assert psnr(tiles(data, mode="fast", tile=64), tiles(data, tile=64)) > 30


def test_without_thumbnail() -> None:
    image = picture(900, 450)
    assert np.array_equal(tiles(image, thumbnail=False), tiles(image)[:-1])


@pytest.mark.parametrize("size", [(1000, 800), (1500, 1000), (2800, 1900), (300, 1300), (449, 448)])
def test_fast_is_close_to_exact(size: tuple[int, int]) -> None:
    data = jpeg(picture(*size))
    fast, exact = tiles(data, mode="fast"), tiles(data)
    assert fast.shape == exact.shape
    assert psnr(fast, exact) > 32


def test_fast_without_a_reduced_decode_differs_by_rounding_alone() -> None:
    image = picture(1000, 800)
    difference = np.abs(tiles(image, mode="fast").astype(int) - tiles(image).astype(int))
    assert difference.max() <= 3
    assert difference.mean() < 0.02


@given(st.integers(40, 900), st.integers(40, 900))
@settings(max_examples=25, deadline=None)
def test_fast_never_decodes_below_the_grid(width: int, height: int) -> None:
    data = jpeg(Image.new("RGB", (width, height), "teal"))
    columns, rows = closest_grid(width, height, tile=32)
    got = decode_at_least(data, columns * 32, rows * 32).size
    assert got[0] >= min(width, columns * 32)
    assert got[1] >= min(height, rows * 32)


def test_fast_decodes_large_photographs_at_a_reduced_size(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []

    def spy(data: bytes, width: int, height: int) -> Image.Image:
        image = decode_at_least(data, width, height)
        seen.append(image.size)
        return image

    monkeypatch.setattr(tiling, "decode_at_least", spy)
    tiles(jpeg(Image.new("RGB", (3000, 2000))), mode="fast")
    assert seen == [(1500, 1000)]


def test_fast_without_torch_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'polysee\[train\]'"):
        tiles(picture(50, 50), mode="fast")
    assert tiles(picture(50, 50)).shape == (1, 448, 448, 3)


@pytest.mark.parametrize("size", [(97, 61), (1000, 800)])
def test_normalised_floats_are_the_native_ones(size: tuple[int, int]) -> None:
    image = picture(*size)
    ours = normalise(tiles(image), MEAN, STD)
    theirs = native(image, 448, 1, 12, floats=True)
    assert ours.dtype == theirs.dtype == np.float32
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-6


def test_normalise_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="uint8"):
        normalise(np.zeros((1, 4, 4, 3), np.float32), MEAN, STD)
    with pytest.raises(ValueError, match="three values"):
        normalise(np.zeros((1, 4, 4, 3), np.uint8), (0.5,), (0.5,))


def test_bad_bytes_and_modes() -> None:
    with pytest.raises(BadRecord, match="not-an-image"):
        tiles(b"hello")
    with pytest.raises(ValueError, match="mode"):
        tiles(picture(5, 5), mode="quick")  # type: ignore[arg-type]
