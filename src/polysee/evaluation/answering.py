"""A unit of questions to scored predictions, by whatever backend answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from polysee.evaluation.boxes import iou, parse_box
from polysee.evaluation.extraction.choice import option_letter
from polysee.evaluation.extraction.final import final_answer
from polysee.evaluation.extraction.yesno import yes_no
from polysee.evaluation.jobs import Job
from polysee.evaluation.metrics import compute, sentence_chrf
from polysee.evaluation.metrics.base import Mode
from polysee.evaluation.predictions import Prediction
from polysee.evaluation.scripts import wrong_script
from polysee.evaluation.tasks.models import SEVERAL_ANSWERS, MetricUse
from polysee.inference.backends.base import Answer, Backend, Request, View, Weight

WEIGHED = ("likelihood", "contrast", "quality")
"""Ways of asking that need the likelihood of given candidates."""

TEXTUAL = ("exact_match", "chrf", "anls", "mtvqa", "ocrbench", "ccocr_macro_f1", "meteor", "rougeL_f", "rougeL_f_char")
"""Metrics of answers that are words of the language, so that another script is a fault of its own."""

_YES_OR_NO = 0.5
"""Chance of a right guess where an answer is one of two."""

_VIEWS: Mapping[str, View] = {"blank": "blank", "untrained": "untrained"}


@dataclass(frozen=True, slots=True)
class _Pass:
    """Some questions of a unit, seen through one baseline's eyes."""

    baseline: str | None
    view: View
    jobs: tuple[Job, ...]


def answer_unit(unit: Sequence[Job], backend: Backend) -> list[Prediction]:
    """The predictions of all questions and of their baselines, in a fixed order."""
    backend.begin([job.sample for job in unit])
    out: list[Prediction] = []
    for one in _passes(unit):
        out += _weighed(one, backend)
        out += _written(one, backend)
    return out


def _passes(unit: Sequence[Job]) -> Iterator[_Pass]:
    straight = tuple(job for job in unit if not job.shuffled)
    yield _Pass(None, None, straight)
    for name, view in _VIEWS.items():
        # Without a medium there is nothing to blank out.
        jobs = tuple(j for j in straight if name in j.baselines and (name != "blank" or j.sample.media))
        yield _Pass(name, view, jobs)
    yield _Pass("shuffled", None, tuple(job for job in unit if job.shuffled))


def _weighed(one: _Pass, backend: Backend) -> list[Prediction]:
    out: list[Prediction] = []
    for how in WEIGHED:
        jobs = [job for job in one.jobs if job.how == how]
        if not jobs:
            continue
        requests = [Request(job.sample, job.max_new_tokens) for job in jobs]
        candidates = [job.candidates for job in jobs]
        for job, weights in zip(jobs, backend.weigh(requests, candidates, one.view), strict=True):
            answer, score, chance = _verdict(job, weights)
            totals = tuple(weight.total for weight in weights)
            found = _prediction(job, one, job.measures[0], answer, score)
            out.append(replace(found, chance=chance, option_scores=totals))
    return out


def _verdict(job: Job, weights: Sequence[Weight]) -> tuple[str, float, float | None]:
    """What was chosen, its score, and the chance of a right guess."""
    if job.how == "quality":
        good, poor = weights[0].total, weights[1].total
        # Rounded above the noise that a batch makes.
        return job.candidates[0 if good >= poor else 1], round(1 / (1 + math.exp(min(700.0, poor - good))), 4), None
    if job.how == "contrast":
        right = job.candidates.index(job.golds[0])
        means = [weight.mean for weight in weights]
        rival = max((index for index in range(len(means)) if index != right), key=lambda index: means[index])
        won = means[right] > means[rival]
        return job.candidates[right if won else rival], float(won), 1 / len(means)
    totals = [weight.total for weight in weights]
    answer = job.candidates[totals.index(max(totals))]
    return answer, float(answer == job.golds[0]), 1 / len(job.candidates)


def _written(one: _Pass, backend: Backend) -> list[Prediction]:
    jobs = [job for job in one.jobs if job.how not in WEIGHED]
    requests = [
        Request(job.sample, job.max_new_tokens, job.temperature, draw) for job in jobs for draw in range(job.draws)
    ]
    answers = iter(backend.write(requests, one.view) if requests else ())
    out: list[Prediction] = []
    for job in jobs:
        drawn = [next(answers) for _ in range(job.draws)]
        for use in job.measures:
            out.append(_scored(job, one, use, drawn))
    return out


def _scored(job: Job, one: _Pass, use: MetricUse, drawn: Sequence[Answer]) -> Prediction:
    failure = next((answer.failure for answer in drawn if answer.failure), "")
    if failure:
        return replace(_prediction(job, one, use, "", 0.0), failure=failure)
    return replace(
        _judged(job, one, use, drawn),
        tokens=tuple(answer.tokens_out for answer in drawn),
        tokens_in=drawn[0].tokens_in,
        cost=sum(answer.cost for answer in drawn),
    )


def _judged(job: Job, one: _Pass, use: MetricUse, drawn: Sequence[Answer]) -> Prediction:
    results = [_result(job, answer.text) for answer in drawn]
    if job.draws > 1:
        curve = tuple(_vote(job, results[: count + 1]) for count in range(len(results)))
        found = _prediction(job, one, use, results[0], curve[-1], parsed=any(results))
        return replace(found, draws=tuple(results), curve=curve)
    score, parsed = _measure(job, use, results[0])
    found = _prediction(job, one, use, drawn[0].text if job.variant is None else results[0], score, parsed=parsed)
    chance = 1 / len(job.candidates) if job.how == "letters" else found.chance
    return replace(found, chance=chance)


def _result(job: Job, text: str) -> str:
    """What of the text is to be measured: the result behind the steps, where steps were asked for."""
    return final_answer(text, language=job.language) if job.variant and "reasoned" in job.variant else text


def _measure(job: Job, use: MetricUse, text: str) -> tuple[float, bool]:
    if job.how == "letters":
        letter = _letter(job, use, text)
        return (0.0, False) if letter is None else (float(letter == _gold_letter(job)), True)
    return measure(use.name, text, job.golds, job.language, use.mode)


def _letter(job: Job, use: MetricUse, text: str) -> str | None:
    if use.mode == "official":
        value = compute("mcq_extract", text, None, language=job.language, mode="official", options=job.candidates)
        return value if isinstance(value, str) else None
    return option_letter(text, list(job.candidates), language=job.language)


def _gold_letter(job: Job) -> str:
    return chr(ord("A") + job.candidates.index(job.golds[0]))


def _vote(job: Job, results: Sequence[str]) -> float:
    """Whether the most frequent of the answers is right; those that mean the same vote together."""
    if job.how == "letters":
        letters = [option_letter(text, list(job.candidates), language=job.language) for text in results]
        return float(bool(compute("majority_vote", letters, _gold_letter(job), language=job.language)))
    return float(bool(compute("majority_vote", list(results), list(job.golds), language=job.language)))


def measure(
    metric: str, answer: str, golds: str | Sequence[str], language: str, mode: Mode = "multilingual"
) -> tuple[float, bool]:
    """Score (0-1) of a free answer, and whether it could be read at all; what cannot be read scores 0."""
    wanted = [golds] if isinstance(golds, str) else list(golds)
    if metric == "iou":
        return _overlap(answer, wanted)
    if not answer:
        return 0.0, False
    if metric == "chrf":
        return max(sentence_chrf(answer, [gold]) for gold in wanted), True
    if metric == "yes_no":
        said = compute("yes_no", answer, None, language=language, mode=mode)
        return float(said is not None and said == yes_no(wanted[0], language=language)), said is not None
    if metric in SEVERAL_ANSWERS:
        return _value(compute(metric, answer, wanted, language=language, mode=mode)), True
    return max(_value(compute(metric, answer, [gold], language=language, mode=mode)) for gold in wanted), True


def _overlap(answer: str, golds: Sequence[str]) -> tuple[float, bool]:
    box = parse_box(answer)
    targets = [parse_box(gold) for gold in golds]
    known = [target for target in targets if target is not None]
    if len(known) < len(targets):
        raise ValueError(f"the gold answer {golds[targets.index(None)]!r} holds no box")
    return (0.0, False) if box is None else (max(iou(box, target) for target in known), True)


def _value(found: object) -> float:
    if not isinstance(found, bool | float | int):
        raise ValueError(f"a metric of single answers gave {found!r}")
    return float(found)


def _prediction(job: Job, one: _Pass, use: MetricUse, answer: str, score: float, *, parsed: bool = True) -> Prediction:
    sample = job.sample
    return Prediction(
        sample=job.item,
        task=job.task,
        language=sample.language,
        split=sample.split,
        baseline=one.baseline,
        metric=use.name,
        mode=use.mode,
        variant=job.variant,
        cluster=job.cluster,
        group=job.group,
        tags=job.tags,
        gold=job.golds[0],
        answer=answer,
        score=score,
        parsed=parsed,
        wrong_language=use.name in TEXTUAL and wrong_script(answer, sample.language),
        chance=_YES_OR_NO if use.name == "yes_no" else None,
    )
