"""Answers of a model and its baselines to all held-out samples, written as they come and resumable at any instant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from polysee.evaluation.boxes import iou, parse_box
from polysee.evaluation.config import EvaluateConfig, Metric
from polysee.evaluation.metrics import compute, sentence_chrf
from polysee.evaluation.predictions import Prediction, PredictionStore
from polysee.evaluation.scripts import wrong_script
from polysee.inference.encoder import Normalisation, Prompt, ReadTiles, Tiles, encode_prompt, media_key
from polysee.inference.features import blank_features, image_features
from polysee.inference.generate import greedy
from polysee.inference.likelihood import Question, best, option_scores
from polysee.models.prompt import PromptEncoder
from polysee.schema.errors import UserError
from polysee.schema.sample import Sample
from polysee.store.fingerprint import fingerprint as fingerprint_of

VERSION = 1
"""Raised whenever equal input would give other predictions."""

UNIT = 512
"""Samples in one commit: a few seconds of work."""

Progress = Callable[[int, int], None]
"""Called with the units done and the units in all."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The model under test with what it needs to see a sample. ``model``: in evaluation mode."""

    model: Any
    encoder: PromptEncoder
    normalisation: Normalisation
    read_tiles: ReadTiles


@dataclass(frozen=True, slots=True)
class Job:
    """One sample to answer, how to measure the answer, and which baselines to run beside the model."""

    sample: Sample
    metric: Metric
    baselines: tuple[str, ...]

    @property
    def cluster(self) -> str:
        """Answers about one image, in whatever language, are one cluster."""
        return self.sample.media[0].sha256 if self.sample.media else self.sample.id


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
    jobs = plan(samples, config)
    units = [jobs[start : start + UNIT] for start in range(0, len(jobs), UNIT)]
    store = PredictionStore(path, _fingerprint(jobs, config, subject, fingerprint, seed))
    done = store.begin()
    models: dict[str | None, Any] = {None: subject.model}
    if len(done) < len(units) and any("untrained" in job.baselines for job in jobs):
        models["untrained"] = untrained(subject.model, seed)
    for number, unit in enumerate(units):
        if number not in done:
            store.add(number, _answer_unit(unit, config, subject, models))
        if progress is not None:
            progress(number + 1, len(units))


def plan(samples: Iterable[Sample], config: EvaluateConfig) -> list[Job]:
    """All jobs, those of one image beside each other. Raises `UserError` as `evaluate` does."""
    wanted: dict[str, list[tuple[Metric, tuple[str, ...]]]] = {}
    for task in config.tasks:
        wanted.setdefault(task.task, []).append((task.metric, tuple(sorted(set(task.baselines)))))
    jobs = [
        Job(sample, metric, baselines)
        for sample in samples
        if sample.split != "train" and (not config.splits or sample.split in config.splits)
        for metric, baselines in wanted.get(sample.task, ())
    ]
    missing = sorted(set(wanted) - {job.sample.task for job in jobs})
    if missing:
        raise UserError(
            f"no held-out samples of the task {missing[0]!r} to evaluate",
            "take the task out of evaluate.tasks, or let a source hold samples of it out of training",
        )
    for job in jobs:
        _check(job)
    return sorted(jobs, key=lambda j: (j.cluster, j.sample.task, j.metric, j.sample.language, j.sample.id))


def untrained(model: Any, seed: int) -> Any:
    """A model of the same shapes with random weights; the random state of others is left alone."""
    from transformers import AutoModelForImageTextToText

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh: Any = AutoModelForImageTextToText
        return fresh.from_config(model.config, dtype=model.dtype).to(model.device).eval()


def _check(job: Job) -> None:
    sample = job.sample
    if job.metric == "choice" and len(set(sample.options)) < 2:
        raise UserError(
            f"the task {sample.task!r} is measured by choice, but sample {sample.id} has no two options",
            "give its samples options, or measure the task by exact_match",
        )
    if job.metric == "iou" and parse_box(sample.turns[0].output) is None:
        raise UserError(
            f"the task {sample.task!r} is measured by iou, but the answer of sample {sample.id} holds no box",
            "write boxes as [x1, y1, x2, y2], or measure the task by exact_match",
        )


def _fingerprint(jobs: Sequence[Job], config: EvaluateConfig, subject: Subject, given: str, seed: int) -> str:
    parameters: JsonValue = {
        "seed": seed,
        "batch": config.batch,
        "max_new_tokens": config.max_new_tokens,
        "mean": list(subject.normalisation.mean),
        "std": list(subject.normalisation.std),
        "jobs": [[job.sample.id, job.sample.split, job.metric, list(job.baselines)] for job in jobs],
    }
    return fingerprint_of("predictions", VERSION, parameters, [given])


@dataclass(frozen=True, slots=True)
class _Pass:
    """One model's view of a unit: trained or not, with or without pixels."""

    baseline: str | None
    model: Any
    features: Mapping[str, torch.Tensor]


def _answer_unit(
    unit: Sequence[Job], config: EvaluateConfig, subject: Subject, models: Mapping[str | None, Any]
) -> list[Prediction]:
    refs = {media_key(ref): ref for job in unit for ref in job.sample.media}
    tiles: dict[str, Tiles] = {key: subject.read_tiles(ref) for key, ref in refs.items()}
    prompts = [encode_prompt(subject.encoder, job.sample, tiles) for job in unit]
    out: list[Prediction] = []
    for baseline in (None, "blank", "untrained"):
        # Without a medium there is nothing to blank out.
        chosen = [
            (job, prompt)
            for job, prompt in zip(unit, prompts, strict=True)
            if baseline is None or (baseline in job.baselines and (baseline != "blank" or job.sample.media))
        ]
        if not chosen:
            continue
        model = models.get(baseline, subject.model)
        if baseline == "blank":
            features = blank_features(model, tiles)
        else:
            features = image_features(model, tiles, subject.normalisation)
        view = _Pass(baseline, model, features)
        free = [pair for pair in chosen if pair[0].metric != "choice"]
        out += _choose([pair for pair in chosen if pair[0].metric == "choice"], view, config, subject.encoder)
        out += _generate(free, view, config, subject.encoder)
    return out


def _choose(
    pairs: Sequence[tuple[Job, Prompt]], view: _Pass, config: EvaluateConfig, encoder: PromptEncoder
) -> list[Prediction]:
    questions = [
        Question(prompt, tuple(tuple(encoder.answer_ids(option)) for option in job.sample.options))
        for job, prompt in pairs
    ]
    scores = option_scores(
        view.model, questions, view.features, image_token_id=encoder.image_token_id, batch=config.batch
    )
    out = []
    for (job, _), values in zip(pairs, scores, strict=True):
        options = job.sample.options
        answer = options[best(values)]
        right = float(answer == job.sample.turns[0].output)
        out.append(_prediction(job, view, answer, right, chance=1 / len(options), option_scores=tuple(values)))
    return out


def _generate(
    pairs: Sequence[tuple[Job, Prompt]], view: _Pass, config: EvaluateConfig, encoder: PromptEncoder
) -> list[Prediction]:
    answers = greedy(
        view.model,
        [prompt for _, prompt in pairs],
        view.features,
        image_token_id=encoder.image_token_id,
        end_id=encoder.end_id,
        max_new_tokens=config.max_new_tokens,
        batch=config.batch,
    )
    out = []
    for (job, _), ids in zip(pairs, answers, strict=True):
        answer = encoder.tokenizer.decode(list(ids), skip_special_tokens=True).strip()
        score, parsed = measure(job.metric, answer, job.sample.turns[0].output, job.sample.language)
        out.append(_prediction(job, view, answer, score, parsed=parsed))
    return out


def measure(metric: Metric, answer: str, gold: str, language: str) -> tuple[float, bool]:
    """Score (0-1) of a free answer, and whether it could be read at all; what cannot be read scores 0."""
    if metric == "iou":
        box = parse_box(answer)
        target = parse_box(gold)
        if target is None:
            raise ValueError(f"the gold answer {gold!r} holds no box")
        return (0.0, False) if box is None else (iou(box, target), True)
    if not answer:
        return 0.0, False
    if metric == "chrf":
        return sentence_chrf(answer, [gold]), True
    value = compute("exact_match", answer, [gold], language=language)
    assert isinstance(value, float)
    return value, True


def _prediction(
    job: Job,
    view: _Pass,
    answer: str,
    score: float,
    *,
    parsed: bool = True,
    chance: float | None = None,
    option_scores: tuple[float, ...] = (),
) -> Prediction:
    sample = job.sample
    return Prediction(
        sample=sample.id,
        task=sample.task,
        language=sample.language,
        split=sample.split,
        baseline=view.baseline,
        metric=job.metric,
        cluster=job.cluster,
        answer=answer,
        score=score,
        parsed=parsed,
        wrong_language=job.metric in ("exact_match", "chrf") and wrong_script(answer, sample.language),
        chance=chance,
        option_scores=option_scores,
    )
