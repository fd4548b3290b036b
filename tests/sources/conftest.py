"""Small datasets in the public formats."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def png(colour: str = "red", size: tuple[int, int] = (8, 6)) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, "PNG")
    return target.getvalue()


def _line(record: Any) -> bytes:
    if isinstance(record, bytes):
        return record
    return (record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)).encode()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of two pictures and a file without bytes, beside a file that is not in it."""
    folder = tmp_path / "images"
    (folder / "猫").mkdir(parents=True)
    (folder / "a.png").write_bytes(png())
    (folder / "猫" / "ب.png").write_bytes(png("blue"))
    (folder / "zero.png").write_bytes(b"")
    (tmp_path / "secret.png").write_bytes(png("green"))
    return folder


@pytest.fixture
def write_lines(tmp_path: Path) -> Callable[..., Path]:
    """Writes JSON lines; bytes and text go in as they are."""

    def write(*records: Any, name: str = "data.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(b"\n".join(map(_line, records)) + b"\n")
        return path

    return write
