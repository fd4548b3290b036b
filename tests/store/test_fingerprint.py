from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from polysee.store.fingerprint import fingerprint, hash_file


def test_depends_on_every_part_and_on_nothing_else() -> None:
    base = fingerprint("select", 1, {"where": "n > 1", "a": [1, 2]}, ["x", "y"])
    assert base == fingerprint("select", 1, {"a": [1, 2], "where": "n > 1"}, ["x", "y"])
    others = {
        fingerprint("score", 1, {"where": "n > 1", "a": [1, 2]}, ["x", "y"]),
        fingerprint("select", 2, {"where": "n > 1", "a": [1, 2]}, ["x", "y"]),
        fingerprint("select", 1, {"where": "n > 2", "a": [1, 2]}, ["x", "y"]),
        fingerprint("select", 1, {"where": "n > 1", "a": [2, 1]}, ["x", "y"]),
        fingerprint("select", 1, {"where": "n > 1", "a": [1, 2]}, ["y", "x"]),
        fingerprint("select", 1, {"where": "n > 1", "a": [1, 2]}, ["xy"]),
    }
    assert len(others | {base}) == 7


def test_is_the_same_on_every_machine() -> None:
    text = '["demo",1,{"language":"ქართული"},["a"]]'
    assert fingerprint("demo", 1, {"language": "ქართული"}, ["a"]) == hashlib.sha256(text.encode()).hexdigest()


def test_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="JSON"):
        fingerprint("demo", 1, float("inf"), [])
    with pytest.raises(TypeError):
        fingerprint("demo", 1, object(), [])  # type: ignore[arg-type]


def test_hash_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
