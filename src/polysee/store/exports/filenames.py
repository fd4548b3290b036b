"""Names of files that are allowed on every system: ASCII, no reserved words, no two that differ in case alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from polysee.schema.sample import MediaRef

_NOT_SAFE = re.compile(r"[^A-Za-z0-9_]+")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
_LONGEST = 60

_HEADS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II", "tif"),
    (b"MM", "tif"),
)
IMAGE_SUFFIXES = ("jpg", "png", "webp", "gif", "bmp", "tif")
VIDEO_SUFFIXES = ("mp4", "webm", "mkv", "avi")


def split_names(splits: Iterable[str]) -> dict[str, str]:
    """A file name of letters, digits and ``_`` for each split, which the Hub takes for a split's name as well.

    A split whose name has to change, or equals another's but for case, gets some digits of its hash.
    """
    found: dict[str, str] = {}
    for split in sorted(splits):
        name = _NOT_SAFE.sub("_", split)[:_LONGEST]
        taken = {other.casefold() for other in found.values()}
        if name != split or _RESERVED.fullmatch(name) or name.casefold() in taken:
            name = f"{name.strip('_') or 'split'}_{hashlib.sha256(split.encode()).hexdigest()[:8]}"
        found[split] = name
    return found


def suffix(data: bytes) -> str:
    """The usual ending, without its dot, of a stored medium. Raises `ValueError` for what no store would hold."""
    for head, name in _HEADS:
        if data.startswith(head):
            return name
    if data[:4] == b"RIFF":
        return "webp" if data[8:12] == b"WEBP" else "avi"
    if data[:4] == b"\x1aE\xdf\xa3":
        return "webm" if b"webm" in data[:64] else "mkv"
    if data[4:8] == b"ftyp":
        return "mp4"
    raise ValueError(f"bytes that start with {data[:12]!r} are no medium")


def media_path(ref: MediaRef, data: bytes) -> str:
    """``images/ab/abcd….png``: below 256 folders, as file systems and file managers like it."""
    folder = "videos" if ref.kind == "video" else "images"
    return f"{folder}/{ref.sha256[:2]}/{ref.sha256}.{suffix(data)}"
