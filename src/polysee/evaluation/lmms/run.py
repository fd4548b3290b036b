"""Runs benchmarks of lmms-eval on a checkpoint, one process for each, so that one that fails takes none with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from polysee.evaluation.lmms import environment
from polysee.evaluation.lmms.command import CHECKPOINT, RESULTS, Benchmark, command, parse_benchmark
from polysee.evaluation.lmms.results import Folded, OtherScore, fold, plain, read_results, read_samples, wants_simple
from polysee.evaluation.scores import Score, Seen
from polysee.schema.errors import UserError
from polysee.store.atomic import make_folder, write_json, write_text
from polysee.store.fingerprint import fingerprint, hash_file

_FINISHED = "finished"
_LOG = "log.txt"


def evaluate_lmms(
    checkpoint: Path,
    names: Sequence[str],
    out: Path,
    *,
    limit: int | None = None,
    batch: int = 1,
    seen: Mapping[str, Seen] | None = None,
    python: Path | None = None,
) -> Folded:
    """Scores of benchmarks named as in `parse_benchmark`. Each leaves its log, results and answers in ``out/lmms``.

    ``limit``: most questions of each task. ``batch``: questions at once. ``seen``: what training had of each language,
    None where that is unknown. ``python``: of an environment of one's own that has lmms-eval and the plug-in.
    A benchmark that has finished for the same checkpoint and limit is read, not run.

    Raises `UserError` for a name that is none, where the environment is missing, and where a benchmark fails; the
    others are run first, and what they gave stays in their folders.
    """
    folded, failures = _evaluate(checkpoint, names, out, limit=limit, batch=batch, seen=seen, python=python)
    _raise(failures)
    return folded


def _evaluate(
    checkpoint: Path,
    names: Sequence[str],
    out: Path,
    *,
    limit: int | None,
    batch: int,
    seen: Mapping[str, Seen] | None,
    python: Path | None = None,
) -> tuple[Folded, list[UserError]]:
    """What the benchmarks gave, and why some of them gave nothing."""
    benchmarks = [parse_benchmark(name) for name in names]
    chosen = python or environment.interpreter()
    identity = _identity(checkpoint, limit)
    scores: list[Score] = []
    others: list[OtherScore] = []
    failures: list[UserError] = []
    for benchmark in benchmarks:
        folder = make_folder(out / "lmms" / f"{benchmark.name}@{benchmark.language}")
        try:
            content = _finished(folder, benchmark, identity)
            if content is None:
                content = _run(chosen, checkpoint, benchmark, folder, limit=limit, batch=batch)
                write_text(folder / _FINISHED, identity)
        except UserError as error:
            failures.append(error)
            continue
        folded = fold(content, read_samples(folder, list(content["n-samples"])), benchmark.language, seen)
        scores += folded.scores
        others += folded.others
    return Folded(tuple(scores), tuple(others)), failures


def _raise(failures: Sequence[UserError]) -> None:
    if failures:
        first, *more = failures
        cause = f"{first.cause}, and {len(more)} more failed" if more else first.cause
        raise UserError(cause, first.fix, place=first.place)


def evaluate_subject(
    subject: Path | None, names: Sequence[str], out: Path, *, limit: int | None = None, batch: int | None = None
) -> Folded:
    """As `evaluate_lmms`, for a run's folder or a checkpoint's; the rows go into ``out/scores.json``, also where
    another benchmark fails.

    Raises `UserError` for a subject that is neither, too.
    """
    from polysee.evaluation.scores import training_exposure
    from polysee.evaluation.session import locate
    from polysee.inference.checkpoint import final_checkpoint
    from polysee.store.run import RunStore

    where = locate(subject)
    run = None if where.run is None else RunStore.open_read_only(where.run)
    checkpoint = where.checkpoint if run is None or where.checkpoint else final_checkpoint(run.path)
    if checkpoint is None:
        raise UserError("lmms-eval needs a checkpoint", "name a run or checkpoint folder before the options")
    columns = ["language", "split", "media"]
    seen = None if run is None else training_exposure(run.sample_batches([*columns, *run.keep_columns()], run.kept()))
    folded, failures = _evaluate(checkpoint, names, out, limit=limit, batch=batch or 1, seen=seen)
    if folded.scores:
        add_rows(out / "scores.json", folded.scores)
    _raise(failures)
    return folded


def add_rows(path: Path, scores: Sequence[Score]) -> None:
    """Put rows into a ``scores.json``, which is made if it is not there; rows of the same tasks are replaced."""
    content: dict[str, Any] = {"tasks": [], "macro": {}}
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
    mine = {(score.task, score.language) for score in scores}
    kept = [row for row in content["tasks"] if (row["task"], row["language"]) not in mine]
    content["tasks"] = [*kept, *(score.row() for score in scores)]
    write_json(path, content)


def _identity(checkpoint: Path, limit: int | None) -> str:
    files = sorted(path for path in checkpoint.iterdir() if path.is_file())
    parameters: JsonValue = {"limit": limit, "plugin": environment.plugin_version()}
    return fingerprint("lmms", 1, parameters, [value for path in files for value in (path.name, hash_file(path))])


def _finished(folder: Path, benchmark: Benchmark, identity: str) -> dict[str, Any] | None:
    mark = folder / _FINISHED
    if not mark.is_file() or mark.read_text(encoding="utf-8") != identity:
        return None
    return read_results(folder, benchmark, (folder / _LOG).read_text(encoding="utf-8"), 0)


def _run(
    python: Path, checkpoint: Path, benchmark: Benchmark, folder: Path, *, limit: int | None, batch: int
) -> dict[str, Any]:
    """One benchmark's results, put as a likelihood task if lmms-eval says that it is one."""
    (folder / _FINISHED).unlink(missing_ok=True)
    link = folder / CHECKPOINT
    link.unlink(missing_ok=True)
    link.symlink_to(checkpoint.resolve(), target_is_directory=True)
    for weighed in (False, True):
        shutil.rmtree(folder / RESULTS, ignore_errors=True)
        line = command(python, benchmark, limit=limit, batch=batch, weighed=weighed)
        with (folder / _LOG).open("wb") as log:
            ended = subprocess.run(
                line, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=_surroundings()
            )
        text = plain((folder / _LOG).read_text(encoding="utf-8", errors="replace"))
        (folder / _LOG).write_text(text, encoding="utf-8")
        if weighed or not wants_simple(text):
            break
    return read_results(folder, benchmark, text, ended.returncode)


def _surroundings() -> dict[str, str]:
    """The environment variables of this process, less those that would bring this Python's packages along."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONUTF8": "1"}
