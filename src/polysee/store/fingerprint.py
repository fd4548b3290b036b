"""Fingerprints: what a step's result depends on, as one hash. Declared parameters only, never code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue


def fingerprint(name: str, version: int, parameters: JsonValue, inputs: Sequence[str]) -> str:
    """64 hex digits (SHA-256) of a step's name, version, parameters and the fingerprints of what it reads.

    The order of keys in ``parameters`` does not matter, the order of ``inputs`` does. Raises `ValueError` for
    parameters that JSON cannot hold (NaN, infinities) and `TypeError` for those that are no JSON at all.
    """
    content = [name, version, parameters, list(inputs)]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_file(path: Path | str) -> str:
    """SHA-256 of the bytes of a file, 64 hex digits. Raises `OSError` if it cannot be read."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
