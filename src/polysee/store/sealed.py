"""Small JSON files with a checksum of their own, so that a damaged one is known and treated as not there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import JsonValue

from polysee.store.atomic import write_json


class Damaged(Exception):
    """The file is not what was written: cut short, edited, or of another format."""


def write_sealed(path: Path, content: JsonValue) -> None:
    """Write ``content`` and its checksum at once or not at all. Raises `UserError` as `atomic.write_bytes` does."""
    write_json(path, {"content": content, "sha256": _digest(content)})


def read_sealed(path: Path) -> JsonValue:
    """The content of a sealed file. Raises `FileNotFoundError`, or `Damaged` if its checksum does not hold."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise Damaged(f"{path}: {error}") from error
    if not isinstance(value, dict) or set(value) != {"content", "sha256"}:
        raise Damaged(f"{path}: not a sealed file")
    if value["sha256"] != _digest(value["content"]):
        raise Damaged(f"{path}: the checksum does not hold")
    content: JsonValue = value["content"]
    return content


def _digest(content: JsonValue) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
