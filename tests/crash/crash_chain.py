"""The tiny chain, killed at the write points that come after its data, by a server that forks it.

PyTorch takes seconds to start, so it is imported once, and each run is a fork. ``crash_chain.py all|distinct FOLDER``
takes step by step: the run as it was before the step is killed at the write points of the step and run again to the
end of the step. ``all`` takes every point. ``distinct`` takes one of those of a verb that are reached by the same calls
(a loop over checkpoints passes the same line again and again, and so do two stages), but at least the last of a step.
The next step goes on with the run that was killed last.

Output, one JSON line each: a step with the numbers of its points and what it leaves when nothing disturbs it; each
killed run with what it left when it was run again; at the end "the whole chain", which nothing disturbed, and the run
that was killed in every step.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch
from pydantic import JsonValue

import polysee.evaluation.run
import polysee.report
import polysee.training.encoder
from polysee.engines.build import build_steps
from polysee.engines.local import run_steps
from polysee.models import save, verify
from polysee.packing import plan_packs
from polysee.schema.errors import UserError
from polysee.sources.microworld.words import words
from polysee.store import rowhash, tables
from polysee.store.atomic import CRASH_VARIABLE, write_points
from polysee.store.run import RunStore
from tiny_chain import chain, data_steps, log_rows

NATIVE = ("internvl.modeling_internvl", "qwen2.modeling_qwen2")
KILLED = 137
RUN = "chain"
"""The name of every run: the report says it."""
# All that takes long to load or to compile is there before the first fork. Lance is not: it has threads of its own, and
# loading the recipe (which lets Lance read the filters) or opening a run would start them here.
torch.set_num_threads(1)
for module in ("pandas", "pyarrow.dataset", *(f"transformers.models.{name}" for name in NATIVE)):
    importlib.import_module(module)
for tag in ("en", "ar", "zh", "uk"):
    words(tag)
plan_packs(np.array([1, 2]), np.array([0, 1]), max_tokens=4, max_tiles=4)
gc.freeze()


def verify_in_a_fork(folder: Path) -> None:
    """As `save.verify_reload`, which starts a Python of its own for what takes this a tenth of a second."""
    child = os.fork()
    if child == 0:
        problem: str | None = "it could not be tried"
        try:
            problem = verify.problem(folder)
        finally:
            os._exit(1 if problem else 0)
    if os.waitpid(child, 0)[1]:
        raise UserError(f"{folder} does not load as it was", "look at its files")


def run(folder: Path, count: int) -> None:
    """The first ``count`` steps."""
    save.verify_reload = verify_in_a_fork
    # The answers come in several commits.
    polysee.evaluation.run.UNIT = 40
    with RunStore(folder) as store:
        run_steps(build_steps(chain())[:count], store, workers=0)


def outcome(folder: Path) -> dict[str, str]:
    """All that a run holds, as hashes by file, but for times of day and what Lance calls its files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if ".lance" in name or name == ".lock":
            continue
        if path.is_file():
            data = json.dumps(log_rows(path)).encode() if name == "train.jsonl" else path.read_bytes()
            found[name] = hashlib.sha256(data).hexdigest()
        elif not any(path.iterdir()):
            found[name] = "an empty folder"
    store = RunStore.open_read_only(folder)
    predictions = folder / "predictions.lance"
    rows = tables.open_at(predictions).to_table() if tables.exists(predictions) else None
    return found | {
        "samples": store.dataset_hash(),
        "predictions": rowhash.hash_rows(rows.schema, rows.to_batches()) if rows else "",
    }


@dataclass(frozen=True)
class Run:
    """One run in a child process. ``points``: the calls that led to each write point, if the run was not killed."""

    status: int
    outcome: dict[str, str]
    points: tuple[str, ...] = ()


def in_child(work: Callable[[], JsonValue]) -> tuple[int, Any]:
    """Exit status of a child process that does ``work``, and what came of it; None if it was killed."""
    assert "lance" not in sys.modules, "Lance does not survive a fork"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = json.dumps(work())
        except BaseException as error:
            text = json.dumps({"outcome": {"error": repr(error)}})
        with os.fdopen(writing, "w") as pipe:
            pipe.write(text)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), json.loads(said) if said else None


def forked(folder: Path, count: int, crash_at: int | None = None) -> Run:
    """Runs the first ``count`` steps in a child process, which is killed at a write point."""

    def work() -> JsonValue:
        points: list[JsonValue] = []
        if crash_at is None:
            write_points.arrive = lambda: points.append(calls())  # type: ignore[method-assign]
        else:
            os.environ[CRASH_VARIABLE] = f"main:{crash_at}"
        run(folder, count)
        return {"outcome": {**outcome(folder)}, "points": points}

    status, said = in_child(work)
    return Run(status, said["outcome"], tuple(said.get("points", ()))) if said else Run(status, {})


def step_names() -> tuple[list[tuple[str, str]], int]:
    """Verbs and names of all steps, and how many of them make the samples."""

    def work() -> JsonValue:
        steps = build_steps(chain())
        return {"names": [[step.verb, step.name] for step in steps], "first": len(data_steps(steps))}

    said = in_child(work)[1]
    return [(verb, name) for verb, name in said["names"]], said["first"]


def calls() -> str:
    """The lines of polysee that are being executed, outermost first."""
    frames = traceback.extract_stack()[:-2]
    return " ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames if "polysee" in f.filename)


def say(**content: Any) -> None:
    print(json.dumps(content), flush=True)


def killed_in(folder: Path, index: int, name: str, seen: set[str] | None) -> None:
    """Says all that comes out of one step; the run that was killed last is then ``folder / "before"``.

    ``seen``: the calls that need no further kill, which grow by those of this step; None kills at every point.
    """
    before, whole, killed = (folder / stage / RUN for stage in ("before", "whole", "killed"))
    shutil.copytree(before, whole)
    undisturbed = forked(whole, index + 1)
    shutil.rmtree(whole)
    points = list(enumerate(undisturbed.points, start=1))
    if seen is not None:
        last = {calls: number for number, calls in points}
        points = [(n, calls) for n, calls in points if n == last[calls] and (calls not in seen or n == len(points))]
        seen.update(last)
    say(step=name, points=[n for n, _ in points], of=len(undisturbed.points), outcome=undisturbed.outcome)
    for number, _ in points:
        shutil.rmtree(killed, ignore_errors=True)
        shutil.copytree(before, killed)
        status = forked(killed, index + 1, number).status
        say(killed=number, status=status, outcome=forked(killed, index + 1).outcome)
    shutil.rmtree(before)
    killed.rename(before)


def main(which: str, folder: Path) -> None:
    before = folder / "before" / RUN
    steps, first = step_names()
    forked(before, first)
    seen: dict[str, set[str]] = {verb: set() for verb, _ in steps}
    for index in range(first, len(steps)):
        verb, name = steps[index]
        killed_in(folder, index, name, seen[verb] if which == "distinct" else None)
    whole = forked(folder / "undisturbed" / RUN, len(steps)).outcome
    say(step="the whole chain", points=[0], of=1, outcome=whole)
    say(killed=0, status=KILLED, outcome=forked(before, len(steps)).outcome)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
