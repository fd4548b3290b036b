"""Killed at any instant, run again, identical dataset: every write point, whole process groups, lone workers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "crash_run.py"
SLICES = 4


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: a hundred runs spend most of their time waiting for a disk."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="polysee-crash-", dir=base) as name:
        yield Path(name)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(SCRIPT), *map(str, arguments)]


def lines(*arguments: str | Path, **more: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, env={**os.environ, **more}, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    (found,) = lines("run", tmp_path_factory.mktemp("undisturbed"), "0")
    assert found["media_rows"] == "14"
    assert (found["journal"], found["leftovers"]) == ("", "")
    return found


@pytest.mark.parametrize("part", range(1, SLICES + 1))
def test_killed_at_every_write_point(memory_folder: Path, undisturbed: dict[str, Any], part: int) -> None:
    *found, end = lines("points", memory_folder, str(part), str(SLICES))
    assert end["points"] > 100, "the run has fewer write points than it had: are some no longer marked?"
    assert part + len(found) * SLICES == end["points"]
    assert [one for one in found if one != undisturbed] == []


def test_killed_again_and_again(memory_folder: Path, undisturbed: dict[str, Any]) -> None:
    found, end = lines("again", memory_folder / "run")
    assert end["kills"] >= 3
    assert found == undisturbed


@pytest.mark.parametrize("point", [1, 6])
def test_killed_while_a_worker_writes(memory_folder: Path, undisturbed: dict[str, Any], point: int) -> None:
    environment = {**os.environ, "POLYSEE_CRASH_AT": f"worker:{point}"}
    killed = subprocess.run(command("run", memory_folder, "2"), capture_output=True, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert lines("run", memory_folder, "2") == [undisturbed]


def test_killed_process_group_at_random(memory_folder: Path, undisturbed: dict[str, Any]) -> None:
    chance = random.Random(20261120)
    for _ in range(4):
        run = subprocess.Popen(
            command("run", memory_folder, "2"),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.5, 4.0))
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    assert lines("run", memory_folder, "2") == [undisturbed]


HANG = """
import os, sys
sys.path.insert(0, {fakes!r})
from polysee.engines.data_steps import SourceStep
from polysee.engines.local import run_steps
from polysee.store.run import RunStore

if __name__ == "__main__":
    with RunStore({folder!r}) as store:
        run_steps((SourceStep("demo", "fake", {{"hang": True}}),), store, workers=2)
"""


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    script = tmp_path / "hang.py"
    script.write_text(HANG.format(fakes=str(SCRIPT.parent.parent / "fakes"), folder=str(tmp_path / "run")))
    run = subprocess.Popen([sys.executable, str(script)])
    try:
        workers: list[int] = []
        deadline = time.monotonic() + 30
        while len(workers) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            workers = [pid for pid in children(run.pid) if "spawn_main" in _command_line(pid)]
        assert len(workers) == 2
    finally:
        run.kill()
        run.wait()
    deadline = time.monotonic() + 5
    while any(_lives(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in workers)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _lives(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
