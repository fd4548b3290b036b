"""One evaluation: tasks, whom they are asked of, and where the results go. What `polysee eval` does."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from pydantic import JsonValue

from polysee.evaluation.breakdown import build_breakdown
from polysee.evaluation.config import Distortion
from polysee.evaluation.jobs import Job, limited
from polysee.evaluation.predictions import read_predictions
from polysee.evaluation.run import Progress, answer_all
from polysee.evaluation.scores import Exposure, Score, build_scores, exposure, write_scores
from polysee.evaluation.tasks.data import Asked, Material, MediaPack, read_task
from polysee.evaluation.tasks.expand import expand
from polysee.evaluation.tasks.models import Task
from polysee.evaluation.workers import Processes
from polysee.evaluation.worse import VARIANTS, can_be_worse
from polysee.inference.backends.base import Backend
from polysee.inference.checkpoint import final_checkpoint
from polysee.schema.errors import UserError
from polysee.schema.sample import MediaRef
from polysee.services.config import ChatConfig
from polysee.store.atomic import make_folder
from polysee.store.fingerprint import fingerprint, hash_file
from polysee.store.lock import RunLock
from polysee.store.run import RunStore

BackendName = Literal["native", "openai", "vllm"]


@dataclass(frozen=True)
class Evaluation:
    """``subject``: a run or checkpoint folder (None: a service alone). ``batch``: rows, None by memory.

    ``languages``: only these, all if empty. ``limit``: samples of each language and split. ``distort``: kinds of worse
    pictures for all tasks about pictures, beside their own. ``service``: for the backend ``openai``.
    """

    tasks: tuple[Task, ...]
    out: Path
    subject: Path | None = None
    backend: BackendName = "native"
    service: ChatConfig | None = None
    languages: tuple[str, ...] = ()
    limit: int | None = None
    distort: tuple[Distortion, ...] = ()
    batch: int | None = None
    processes: int = 1
    seed: int = 0
    resamples: int = 2000


@dataclass(frozen=True)
class Outcome:
    """``more``: further parts of scores.json. ``left_out``: tasks without samples in the languages that were asked for.
    ``rejected``: unusable records by task; ``failed``: questions that got no answer.
    """

    scores: tuple[Score, ...]
    path: Path
    more: Mapping[str, JsonValue] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    rejected: dict[str, int] = field(default_factory=dict)
    failed: int = 0


def run_evaluation(evaluation: Evaluation, progress: Progress | None = None) -> Outcome:
    """Ask all tasks and write ``predictions.lance`` and ``scores.json`` to ``evaluation.out``.

    Answers are stored as they come: the same call goes on where an interrupted one stopped. Raises `UserError` for
    data, a checkpoint or a service that cannot be used as the tasks want it.
    """
    folder = make_folder(evaluation.out)
    lock = RunLock(folder / ".lock")
    try:
        return _run(evaluation, folder, progress)
    finally:
        lock.release()


def _run(evaluation: Evaluation, folder: Path, progress: Progress | None) -> Outcome:
    where = locate(evaluation.subject)
    run = None if where.run is None else RunStore.open_read_only(where.run)
    material = Material(MediaPack(folder / "media.pack"), run)
    had = None if run is None else _exposure(run)
    jobs: list[Job] = []
    held: dict[str, bool] = {}
    chosen = _chosen(evaluation, material)
    for task, asked, pool in chosen:
        if had is not None:
            held[task.name] = had.has(one.sample for one in asked)
        jobs += expand(_with_distortions(task, asked, evaluation.distort), asked, _examples(task, material), pool)
    if evaluation.distort and not any(job.variant in VARIANTS for job in jobs):
        raise UserError("none of these tasks is about pictures, so nothing can be distorted", "leave out --distort")
    opener = Opener(evaluation, where, material)
    backend = LateBackend(opener)
    path = folder / "predictions.lance"
    many = evaluation.processes > 1 and evaluation.backend == "native"
    answer_all(
        jobs,
        backend,
        path=path,
        fingerprint=_identity(evaluation, where),
        workers=Processes(evaluation.processes, opener) if many else None,
        progress=progress,
    )
    outcome = _write(evaluation, read_predictions(path), had, held, material)
    asked_tasks = {task.name for task, *_ in chosen}
    return replace(outcome, left_out=tuple(task.name for task in evaluation.tasks if task.name not in asked_tasks))


def _write(
    evaluation: Evaluation, table: pa.Table, had: Exposure | None, held: dict[str, bool], material: Material
) -> Outcome:
    seen = None if had is None else had.seen
    options: dict[str, int] = {"resamples": evaluation.resamples, "seed": evaluation.seed}
    scores, macro = build_scores(table, seen, held_in=held, **options)
    target = evaluation.out / "scores.json"
    more = build_breakdown(table, **options)
    write_scores(target, scores, macro, more)
    failed = sum(1 for why in table["failure"].to_pylist() if why)
    rejected = {name: count for name, count in material.rejected.items() if count}
    return Outcome(tuple(scores), target, more, rejected=rejected, failed=failed)


def _with_distortions(task: Task, asked: Sequence[Asked], kinds: Sequence[Distortion]) -> Task:
    if not kinds or not any(can_be_worse(one.sample.media) for one in asked):
        return task
    return task.model_copy(update={"distortions": tuple(dict.fromkeys((*task.distortions, *kinds)))})


def _chosen(evaluation: Evaluation, material: Material) -> list[tuple[Task, list[Asked], list[Asked]]]:
    """The tasks that have samples in the languages of the evaluation, with these samples and with all of theirs.

    Raises `UserError` for a language that none of them has.
    """
    found: list[tuple[Task, list[Asked], list[Asked]]] = []
    known: set[str] = set()
    for task in evaluation.tasks:
        asked = read_task(task, material)
        known |= {one.sample.language for one in asked}
        kept = [one for one in asked if not evaluation.languages or one.sample.language in evaluation.languages]
        ids = limited([one.sample for one in kept], evaluation.limit)
        if kept:
            found.append((task, [one for one in kept if one.sample.id in ids], asked))
    missing = [tag for tag in evaluation.languages if tag not in known]
    if missing:
        raise UserError(f"the tasks have no samples in {', '.join(missing)}", f"they have {', '.join(sorted(known))}")
    return found


def _examples(task: Task, material: Material) -> Sequence[Asked]:
    return () if task.shots is None else read_task(task, material, splits=(task.shots.split,))


def _exposure(run: RunStore) -> Exposure:
    columns = ["language", "split", "media", "origins", *run.keep_columns()]
    return exposure(run.sample_batches(columns, run.kept()))


@dataclass(frozen=True)
class Where:
    """A checkpoint's folder and the run that it belongs to, if any."""

    checkpoint: Path | None = None
    run: Path | None = None


def locate(subject: Path | None) -> Where:
    """What a folder is: a run (its last stage counts), or a checkpoint, whose run is found where it lies in one.

    Raises `UserError` for a folder that is neither.
    """
    if subject is None:
        return Where()
    if (subject / "steps").is_dir():
        return Where(None, subject)
    if (subject / "config.json").is_file():
        # A stage's own checkpoint, or one of those that it kept, which lie a folder deeper.
        above = [folder for folder in subject.resolve().parents[1:3] if (folder / "steps").is_dir()]
        return Where(subject, above[0] if above else None)
    raise UserError(
        "this is neither a run nor a checkpoint",
        "name a folder that `polysee run` has made, or one with a config.json",
        place=str(subject),
    )


def _checkpoint(where: Where) -> Path:
    if where.checkpoint is not None:
        return where.checkpoint
    if where.run is None:
        raise UserError("no checkpoint is named", "name a run or checkpoint folder before the options")
    return final_checkpoint(where.run)


def _identity(evaluation: Evaluation, where: Where) -> str:
    """Of what answers: the checkpoint's files, or what decides a service's answers."""
    if evaluation.backend == "openai":
        assert evaluation.service is not None
        return fingerprint("service", 1, evaluation.service.identity(), [])
    files = sorted(path for path in _checkpoint(where).iterdir() if path.is_file())
    return fingerprint("checkpoint", 1, [path.name for path in files], [hash_file(path) for path in files])


@dataclass(frozen=True)
class Opener:
    """Makes the backend, here or in another process."""

    evaluation: Evaluation
    where: Where
    material: Material

    def __call__(self, number: int) -> Backend:
        evaluation = self.evaluation
        match evaluation.backend:
            case "openai":
                return self._service()
            case "vllm":
                from polysee.inference.backends.vllm import VllmBackend

                return VllmBackend(str(_checkpoint(self.where)), self.material.read, seed=evaluation.seed)
            case _:
                return self._native(number)

    def _service(self) -> Backend:
        from polysee.inference.backends.chat import ChatBackend, Prices
        from polysee.services.open import ServicesSpec

        service = self.evaluation.service
        if service is None:
            raise UserError("the backend openai needs an address and a model", "give --base-url and --model")
        services = ServicesSpec.of([service], self.evaluation.out / ".services").open()
        prices = Prices(service.price_in, service.price_out)
        return ChatBackend(services.chat(service.name), self.material.read, prices)

    def _native(self, number: int) -> Backend:
        import torch

        from polysee.inference.backends.native import NativeBackend, Subject
        from polysee.inference.checkpoint import load_checkpoint
        from polysee.models.tiles import TilePolicy

        evaluation = self.evaluation
        devices = torch.cuda.device_count()
        if not devices:
            # As many threads for however many processes, or sums would come out with other last bits.
            torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) // evaluation.processes)))
        loaded = load_checkpoint(_checkpoint(self.where), device=f"cuda:{number % devices}" if devices else "cpu")
        policy = TilePolicy(loaded.tiling.tile, loaded.tiling.max_tiles)
        subject = Subject(loaded.model, loaded.encoder, loaded.normalisation, TileReader(policy, self.material))
        return NativeBackend(subject, batch=evaluation.batch, seed=evaluation.seed)

    def __getstate__(self) -> dict[str, Any]:
        # A run is opened anew in each process: Lance does not survive being sent.
        return {"evaluation": self.evaluation, "where": self.where, "pack": self.material.pack}

    def __setstate__(self, state: dict[str, Any]) -> None:
        where: Where = state["where"]
        run = None if where.run is None else RunStore.open_read_only(where.run)
        for name, value in (
            ("evaluation", state["evaluation"]),
            ("where", where),
            ("material", Material(state["pack"], run)),
        ):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class TileReader:
    """Cuts media as the checkpoint's processor does; a video has as many frames as its reference says."""

    policy: Any
    material: Material

    def __call__(self, ref: MediaRef) -> Any:
        import numpy as np

        from polysee.media.frames import sample_frames
        from polysee.media.tiling import tiles

        data = self.material.read(ref.sha256)
        if ref.kind != "video":
            return self.policy.cut(ref, data)
        frames = sample_frames(data, ref.frames, span=ref.span)
        cut = [tiles(frame, tile=self.policy.tile, max_tiles=1, thumbnail=False) for frame in frames]
        return np.concatenate([cut[i * len(cut) // ref.frames] for i in range(ref.frames)])


class LateBackend:
    """A backend that is opened when the first question comes: a finished evaluation loads no model."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._backend: Backend | None = None

    @property
    def _opened(self) -> Backend:
        if self._backend is None:
            self._backend = self._opener(0)
        return self._backend

    @property
    def weighs(self) -> bool:
        return self._opener.evaluation.backend == "native"

    @property
    def views(self) -> frozenset[str]:
        return frozenset({"blank", "untrained"} if self.weighs else {"blank"})

    @property
    def identity(self) -> str:
        return f"{self._opener.evaluation.backend} {self._opener.evaluation.seed}"

    def begin(self, samples: Any) -> None:
        self._opened.begin(samples)

    def write(self, requests: Any, view: Any = None) -> Any:
        return self._opened.write(requests, view)

    def weigh(self, requests: Any, candidates: Any, view: Any = None) -> Any:
        return self._opened.weigh(requests, candidates, view)


def as_letters(task: Task) -> Task:
    """The task with its options shown by letters, for backends that cannot weigh answers."""
    if task.how not in ("likelihood", "contrast"):
        return task
    left = tuple(name for name in task.baselines if name != "untrained")
    return task.model_copy(update={"how": "letters", "metrics": ("letter",), "baselines": left})
