"""Killed at any write point after the data: tokenizer, plans, encoder, training, evaluation, report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "crash_chain.py"


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: these runs spend most of their time waiting for a disk."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="polysee-chain-", dir=base) as name:
        yield Path(name)


def test_killed_at_every_write_point_after_the_data(memory_folder: Path) -> None:
    command = [sys.executable, str(SCRIPT), "points", str(memory_folder), "1", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    whole, *found, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert (whole["journal"], whole["leftovers"], whole["report"]) == ("", "", "True")
    assert {"plans/warm.arrow", "plans/full.arrow", "scores.json", "checkpoints/full/model.safetensors"} <= set(whole)
    assert end["points"] > 90, "the chain has fewer write points than it had: are some no longer marked?"
    assert len(found) == end["points"] - 1
    for number, one in enumerate(found, start=1):
        differing = {name: value for name, value in one.items() if whole.get(name) != value}
        assert (number, differing, one.keys()) == (number, {}, whole.keys())
