"""What can be wrong with a task beside its form, found before a model is loaded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from polysee import sources
from polysee.evaluation.tasks.data import Asked, Material, MediaPack, UnknownColumns, read_task
from polysee.evaluation.tasks.expand import expand
from polysee.evaluation.tasks.load import load_document
from polysee.evaluation.tasks.models import Task
from polysee.schema.document import Document
from polysee.schema.errors import UserError
from polysee.schema.problems import FileError, Keys, Problem
from polysee.store.run import RunStore


def lint(name: str, *, run: Path | None = None) -> list[str]:
    """Facts about each task of a file, one line a task. ``run``: for tasks that ask a run's samples.

    Reads the data that a task names, puts its questions, and raises `FileError` with all that is wrong.
    """
    loaded, document = load_document(name)
    store = None if run is None else RunStore.open_read_only(run)
    problems: list[Problem] = []
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        material = Material(MediaPack(Path(folder) / "media.pack"), store)
        for number, task in enumerate(loaded.tasks):
            keys: Keys = ("tasks", number)
            found = list(_still(task, document, keys))
            problems += found
            if found:
                continue
            if task.data.of_run and store is None:
                lines.append(f"{task.name}: asks a run's own samples; name one with --run to check them")
                continue
            try:
                lines.append(_line(task, material))
            except UnknownColumns as error:
                problems += [document.problem((*keys, *one.keys), one.cause, one.fix) for one in error.columns]
            except UserError as error:
                problems.append(document.problem(keys, error.cause, error.fix))
    if problems:
        raise FileError(problems)
    return lines


def _still(task: Task, document: Document, keys: Keys) -> Iterator[Problem]:
    """Mistakes that need no data."""
    data = task.data
    if data.use is not None:
        try:
            sources.get(data.use)
        except UserError as error:
            yield document.problem((*keys, "data", "use"), error.cause, error.fix)
    if data.path is not None and not (path := Path(data.path).expanduser().absolute()).exists():
        fix = "check the path; it is relative to where polysee runs"
        yield document.problem((*keys, "data", "path"), f"there is no such file or folder: {path}", fix)
    prompts = {"": task.prompt} if isinstance(task.prompt, str) else task.prompt
    for tag, text in prompts.items():
        where = (*keys, "prompt", tag) if tag else (*keys, "prompt")
        if "{question}" not in text and "{instruction}" not in text and task.how != "quality":
            yield document.problem(where, "the question is not in it", "write {question} where it belongs")
        shows = "{options}" in text or (task.prompt == type(task).model_fields["prompt"].default)
        if task.how == "letters" and not shows:
            yield document.problem(where, "the options are not in it", "write {options} where they belong")


def _line(task: Task, material: Material) -> str:
    asked = read_task(task, material)
    examples = () if task.shots is None else read_task(task, material, splits=(task.shots.split,))
    jobs = expand(task, asked, examples)
    languages = sorted({one.sample.language for one in asked})
    parts = [f"{len(asked):,} samples", f"{len(jobs):,} questions", f"languages: {', '.join(languages)}"]
    leaks = sum(_leaks(task, one) for one in asked)
    if leaks:
        parts.append(f"in {leaks:,} the question holds its answer")
    bad = material.rejected.get(task.name, 0)
    return f"{task.name}: {'; '.join(parts)}" + (f"; {bad:,} records cannot be used" if bad else "")


def _leaks(task: Task, one: Asked) -> bool:
    text = f"{one.sample.instruction}\n{one.sample.turns[0].input}"
    return task.how == "write" and len(one.golds[0]) > 3 and one.golds[0] in text
