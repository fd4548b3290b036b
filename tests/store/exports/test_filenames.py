"""File names that every system allows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_run import picture, video
from polysee.store.exports.filenames import split_names, suffix


@given(st.sets(st.text(min_size=1, max_size=80) | st.sampled_from(["train", "Train", "CON", "nul", "a-b", "a.b"])))
def test_split_names(splits: set[str]) -> None:
    names = split_names(splits)
    assert set(names) == splits
    assert len({name.casefold() for name in names.values()}) == len(splits)
    for name in names.values():
        assert re.fullmatch(r"\w{1,80}", name, re.ASCII)
        assert name.upper() not in {"CON", "NUL", "AUX", "PRN"}


def test_good_names_stay() -> None:
    assert split_names(["train", "scenes"]) == {"train": "train", "scenes": "scenes"}


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif"), ("BMP", "bmp"), ("TIFF", "tif")],
)
def test_suffix(kind: str, ending: str) -> None:
    assert suffix(picture(1, kind)) == ending


def test_suffix_of_videos_and_of_neither() -> None:
    assert suffix(video()) == "mp4"
    assert suffix(b"RIFF\0\0\0\0AVI LIST") == "avi"
    assert suffix(b"\x1aE\xdf\xa3\x01\x42\x82\x84webm") == "webm"
    with pytest.raises(ValueError, match="no medium"):
        suffix(b"hello")
