"""A small run for the crash tests, and a server that forks it, so that a hundred runs cost one start of Python.

``crash_run.py run FOLDER WORKERS`` runs it once. ``crash_run.py points FOLDER FIRST STEP`` kills it at the write
points FIRST, FIRST + STEP, … , runs it again and prints what came out, one JSON line each. ``crash_run.py again
FOLDER`` kills one run over and over.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "fakes"))

import polysee_fakes

from polysee.engines.data_steps import ScoreStep, SelectStep, SourceStep, TransformStep
from polysee.engines.local import run_steps
from polysee.engines.step import Step
from polysee.store import tables
from polysee.store.atomic import CRASH_VARIABLE, write_points
from polysee.store.run import RunStore

# Imported once, before any fork; nothing of Lance has run by then, so its threads do not exist yet.
tables.lance()
assert polysee_fakes

STEPS: tuple[Step, ...] = (
    SourceStep("train", "fake", {"shards": 2, "per_shard": 6, "bad": 5}, tolerance=0.5),
    SourceStep("held", "fake", {"shards": 1, "per_shard": 6, "first": 8, "split": "scenes"}),
    TransformStep("twice", "double", {"fail": 7}, tolerance=0.5),
    ScoreStep("length", "letters"),
    SelectStep("short", "letters <= 12"),
)


def run(folder: Path, workers: int = 0) -> None:
    with RunStore(folder) as store:
        run_steps(STEPS, store, workers=workers)


def outcome(folder: Path) -> dict[str, str]:
    """All that a run's result is made of, as hashes."""
    store = RunStore.open_read_only(folder)
    rejects = json.dumps(store.rejects().to_pylist(), sort_keys=True)
    media = sorted(store.media_table().read_many(_media(store)))
    return {
        "samples": store.dataset_hash(),
        "order": _hash(" ".join(store.samples(columns=["id"])["id"].to_pylist())),
        "rejects": _hash(rejects),
        "media": _hash(" ".join(media)),
        "media_rows": str(len(store.media_table())),
        "funnel": _hash((folder / "funnel.json").read_text()),
        "journal": " ".join(path.name for path in (folder / "journal").iterdir()),
        "leftovers": " ".join(str(path) for path in folder.rglob(".*.tmp-*")),
    }


def _media(store: RunStore) -> list[str]:
    return sorted({ref["sha256"] for media in store.samples(columns=["media"])["media"].to_pylist() for ref in media})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _forked(folder: Path, crash_at: int | None) -> int:
    """Exit status of a run in a child process that is killed at a write point."""
    child = os.fork()
    if child == 0:
        write_points.passed = 0
        if crash_at is not None:
            os.environ[CRASH_VARIABLE] = f"main:{crash_at}"
        try:
            run(folder)
            if crash_at is None:
                print(json.dumps(outcome(folder)), flush=True)
        except BaseException as error:
            print(json.dumps({"error": repr(error)}), flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def points(folder: Path, first: int, step: int) -> None:
    """Kill at each point, run again, print the outcome; ends at the first point that a whole run does not reach."""
    number = first
    while _forked(folder / str(number), number) == 137:
        _forked(folder / str(number), None)
        number += step
    print(json.dumps({"points": number}), flush=True)


def again_and_again(folder: Path) -> None:
    """One run that is killed over and over, each time a little later."""
    kills = 0
    while _forked(folder, 6 * (kills + 1)) == 137:
        kills += 1
    _forked(folder, None)
    print(json.dumps({"kills": kills}), flush=True)


if __name__ == "__main__":
    verb, where, *rest = sys.argv[1:]
    if verb == "run":
        run(Path(where), int(rest[0]))
        print(json.dumps(outcome(Path(where))))
    elif verb == "points":
        points(Path(where), int(rest[0]), int(rest[1]))
    else:
        again_and_again(Path(where))
