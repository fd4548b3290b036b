"""The demo in full: it learns what it must, and twenty kills change nothing. Takes several times as long as the demo.

For a quick look at the test itself: ``POLYSEE_SLOW_RECIPE=tests/data/chain.yaml POLYSEE_SLOW_KILLS=4``; what the demo
must learn is then left out.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import polysee
from polysee.recipe.load import load_recipe
from polysee.store.run import RunStore

DEMO = Path(__file__).parents[2] / "recipes" / "microworld.yaml"
RECIPE = Path(os.environ.get("POLYSEE_SLOW_RECIPE", DEMO)).resolve()
KILLS = int(os.environ.get("POLYSEE_SLOW_KILLS", "20"))
CHANCE = 0.25
TASKS = ("naming", "counting", "colour", "position", "matching")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Whole:
    """A run that nothing disturbed. ``seconds``: of the whole command; ``steps``: of each step."""

    path: Path
    seconds: float
    steps: dict[str, float]

    @property
    def start_up(self) -> float:
        """What is spent beside the steps, in every attempt again."""
        return max(0.0, self.seconds - sum(self.steps.values()))


def start(workdir: Path) -> subprocess.Popen[bytes]:
    """The real command, in a process group of its own."""
    with (workdir / "said.txt").open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "polysee.cli.main", "run", str(RECIPE), "--workdir", str(workdir)],
            env={**os.environ, "PYTHONPATH": str(Path(polysee.__file__).parents[1])},
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    workdir = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    assert start(workdir).wait() == 0, (workdir / "said.txt").read_text()
    path = workdir / load_recipe(RECIPE).name
    rates = json.loads((path / "rates.json").read_text())["steps"]
    return Whole(path, time.monotonic() - began, {name: rate["seconds"] for name, rate in rates.items()})


def result(run: Path) -> dict[str, Any]:
    plans = {path.name: path.read_bytes() for path in (run / "plans").iterdir()}
    return {
        "dataset": RunStore.open_read_only(run).dataset_hash(),
        "scores": (run / "scores.json").read_bytes(),
        "funnel": (run / "funnel.json").read_bytes(),
        **plans,
    }


def retained(run: Path, steps: dict[str, float]) -> float:
    """Seconds of an undisturbed run whose work a killed one has kept: whole steps, and training up to a checkpoint."""
    total = 0.0
    stages = {f"train-{stage.name}": stage.steps for stage in load_recipe(RECIPE).stages}
    committed = {path.stem.split("-", 1)[1] for path in (run / "steps").glob("*.json")}
    for name, seconds in steps.items():
        if name in committed:
            total += seconds
        elif name in stages:
            done = [int(path.parent.name.split("-")[1]) for path in run.glob(f"journal/{name}/*/steps/*/done.json")]
            total += seconds * max(done, default=0) / stages[name]
    return total


@pytest.mark.skipif(RECIPE != DEMO, reason="another recipe learns other things")
def test_the_demo_learns_every_language(whole: Whole) -> None:
    scores = json.loads((whole.path / "scores.json").read_text())
    macro = scores["macro"]
    assert macro["four_way"] >= 0.60
    languages = {tag: entry for tag, entry in macro["languages"].items() if entry["seen"] == "vl"}
    assert len(languages) >= 16
    assert {tag: entry["low"] for tag, entry in languages.items() if entry["low"] <= CHANCE} == {}
    values: dict[str, list[float]] = defaultdict(list)
    for row in scores["tasks"]:
        key = (row["metric"], row["split"], row["baseline"])
        if key == ("choice", "scenes", None) and row["language"] in languages:
            values[row["task"]].append(row["value"])
    means = {task: sum(values[task]) / len(values[task]) for task in TASKS}
    assert {task: len(values[task]) for task in TASKS} == dict.fromkeys(TASKS, len(languages))
    assert {task: mean for task, mean in means.items() if mean < 0.40} == {}
    blank = macro["baselines"]["blank"]
    assert blank["low"] <= CHANCE <= blank["high"]


def test_report_and_checkpoint_are_there(whole: Whole) -> None:
    recipe = load_recipe(RECIPE)
    assert (whole.path / "report.html").stat().st_size > 10_000
    assert (whole.path / "checkpoints" / recipe.stages[-1].name / "model.safetensors").is_file()
    assert recipe.evaluate is not None
    measured = {row["task"] for row in json.loads((whole.path / "scores.json").read_text())["tasks"]}
    assert measured == {task.task for task in recipe.evaluate.tasks}


def test_killed_at_random_instants_ends_with_the_same_bytes(whole: Whole, tmp_path: Path) -> None:
    chance = random.Random(20261121)
    # One instant in each of equal parts, so that they are spread over the whole run.
    instants = [(part + chance.random()) / KILLS for part in range(KILLS)]
    run = tmp_path / whole.path.name
    killed = 0
    for instant in instants:
        process = start(tmp_path)
        wanted = instant * sum(whole.steps.values())
        try:
            process.wait(whole.start_up + max(0.1, wanted - retained(run, whole.steps)))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    # The run may be a little faster than it was: the last instants can then come too late.
    assert killed >= 0.8 * KILLS
    assert start(tmp_path).wait() == 0, (tmp_path / "said.txt").read_text()
    assert result(run) == result(whole.path)
