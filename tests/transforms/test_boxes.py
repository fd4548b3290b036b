"""Boxes drawn into pictures."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from polysee.schema.errors import BadRecord
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.transforms.base import Failed, Made
from polysee.transforms.boxes import RED, Boxes, BoxesParams, clamp_box

Box = tuple[float, float, float, float]


def _picture(size: tuple[int, int] = (100, 60), **save: Any) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, "white").save(target, "PNG", **save)
    return target.getvalue()


def _sample(data: bytes, *boxes: Box | None, size: tuple[int, int] = (100, 60), kind: Any = "image") -> Sample:
    sha256 = hashlib.sha256(data).hexdigest()
    media = tuple(MediaRef(sha256, kind, *size, box=box) for box in boxes)
    turn = (Turn("这是什么？", "一只猫。"),)
    return make_sample(task="vqa", language="zh", turns=turn, origin=Origin("s", "1", "MIT"), media=media)


def _apply(sample: Sample, data: bytes, **params: Any) -> Made | Failed:
    (result,) = Boxes(BoxesParams(**params)).apply([sample], {hashlib.sha256(data).hexdigest(): data}.__getitem__)
    return result


def _pixels(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_red_rectangle_inside_the_box() -> None:
    data = _picture()
    made = _apply(_sample(data, (10, 20, 50, 40)), data)
    assert isinstance(made, Made)
    (blob,), (ref,) = made.media, made.sample.media
    assert (ref.box, ref.width, ref.height, ref.sha256) == (None, 100, 60, hashlib.sha256(blob.data).hexdigest())
    red = (_pixels(blob.data) == RED).all(axis=2)
    assert np.flatnonzero(red.any(axis=1))[[0, -1]].tolist() == [20, 39]
    assert np.flatnonzero(red.any(axis=0))[[0, -1]].tolist() == [10, 49]
    assert not red[22:38, 12:48].any()
    assert red[20:22, 10:50].all()
    assert (_pixels(blob.data)[~red] == 255).all()


def test_lineage_and_the_same_bytes_twice() -> None:
    data = _picture()
    sample = _sample(data, None, (1, 1, 9, 9))
    made, again = _apply(sample, data), _apply(sample, data)
    assert isinstance(made, Made)
    assert made == again
    assert made.sample.media[0] == sample.media[0]
    assert len(made.media) == 1
    assert (made.sample.origin.parent, made.sample.origin.step) == (sample.id, "boxes")
    assert made.sample.id != sample.id


def test_a_sample_without_boxes_passes() -> None:
    data = _picture()
    sample = _sample(data, None)
    assert _apply(sample, data) == Made(sample)


def test_the_line_grows_with_the_picture() -> None:
    data = _picture((1000, 500))
    made = _apply(_sample(data, (100, 100, 900, 400), size=(1000, 500)), data, width=0.01)
    assert isinstance(made, Made)
    red = (_pixels(made.media[0].data) == RED).all(axis=2)
    assert red[:, 500].sum() == 20


def test_coordinates_are_those_of_the_picture_as_displayed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = _picture((100, 60), exif=exif)
    made = _apply(_sample(data, (0, 0, 20, 90), size=(60, 100)), data)
    assert isinstance(made, Made)
    red = (_pixels(made.media[0].data) == RED).all(axis=2)
    assert red.shape == (100, 60)
    assert np.flatnonzero(red.any(axis=1))[-1] == 89


@pytest.mark.parametrize(
    ("reason", "box"),
    [("box-outside", (200, 0, 300, 10)), ("box-outside", (-20, 0, -1, 10)), ("box-outside", (0, 60, 10, 70)),
     ("bad-box", (10, 10, 10, 20)), ("bad-box", (20, 10, 10, 20)), ("bad-box", (float("nan"), 0, 1, 1)),
     ("bad-box", (0, 0, float("inf"), 1))],
)  # fmt: skip
def test_boxes_that_cannot_be_drawn(reason: str, box: Box) -> None:
    data = _picture()
    result = _apply(_sample(data, box), data)
    assert isinstance(result, Failed)
    assert result.reason == reason


def test_media_that_cannot_be_drawn_on() -> None:
    data = _picture()
    video = _apply(_sample(data, (0, 0, 9, 9), kind="video"), data)
    assert isinstance(video, Failed)
    assert video.reason == "box-on-video"
    broken = data[:-30]
    result = _apply(_sample(broken, (0, 0, 9, 9)), broken)
    assert isinstance(result, Failed)
    assert result.reason == "truncated-image"


@given(
    box=st.tuples(*[st.floats(-200, 200) for _ in range(4)]),
    frame=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    size=st.tuples(st.integers(1, 150), st.integers(1, 150)),
)
def test_clamped_boxes_lie_in_the_picture(box: Box, frame: tuple[int, int], size: tuple[int, int]) -> None:
    outside = box[0] >= frame[0] or box[1] >= frame[1] or box[2] <= 0 or box[3] <= 0
    if outside or box[0] >= box[2] or box[1] >= box[3]:
        with pytest.raises(BadRecord, match=r"bad-box|box-outside"):
            clamp_box(box, frame, size)
        return
    x1, y1, x2, y2 = clamp_box(box, frame, size)
    assert 0 <= x1 < x2 <= size[0]
    assert 0 <= y1 < y2 <= size[1]
