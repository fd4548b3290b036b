"""What is planned for a medium is what is cut of it."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from polysee.media.frames import video_info, write_video
from polysee.models.tiles import MAX_FRAMES, TilePolicy, region
from polysee.schema import BadRecord
from polysee.schema.sample import MediaRef

TILE = 16


def png(width: int, height: int) -> bytes:
    pixels = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


@cache
def video(frames: int) -> bytes:
    """Each frame of one grey, lighter and lighter; four a second."""
    step = 255 // max(1, frames - 1)
    return write_video([Image.new("RGB", (32, 24), (i * step,) * 3) for i in range(frames)], fps=4)


def video_ref(frames: int, span: tuple[float, float] | None = None) -> MediaRef:
    info = video_info(video(frames))
    assert info.frames == frames
    return MediaRef("0" * 64, "video", info.width, info.height, info.frames, span=span)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 6))
def test_an_image_has_as_many_tiles_as_planned(width: int, height: int, most: int) -> None:
    policy = TilePolicy(TILE, most)
    ref = MediaRef("0" * 64, "image", width, height)
    cut = policy.cut(ref, png(width, height))
    assert cut.shape == (policy.count(ref), TILE, TILE, 3)
    assert cut.dtype == np.uint8
    assert len(cut) <= most + 1


def test_known_counts() -> None:
    policy = TilePolicy(448, 12)
    assert policy.count(MediaRef("0" * 64, "image", 448, 448)) == 1
    assert policy.count(MediaRef("0" * 64, "image", 1000, 800)) == 13
    assert policy.count(MediaRef("0" * 64, "page", 800, 400)) == 3
    assert TilePolicy(448, 1).count(MediaRef("0" * 64, "image", 1000, 800)) == 1
    assert policy.count(MediaRef("0" * 64, "video", 1000, 800, 4)) == 4
    assert policy.count(MediaRef("0" * 64, "video", 1000, 800, 400)) == MAX_FRAMES == 8


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        ((0.0, 0.0, 32.0, 32.0), (0, 0, 32, 32)),
        ((10.4, 4.6, 60.2, 12.0), (10, 4, 61, 12)),
        ((-3.0, 50.0, 8.0, 900.0), (0, 50, 8, 64)),
        ((63.5, 64.0, 70.0, 70.0), (63, 63, 64, 64)),
    ],
)
def test_of_a_box_its_region_alone_is_cut(
    box: tuple[float, float, float, float], whole: tuple[int, int, int, int]
) -> None:
    policy = TilePolicy(TILE, 6)
    data = png(64, 64)
    ref = MediaRef("0" * 64, "image", 64, 64, box=box)
    assert region(ref) == whole
    crop = Image.open(io.BytesIO(data)).crop(whole)
    target = io.BytesIO()
    crop.save(target, "PNG")
    alone = MediaRef("1" * 64, "image", crop.width, crop.height)
    assert policy.count(ref) == policy.count(alone)
    assert np.array_equal(policy.cut(ref, data), policy.cut(alone, target.getvalue()))


def test_of_a_box_in_a_video_its_region_alone_is_cut() -> None:
    halves = Image.new("RGB", (32, 24), "white")
    halves.paste("black", (0, 0, 16, 24))
    data = write_video([halves] * 3, fps=4)
    ref = MediaRef("0" * 64, "video", 32, 24, 3, box=(20.0, 0.0, 32.0, 24.0))
    cut = TilePolicy(TILE, 4).cut(ref, data)
    assert cut.shape == (3, TILE, TILE, 3)
    assert cut.min() > 200


@pytest.mark.parametrize("frames", [1, 3, 4, 8, 9, 20])
def test_a_video_has_one_tile_for_each_frame(frames: int) -> None:
    policy = TilePolicy(TILE, 4)
    ref = video_ref(frames)
    cut = policy.cut(ref, video(frames))
    assert cut.shape == (policy.count(ref), TILE, TILE, 3) == (min(frames, MAX_FRAMES), TILE, TILE, 3)
    light = cut.reshape(len(cut), -1).mean(axis=1)
    assert (np.diff(light) > 0).all()  # in order of time
    assert light[0] < 30 or frames > MAX_FRAMES
    assert light[-1] > 220 or frames in (1, 20)


@pytest.mark.parametrize("span", [(0.0, 1.0), (1.0, 1.5), (2.0, 9.0), (0.0, 9.0)])
def test_a_span_of_a_video_has_as_many_tiles_as_planned(span: tuple[float, float]) -> None:
    policy = TilePolicy(TILE, 4)
    ref = video_ref(20, span)
    cut = policy.cut(ref, video(20))
    assert cut.shape == (policy.count(ref), TILE, TILE, 3)
    light = cut.reshape(len(cut), -1).mean(axis=1)
    assert (np.diff(light) >= 0).all()
    inside = [i * 13 for i in range(20) if span[0] <= i / 4 < span[1]]
    assert light.min() >= inside[0] - 4
    assert light.max() <= inside[-1] + 4


def test_an_empty_span_is_a_bad_record() -> None:
    with pytest.raises(BadRecord, match="empty-span"):
        TilePolicy(TILE, 4).cut(video_ref(4, (5.0, 6.0)), video(4))


def test_bytes_that_are_no_picture() -> None:
    with pytest.raises(BadRecord):
        TilePolicy(TILE, 4).cut(MediaRef("0" * 64, "image", 16, 16), b"\x89PNG")
