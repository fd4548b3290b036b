"""Worse pictures: the same each time, worse with each level, the same size."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from polysee.media.decode import decode
from polysee.media.distort import KINDS, LEVELS, distort, distort_bytes, variant_name


def _picture(width: int = 200, height: int = 150) -> Image.Image:
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (29, 37, 3)).astype(np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)


def _error(image: Image.Image, other: Image.Image) -> float:
    return float(np.square(np.asarray(image, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_each_level_is_worse(kind: str) -> None:
    image = _picture()
    errors = []
    for level in LEVELS:
        made = distort(image, kind, level, key="a")
        assert (made.size, made.mode) == (image.size, "RGB")
        assert made.tobytes() == distort(image, kind, level, key="a").tobytes()
        errors.append(_error(image, made))
    assert 0 < errors[0] < errors[1] < errors[2]


def test_only_noise_depends_on_the_key() -> None:
    image = _picture()
    for kind in KINDS:
        same = distort(image, kind, 2, key="a").tobytes() == distort(image, kind, 2, key="b").tobytes()
        assert same == (kind != "noise")


@pytest.mark.parametrize("kind", ["blur", "noise", "pixelate"])
def test_strength_does_not_depend_on_the_resolution(kind: str) -> None:
    found = []
    for side in (300, 1200):
        image = _picture(side, side)
        made = distort(image, kind, 2, key="a")
        small = [one.resize((100, 100), Image.Resampling.BOX) for one in (image, made)]
        found.append(_error(*small))
    assert found[0] == pytest.approx(found[1], rel=0.6)


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_sizes_and_modes(kind: str, size: tuple[int, int]) -> None:
    assert distort(Image.new("RGBA", size, (10, 200, 30, 100)), kind, 3, key="صورة").size == size


def test_bytes_and_names() -> None:
    buffer = io.BytesIO()
    _picture().save(buffer, "PNG")
    made = decode(distort_bytes(buffer.getvalue(), "noise", 1, key="a"))
    assert made.tobytes() == distort(_picture(), "noise", 1, key="a").tobytes()
    assert variant_name("blur", 2) == "blur-2"
    with pytest.raises(ValueError, match="no distortion is called fog-1"):
        distort(_picture(), "fog", 1, key="a")
    with pytest.raises(ValueError, match="no distortion is called blur-4"):
        distort(_picture(), "blur", 4, key="a")
