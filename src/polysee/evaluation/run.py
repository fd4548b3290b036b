"""Answers of a model and its baselines to all questions, written as they come and resumable at any instant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from polysee.evaluation import jobs as planning
from polysee.evaluation.answering import WEIGHED, answer_unit, measure
from polysee.evaluation.config import EvaluateConfig, TaskConfig
from polysee.evaluation.jobs import Job, units_of
from polysee.evaluation.predictions import Prediction, PredictionStore
from polysee.evaluation.tasks.data import Asked
from polysee.evaluation.tasks.expand import expand
from polysee.evaluation.tasks.models import Task
from polysee.inference.backends.base import Backend
from polysee.inference.backends.native import NativeBackend, Subject, untrained
from polysee.schema.errors import UserError
from polysee.schema.sample import Sample
from polysee.store.fingerprint import fingerprint as fingerprint_of

__all__ = ["Subject", "answer_all", "evaluate", "measure", "plan", "untrained"]

VERSION = 2
"""Raised whenever equal input would give other predictions."""

Progress = Callable[[int, int], None]
"""Called with the units done and the units in all."""

Workers = Callable[[Mapping[int, Sequence[Job]]], Iterable[tuple[int, list[Prediction]]]]
"""Answers numbered units, in whatever order they are finished."""


def evaluate(
    samples: Iterable[Sample],
    config: EvaluateConfig,
    subject: Subject,
    *,
    path: Path,
    fingerprint: str,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Answer all of the recipe's tasks into the Lance dataset at ``path``; what is there already is not done again.

    ``samples``: the kept ones; those of the training split are passed over. ``fingerprint``: of the checkpoint and
    the samples' dataset; another one starts anew. ``seed``: of the untrained baseline's weights. Units are planned
    from the samples alone, so a run that was killed and started again ends with the same bits. Raises `UserError`
    for a task without held-out samples and for a sample that cannot be measured as asked.
    """
    backend = NativeBackend(subject, batch=config.batch, seed=seed)
    answer_all(plan(samples, config), backend, path=path, fingerprint=fingerprint, progress=progress)


def answer_all(
    jobs: Sequence[Job],
    backend: Backend,
    *,
    path: Path,
    fingerprint: str,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> None:
    """Answer ``jobs`` into the Lance dataset at ``path``, unit by unit; each unit is committed when it is done.

    ``workers``: other processes that do the same as ``backend``; by themselves they change nothing in the result.
    Raises `UserError` for a question that the backend cannot answer.
    """
    check_backend(jobs, backend)
    units = units_of(jobs, planning.UNIT)
    parameters: JsonValue = {
        "backend": backend.identity,
        "jobs": [[*map(str, job.key)] for unit in units for job in unit],
    }
    store = PredictionStore(path, fingerprint_of("predictions", VERSION, parameters, [fingerprint]))
    done = store.begin()
    left = {number: unit for number, unit in enumerate(units) if number not in done}
    count = len(done)
    if progress is not None:
        progress(count, len(units))
    here = ((number, answer_unit(unit, backend)) for number, unit in left.items())
    for number, predictions in here if workers is None or not left else workers(left):
        store.add(number, predictions)
        count += 1
        if progress is not None:
            progress(count, len(units))


def check_backend(jobs: Iterable[Job], backend: Backend) -> None:
    """Raise `UserError` for the first question that ``backend`` cannot answer as it is put."""
    for job in jobs:
        if job.how in WEIGHED and not backend.weighs:
            raise UserError(
                f"the task {job.task!r} is asked by {job.how}, which needs the likelihood of given answers",
                "use `--backend native`, or let the task be asked by `how: letters` or `how: write`",
            )
        missing = sorted(set(job.baselines) - backend.views)
        if missing:
            raise UserError(
                f"the task {job.task!r} has the baseline {missing[0]!r}, which this backend cannot stand in for",
                "take it out of the task, or use `--backend native`",
            )


def plan(samples: Iterable[Sample], config: EvaluateConfig) -> list[Job]:
    """All questions of a recipe's ``evaluate`` section, those of one image beside each other.

    Raises `UserError` as `evaluate` does.
    """
    wanted: dict[str, list[Asked]] = {task.task: [] for task in config.tasks}
    for sample in samples:
        held_out = sample.split != "train" and (not config.splits or sample.split in config.splits)
        if held_out and sample.task in wanted:
            wanted[sample.task].append(Asked(sample, (sample.turns[0].output,)))
    missing = sorted(task for task, found in wanted.items() if not found)
    if missing:
        raise UserError(
            f"no held-out samples of the task {missing[0]!r} to evaluate",
            "take the task out of evaluate.tasks, or let a source hold samples of it out of training",
        )
    jobs = [job for task in config.tasks for job in expand(_task(task, config), wanted[task.task])]
    return sorted(jobs, key=lambda job: job.order)


def _task(task: TaskConfig, config: EvaluateConfig) -> Task:
    return Task(
        name=task.task,
        how="likelihood" if task.metric == "choice" else "write",
        metrics=(task.metric,),
        baselines=task.baselines,
        distortions=task.distortions,
        max_new_tokens=config.max_new_tokens,
    )
