"""A training's checkpoints, each asked the same questions: a curve for each ability and each language."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue

from polysee.evaluation.abilities import Table
from polysee.evaluation.compare import ability_of, grouped
from polysee.evaluation.items import Answers, Cell, by_language, headline, read_answers
from polysee.evaluation.run import Progress
from polysee.evaluation.scores import DIGITS
from polysee.evaluation.session import Evaluation, Outcome, run_evaluation
from polysee.evaluation.statistics import Interval
from polysee.evaluation.tasks.models import Task
from polysee.inference.checkpoint import SavedCheckpoint, saved_checkpoints
from polysee.schema.errors import UserError
from polysee.store.atomic import write_json

FOLDER = "curves"
"""Where the answers of all checkpoints but the last one go."""
FILE = "curves.json"

Point = tuple[SavedCheckpoint, Answers]


def evaluate_checkpoints(
    evaluation: Evaluation, watch: Callable[[SavedCheckpoint], Progress] | None = None
) -> tuple[Outcome, Path]:
    """Ask the tasks of every checkpoint of the run ``evaluation.subject``, and write ``curves.json``; returns what
    `run_evaluation` does for the last one, and the path of the curves.

    The last checkpoint's results are those of an evaluation of the run; the others' go to ``curves/<name>`` and are
    without baselines, worse pictures and reasoned answers. Each is resumable and is not asked twice. Raises `UserError`
    as `run_evaluation` does, and for a run with fewer than two checkpoints.
    """
    if evaluation.subject is None:
        raise UserError("curves need a run's checkpoints", "name a run's folder before the options")
    saved = saved_checkpoints(evaluation.subject)
    if len(saved) < 2:
        raise UserError(
            f"a curve needs two checkpoints, and this run has {len(saved)}",
            "let its stages keep models: `keep_every: 100`, say, in the recipe's `stages`",
            place=str(evaluation.subject),
        )
    tasks = tuple(plainly(task) for task in evaluation.tasks)
    points: list[Point] = []
    for one in saved[:-1]:
        out = evaluation.out / FOLDER / one.name
        run_evaluation(
            replace(evaluation, tasks=tasks, distort=(), subject=one.folder, out=out), watch(one) if watch else None
        )
        points.append((one, read_answers(out)))
    last = saved[-1]
    outcome = run_evaluation(replace(evaluation, subject=last.folder), watch(last) if watch else None)
    points.append((last, read_answers(evaluation.out)))
    path = evaluation.out / FILE
    write_json(path, build_curves(points, resamples=evaluation.resamples, seed=evaluation.seed))
    return outcome, path


def plainly(task: Task) -> Task:
    """The task as all checkpoints are asked it."""
    return task.model_copy(update={"baselines": (), "distortions": (), "reasoning": None})


def build_curves(points: Sequence[Point], *, resamples: int, seed: int) -> dict[str, JsonValue]:
    """The content of ``curves.json``: ``checkpoints`` in the order of training, and ``curves`` with a value and its
    interval for each of them.

    A curve is of an ability in a language, of either alone, or of neither. Without a language it is the mean over those
    trained with pictures, where that is known. Means are over the headline cells that all checkpoints have (see
    `headline`). Raises `UserError` where they have none.
    """
    heads = [set(headline(answers.chance)) for _, answers in points]
    cells = sorted(set.intersection(*heads))
    if not cells:
        raise UserError(
            "the checkpoints have answered no task in common", "ask all of them the same tasks and languages"
        )
    last = points[-1][1]
    tables = [Table(answers, cells, resamples=resamples, seed=seed) for _, answers in points]
    curves: list[JsonValue] = []
    for ability, language, members in _groups(last, cells):
        values = [table.mean(members) for table in tables]
        chances = {last.chance[cell] for cell in members}
        curves.append(
            {
                "ability": ability,
                "language": language,
                "chance": chances.pop() if len(chances) == 1 else None,
                "points": [_point(value) for value in values],
            }
        )
    named: list[JsonValue] = [
        {"name": one.name, "stage": one.stage, "step": one.step, "steps": one.steps} for one, _ in points
    ]
    return {"checkpoints": named, "curves": curves}


def _groups(answers: Answers, cells: Sequence[Cell]) -> Iterator[tuple[str | None, str | None, list[Cell]]]:
    """(ability, language) and their cells; those of no one language are of the languages trained with pictures."""
    tags = {tag for tag, seen in answers.seen.items() if seen == "vl"}

    def trained(members: Sequence[Cell]) -> list[Cell]:
        return [cell for cell in members if cell.language in tags] or list(members)

    yield None, None, trained(cells)
    for language, members in grouped(cells, by_language).items():
        yield None, language, members
    for ability, members in grouped(cells, lambda cell: ability_of(answers, cell)).items():
        yield ability, None, trained(members)
        for language, inside in grouped(members, by_language).items():
            yield ability, language, inside


def _point(value: Interval) -> dict[str, JsonValue]:
    return {name: round(getattr(value, name), DIGITS) + 0.0 for name in ("value", "low", "high")}
