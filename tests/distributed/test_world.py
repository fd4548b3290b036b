"""The number of processes decides who computes a pack, and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import polysee
from polysee.training.loop import train_stage
from tiny_chain import Planned, log_rows, write_plan

SCRIPT = Path(__file__).parent / "train_rank.py"
WORLD, STEPS = 2, 8


def launch(run: Path, folder: Path, stop_at: int, plan: Path) -> list[str]:
    """What each rank prints. They start as torchrun starts them, without its own process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    ranks = []
    for rank in range(WORLD):
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(polysee.__file__).parents[1]),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "WORLD_SIZE": str(WORLD),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "ACCELERATE_USE_CPU": "1",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, str(SCRIPT), *map(str, (run, folder, stop_at, plan))]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        ranks.append(subprocess.Popen(command, env=environment, text=True, **pipes))
    said = [rank.communicate(timeout=240) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [9] * WORLD, said[0][1] + said[1][1]
    return [out.strip() for out, _ in said]


@pytest.fixture(scope="module")
def plan(planned: Planned, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain's plan, but that in two steps one rank's pack holds no picture."""
    data, samples = planned.data(), planned.samples()
    texts = [i for i, sample in samples.items() if not sample.media]
    steps = []
    for step in range(STEPS):
        ids = data.sample_ids(step)
        steps.append([ids[:2], ids[2:]] if step % 4 != 1 else [[ids[0]], texts[step : step + 2]])
    return write_plan(tmp_path_factory.mktemp("plan") / "plan.arrow", steps)


def test_two_processes_train_as_one_and_one_goes_on(planned: Planned, plan: Path, tmp_path: Path) -> None:
    alone = planned.stage(tmp_path / "alone", plan)
    train_stage(alone, lambda done, loss: None)
    # Two ranks end after six steps; one process goes on from what they saved after four.
    first, second = launch(planned.path, tmp_path / "two", 6, plan)
    assert first == second
    assert first.startswith("2 ")
    told: list[int] = []
    stage = planned.stage(tmp_path / "two", plan)
    train_stage(stage, lambda done, loss: told.append(done))
    assert told == [5, 6, 7, 8]
    rows, expected = log_rows(stage.log), log_rows(alone.log)
    for row, other in zip(rows, expected, strict=True):
        assert row.pop("loss") == pytest.approx(other.pop("loss"), abs=2e-6)
        languages, others = row.pop("languages"), other.pop("languages")
        assert row == other
        assert languages.keys() == others.keys()
        for tag, entry in languages.items():
            assert entry["tokens"] == others[tag]["tokens"]
            assert entry["loss"] == pytest.approx(others[tag]["loss"], abs=2e-5)
    for value, other in zip(stage.model.parameters(), alone.model.parameters(), strict=True):
        torch.testing.assert_close(value, other, rtol=0, atol=1e-4)
