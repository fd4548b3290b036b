"""Reads a dataset out of files in its public format, with the pictures that they name made on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from polysee import sources
from polysee.sources.base import Reject, SourceRecord

DATA = Path(__file__).parents[1] / "data"

Read = Callable[..., list[SourceRecord | Reject]]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """A source over files below ``tests/sources/data``; ``media`` are made in its folder of images."""

    def make(use: str, annotations: str, media: Sequence[str] = (), **params: Any) -> Any:
        folder = tmp_path / "media"
        folder.mkdir(exist_ok=True)
        for number, name in enumerate(media):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png((8 + number, 6)))
        found = {name: _path(value) for name, value in params.items()}
        kind = sources.get(use)
        return kind(kind.Params(annotations=_path(annotations), images=str(folder), **found), seed=1)

    return make


@pytest.fixture
def read(make: Callable[..., Any]) -> Read:
    """All that such a source reads."""

    def read(use: str, annotations: str, media: Sequence[str] = (), **params: Any) -> list[SourceRecord | Reject]:
        source = make(use, annotations, media, **params)
        return [one for shard in source.shards() for one in source.read(shard)]

    return read


def png(size: tuple[int, int]) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, "red").save(target, "PNG")
    return target.getvalue()


def _path(value: Any) -> Any:
    return str(DATA / value) if isinstance(value, str) and "/" in value and (DATA / value).exists() else value
