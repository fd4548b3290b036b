"""Killed at the write points after the data: encoder, tokenizer, plans, training, evaluation, report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "crash_chain.py"
KILLED = 137
STEPS = ["encoder", "tokenizer", "pack-warm", "pack-full", "train-warm", "train-full", "evaluate", "report"]


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: these runs spend most of their time waiting for a disk."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="polysee-chain-", dir=base) as name:
        yield Path(name)


@pytest.mark.parametrize("which", ["distinct", pytest.param("all", marks=pytest.mark.slow)])
def test_killed_at_write_points_after_the_data(memory_folder: Path, which: str) -> None:
    command = [sys.executable, str(SCRIPT), which, str(memory_folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    steps: dict[str, dict[str, Any]] = {}
    attempts: dict[str, list[dict[str, Any]]] = {}
    name = ""
    for line in map(json.loads, done.stdout.splitlines()):
        if "step" in line:
            name = line["step"]
            steps[name], attempts[name] = line, []
        else:
            attempts[name].append(line)
    assert list(steps) == [*STEPS, "the whole chain"]
    for name, step in steps.items():
        assert [(one["killed"], one["status"]) for one in attempts[name]] == [(n, KILLED) for n in step["points"]]
        for one in attempts[name]:
            assert (name, one["killed"], one["outcome"]) == (name, one["killed"], step["outcome"])
    _is_whole(steps["the whole chain"]["outcome"])
    # Fewer would mean that some instants are no longer marked.
    least = {"encoder": 6, "tokenizer": 7, "pack-warm": 7, "train-warm": 18, "train-full": 15, "evaluate": 10}
    assert {name: steps[name]["of"] for name in least if steps[name]["of"] < least[name]} == {}


def _is_whole(outcome: dict[str, str]) -> None:
    """All that the chain makes is there, and nothing of how it came about."""
    wanted = {
        "encoder/vision.safetensors",
        "tokenizer/tokenizer.json",
        "plans/warm.arrow",
        "plans/full.arrow",
        "train.jsonl",
        "checkpoints/warm/model.safetensors",
        "checkpoints/full/model.safetensors",
        "scores.json",
        "report.html",
    }
    assert wanted <= outcome.keys()
    assert outcome["samples"]
    assert outcome["predictions"]
    assert [name for name in outcome if name.startswith("journal/") or ".tmp-" in name] == []
