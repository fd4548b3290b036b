"""The tiny chain, killed at the write points that come after its data, by a server that forks it.

PyTorch takes seconds to start, so it is imported once, and each run is a fork. ``crash_chain.py points FOLDER FIRST
STEP`` runs the chain undisturbed, then kills it at the write points FIRST, FIRST + STEP, … , runs it again and prints
what came out, one JSON line each.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch

import polysee.evaluation.run
import polysee.report
import polysee.training.encoder
from polysee.engines.build import build_steps
from polysee.engines.local import run_steps
from polysee.models import save, verify
from polysee.packing import plan_packs
from polysee.schema.errors import UserError
from polysee.store import tables
from polysee.store.atomic import CRASH_VARIABLE, write_points
from polysee.store.run import RunStore
from tiny_chain import chain, data_steps, log_rows

# Everything is loaded and compiled before the first fork; nothing of Lance has run by then, so it has no threads yet.
torch.set_num_threads(1)
for name in ("internvl.modeling_internvl", "qwen2.modeling_qwen2", "got_ocr2.image_processing_got_ocr2"):
    importlib.import_module(f"transformers.models.{name}")
tables.lance()
plan_packs(np.array([1, 2]), np.array([0, 1]), max_tokens=4, max_tiles=4)
STEPS = build_steps(chain())


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


def run(folder: Path, *, data_only: bool = False) -> None:
    save.verify_reload = verify_in_a_fork
    # The answers come in several commits.
    polysee.evaluation.run.UNIT = 40
    with RunStore(folder) as store:
        run_steps(data_steps(STEPS) if data_only else STEPS, store, workers=0)


def outcome(folder: Path) -> dict[str, str]:
    """All that a run's result is made of, as hashes, and whatever else lies about."""
    files = [
        *(folder / "plans").iterdir(),
        *(folder / "tokenizer").iterdir(),
        *(folder / "encoder").iterdir(),
        *folder.glob("checkpoints/*/*"),
        folder / "funnel.json",
        folder / "scores.json",
    ]
    found = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}
    log = json.dumps(log_rows(folder / "train.jsonl"))
    manifests = [(m.file, m.fingerprint) for m in RunStore.open_read_only(folder).manifests.all()]
    return found | {
        "samples": RunStore.open_read_only(folder).dataset_hash(),
        "train.jsonl": hashlib.sha256(log.encode()).hexdigest(),
        "predictions": str(len(tables.open_at(folder / "predictions.lance").to_table())),
        "report": str((folder / "report.html").is_file()),
        "manifests": str(manifests),
        "files": " ".join(sorted(path.name for path in folder.iterdir())),
        "journal": " ".join(path.name for path in (folder / "journal").iterdir()),
        "leftovers": " ".join(str(p) for end in (".*.tmp-*", "*.partial", "*.outdated") for p in folder.rglob(end)),
    }


def forked(folder: Path, crash_at: int | None, *, data_only: bool = False, show: bool = False) -> int:
    """Exit status of a run in a child process, which is killed at a write point."""
    child = os.fork()
    if child == 0:
        write_points.passed = 0
        if crash_at is not None:
            os.environ[CRASH_VARIABLE] = f"main:{crash_at}"
        try:
            run(folder, data_only=data_only)
            if show:
                print(json.dumps(outcome(folder)), flush=True)
        except BaseException as error:
            print(json.dumps({"error": repr(error)}), flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def points(folder: Path, first: int, step: int) -> None:
    """The undisturbed outcome, then that of a run that was killed at each point; ends after the last one."""
    data = folder / "data"
    forked(data, None, data_only=True)
    shutil.copytree(data, folder / "whole")
    forked(folder / "whole", None, show=True)
    number = first
    while True:
        attempt = folder / "attempt"
        shutil.copytree(data, attempt)
        if forked(attempt, number) != 137:
            break
        forked(attempt, None, show=True)
        shutil.rmtree(attempt)
        number += step
    print(json.dumps({"points": number}), flush=True)


if __name__ == "__main__":
    assert sys.argv[1] == "points"
    points(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
