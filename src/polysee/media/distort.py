"""Pictures of less quality, in three steps, the same on every machine: what a model's robustness is measured with."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageFilter

from polysee.media.decode import decode, to_rgb

LEVELS = (1, 2, 3)
_SIDE = 224
"""The picture side, in pixels, that the strengths below are meant for."""

# Levels 1, 3 and 5 of ImageNet-C (Hendrycks & Dietterich, ICLR 2019).
_BLUR = (1.0, 3.0, 6.0)
_NOISE = (0.08, 0.18, 0.38)
_JPEG = (25, 15, 7)
_CONTRAST = (0.4, 0.2, 0.05)
_PIXELATE = (0.6, 0.4, 0.25)


def distort(image: Image.Image, kind: str, level: int, *, key: str) -> Image.Image:
    """An RGB picture of the same size, worse by one of `KINDS` at one of `LEVELS` (3 is the worst).

    ``key``: whatever identifies the picture; equal keys give equal noise. Raises `ValueError` for an unknown kind or
    level.
    """
    if kind not in KINDS or level not in LEVELS:
        raise ValueError(f"no distortion is called {kind}-{level}: {', '.join(KINDS)}, levels 1 to {LEVELS[-1]}")
    return KINDS[kind](to_rgb(image), level - 1, key)


def distort_bytes(data: bytes, kind: str, level: int, *, key: str) -> bytes:
    """As `distort`, from encoded bytes to PNG bytes. Raises `BadRecord` for bytes that cannot be decoded."""
    buffer = io.BytesIO()
    # Read again at once: packing it tightly would cost more than the distortion.
    distort(decode(data), kind, level, key=key).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def variant_name(kind: str, level: int) -> str:
    """What answers to such pictures are called in the column ``variant`` of the predictions."""
    return f"{kind}-{level}"


def _blur(image: Image.Image, step: int, key: str) -> Image.Image:
    # A blur of so many pixels hides more of a small picture: it is a share of the side.
    radius = _BLUR[step] * min(image.size) / _SIDE
    return image.filter(ImageFilter.GaussianBlur(radius))


def _noise(image: Image.Image, step: int, key: str) -> Image.Image:
    """Gaussian, in each channel alone; grains are as large as a pixel at `_SIDE`, so that shrinking leaves them."""
    width, height = image.size
    scale = max(1.0, min(image.size) / _SIDE)
    grid = (max(1, round(height / scale)), max(1, round(width / scale)), 3)
    seed = int.from_bytes(hashlib.sha256(f"{key} noise {step}".encode()).digest()[:16], "big")
    drawn = np.random.Generator(np.random.PCG64(seed)).normal(0.0, _NOISE[step] * 255, grid)
    rows = np.minimum((np.arange(height) * grid[0]) // height, grid[0] - 1)
    columns = np.minimum((np.arange(width) * grid[1]) // width, grid[1] - 1)
    noisy = np.asarray(image, np.float64) + drawn[rows[:, None], columns[None, :]]
    return Image.fromarray(np.rint(np.clip(noisy, 0, 255)).astype(np.uint8))


def _jpeg(image: Image.Image, step: int, key: str) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG[step])
    return decode(buffer.getvalue())


def _contrast(image: Image.Image, step: int, key: str) -> Image.Image:
    pixels = np.asarray(image, np.float64)
    mean = pixels.mean((0, 1), keepdims=True)
    flat = (pixels - mean) * _CONTRAST[step] + mean
    return Image.fromarray(np.rint(np.clip(flat, 0, 255)).astype(np.uint8))


def _pixelate(image: Image.Image, step: int, key: str) -> Image.Image:
    share = _PIXELATE[step] * min(1.0, _SIDE / min(image.size))
    size = (max(1, int(image.width * share)), max(1, int(image.height * share)))
    small = image.resize(size, Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


KINDS: Mapping[str, Callable[[Image.Image, int, str], Image.Image]] = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "contrast": _contrast,
    "pixelate": _pixelate,
}
"""Distortions by name. Each takes an RGB picture, the level's place from 0, and the key."""
