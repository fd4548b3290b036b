"""How questions are put: words by language, letters, rotations, examples, frames; and how answers to them score."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from polysee.evaluation.answering import answer_unit
from polysee.evaluation.breakdown import build_breakdown, spearman
from polysee.evaluation.jobs import Job, units_of
from polysee.evaluation.predictions import PREDICTION_SCHEMA, Prediction
from polysee.evaluation.scores import Score, build_scores
from polysee.evaluation.tasks.data import Asked
from polysee.evaluation.tasks.expand import expand
from polysee.evaluation.tasks.models import Task
from polysee.inference.backends.base import Answer, Request, View, Weight
from polysee.inference.backends.native import NativeBackend, Subject
from polysee.models.prompt import PromptEncoder
from polysee.schema.errors import UserError
from polysee.schema.sample import IMAGE_MARK, Sample, Turn
from tiny_model import NORMALISATION, WORDS, question, read_tiles


def _asked(samples: Sequence[Sample]) -> list[Asked]:
    return [Asked(sample, (sample.turns[0].output,)) for sample in samples]


def _task(**fields: Any) -> Task:
    return Task.model_validate({"name": "naming", **fields})


def _expand(samples: Sequence[Sample], examples: Sequence[Sample] = (), **fields: Any) -> list[Job]:
    return expand(_task(**fields), _asked(samples), _asked(examples))


class Scripted:
    """Answers and weighs as a function of the request says: the questions are under test here, not a model."""

    weighs = True
    views = frozenset({"blank", "untrained"})
    identity = "scripted"

    def __init__(self, say: Any = None, weigh: Any = None) -> None:
        self._say, self._weigh = say, weigh

    def begin(self, samples: Sequence[Sample]) -> None: ...

    def write(self, requests: Sequence[Request], view: View = None) -> list[Answer]:
        return [self._say(request) for request in requests]

    def weigh(
        self, requests: Sequence[Request], candidates: Sequence[Sequence[str]], view: View = None
    ) -> list[list[Weight]]:
        return [self._weigh(request, given) for request, given in zip(requests, candidates, strict=True)]


def _scores(predictions: Sequence[Prediction]) -> list[Score]:
    return build_scores(_table(predictions), None, resamples=100, seed=0)[0]


def _table(predictions: Sequence[Prediction]) -> pa.Table:
    from dataclasses import asdict

    rows = [{**asdict(p), "fingerprint": "f", "unit": 0} for p in predictions]
    return pa.Table.from_pylist(rows, schema=PREDICTION_SCHEMA)


def test_a_prompt_for_each_language() -> None:
    jobs = _expand(
        [question("ar", 1), question("th", 1)], prompt={"ar": "سؤال: {instruction}", "th": "คำถาม: {instruction}"}
    )
    assert [job.sample.turns[0].input for job in jobs] == ["سؤال: ما هذا؟", "คำถาม: นี่คืออะไร"]
    with pytest.raises(UserError, match="no prompt in 'zh'"):
        _expand([question("zh", 1)], prompt={"ar": "{question}"})


def test_options_by_native_letters() -> None:
    (job,) = _expand([question("th", 1)], how="letters", letters="native")
    lines = job.sample.turns[0].input.split("\n")
    assert lines == ["นี่คืออะไร", "ก. แมว", "ข. หมา", "ค. ปลา", "ง. ม้า", lines[-1]]
    assert "ตัวอักษร" in lines[-1]
    (latin,) = _expand([question("th", 1)], how="letters")
    assert "B. หมา" in latin.sample.turns[0].input


def test_every_rotation_must_be_right() -> None:
    samples = [question("ar", number) for number in (1, 2)]
    jobs = _expand(samples, how="letters", circular=True)
    assert [job.candidates[0] for job in jobs[:4]] == list(samples[0].options)
    assert len({job.sample.id for job in jobs}) == 8

    def say(request: Request) -> Answer:
        gold = request.sample.turns[-1].output
        shown = request.sample.turns[-1].input
        letter = next(line[0] for line in shown.split("\n") if line.endswith(f". {gold}"))
        # The second question is answered by its place: right in one rotation of four.
        return Answer(letter if gold == samples[0].turns[0].output else "A")

    scores = {score.metric: score for score in _scores(answer_unit(jobs, Scripted(say)))}
    assert scores["letter"].value == pytest.approx((1 + 0.25) / 2)
    assert scores["letter"].n == 8
    assert (scores["circular"].n, scores["circular"].value) == (2, 0.5)
    assert scores["circular"].chance == pytest.approx(0.25**4)


def test_one_of_two_answers_is_right_by_chance() -> None:
    samples = [replace(question("ar", n), turns=(Turn("هل هذه قطة؟", ("نعم", "لا")[n]),), options=()) for n in (0, 1)]
    jobs = _expand(samples, how="write", metrics=["yes_no", "exact_match"])
    scores = {score.metric: score for score in _scores(answer_unit(jobs, Scripted(lambda request: Answer("نعم."))))}
    assert (scores["yes_no"].value, scores["yes_no"].chance) == (0.5, 0.5)
    assert scores["exact_match"].chance is None


def test_contrast_is_per_token_and_a_tie_is_wrong() -> None:
    sample = replace(question("zh", 0), options=("猫", "狗"))
    jobs = _expand([sample], how="contrast")

    def weights(right: tuple[float, int], wrong: tuple[float, int]) -> float:
        scripted = Scripted(weigh=lambda request, given: [Weight(*right), Weight(*wrong)])
        (found,) = answer_unit(jobs, scripted)
        return found.score

    assert weights((-4.0, 4), (-3.0, 2)) == 1.0  # less likely in sum, likelier per token
    assert weights((-2.0, 2), (-2.0, 2)) == 0.0
    assert weights((-3.0, 2), (-4.0, 4)) == 0.0


def test_contrast_and_quality_see_the_picture(model: Any, encoder: PromptEncoder) -> None:
    samples = [replace(question("ar", number), options=WORDS["ar"][:2]) for number in (0, 4, 8)]
    jobs = [
        *_expand(samples, how="contrast", baselines=["blank"]),
        *_expand([question("th", n) for n in (1, 2)], how="quality", words={"th": ["ดี", "แย่"]}),
    ]
    backend = NativeBackend(Subject(model, encoder, NORMALISATION, read_tiles))
    found = answer_unit(jobs, backend)
    contrasts = [one for one in found if one.metric == "contrast" and one.baseline is None]
    assert len({one.option_scores for one in contrasts}) == 3
    blank = [one for one in found if one.baseline == "blank"]
    assert blank[0].option_scores != contrasts[0].option_scores
    for one in (one for one in found if one.metric == "quality"):
        good, poor = (math.exp(value) for value in one.option_scores)
        assert one.score == pytest.approx(good / (good + poor), abs=1e-4)


def test_examples_come_before_the_question_in_its_language() -> None:
    examples = [question(tag, number, split="train") for tag in ("ar", "th") for number in range(40, 46)]
    (job,) = _expand([question("ar", 1)], examples, how="likelihood", shots={"count": 2, "split": "train"})
    assert len(job.sample.turns) == 3
    assert [turn.input for turn in job.sample.turns] == [IMAGE_MARK + "ما هذا؟"] * 3
    assert all(turn.output in WORDS["ar"] for turn in job.sample.turns)
    assert len(job.sample.media) == 3
    assert job.sample.media[-1] == question("ar", 1).media[0]
    assert job.cluster == question("ar", 1).media[0].sha256
    again = _expand([question("ar", 1)], examples[::-1], how="likelihood", shots={"count": 2, "split": "train"})
    assert again == [job]
    with pytest.raises(UserError, match="wants 7 examples in 'ar', there are 6"):
        _expand([question("ar", 1)], examples, shots={"count": 7, "split": "train"})


def test_a_nudge_is_a_dialogue_before_the_pictures(encoder: PromptEncoder) -> None:
    from polysee.inference.encoder import encode_dialogue, media_key

    (job,) = _expand([question("zh", 1)], nudge=True)
    first, last = job.sample.turns
    assert first.input == "从现在起请用中文回答。"
    assert last.input.startswith(IMAGE_MARK)
    tiles = {media_key(ref): read_tiles(ref) for ref in job.sample.media}
    ids = list(encode_dialogue(encoder, job.sample, tiles).ids)
    assert ids.index(encoder.image_token_id) > ids.index(encoder.end_id)


def test_frames_make_a_curve() -> None:
    sample = question("am", 1)
    video = replace(sample, media=(replace(sample.media[0], kind="video", frames=300),))
    jobs = _expand([video, sample], frames=[2, 16])
    assert [(job.variant, job.sample.media[0].frames) for job in jobs] == [
        ("frames-2", 2),
        ("frames-16", 16),
        (None, 1),
    ]
    (plain,) = _expand([video])
    assert plain.sample.media[0].frames == 8


def test_votes_are_over_answers_that_mean_the_same() -> None:
    sample = question("ar", 1, answer="4")
    jobs = _expand([sample], reasoning={"votes": 5}, metrics=["exact_match"])
    texts = [
        "<answer>7</answer>",
        "<answer>٤</answer>",
        "<answer>4</answer>",
        "<answer>9</answer>",
        "<answer>4.</answer>",
    ]

    def say(request: Request) -> Answer:
        if "<answer>" not in request.sample.turns[-1].input:
            return Answer("9", 10, 1)
        assert request.temperature > 0
        return Answer(f"1 + 3 {texts[request.draw]}", 20, 5, cost=0.01)

    found = answer_unit(jobs, Scripted(say))
    reasoned = next(one for one in found if one.variant == "reasoned")
    assert reasoned.curve == (0.0, 0.0, 1.0, 1.0, 1.0)
    assert reasoned.score == 1.0
    assert reasoned.tokens == (5,) * 5
    (curve,) = build_breakdown(_table(found), resamples=100, seed=0)["scaling"]
    assert [(p["draws"], p["value"], p["tokens"]) for p in curve["points"]][:4] == [
        (0, 0.0, 1.0),
        (1, 0.0, 5.0),
        (2, 0.0, 10.0),
        (3, 1.0, 15.0),
    ]
    assert curve["points"][3]["cost"] == pytest.approx(0.03)
    assert {score.variant for score in _scores(found)} == {None, "reasoned"}


def test_the_better_of_both_is_told_in_official_mode_alone() -> None:
    jobs = _expand(
        [question("th", 1, answer="7")],
        reasoning={},
        metrics=["exact_match", {"name": "exact_match", "mode": "official"}],
    )

    def say(request: Request) -> Answer:
        return Answer("<answer>7</answer>" if "<answer>" in request.sample.turns[-1].input else "8")

    rows = [(score.mode, score.variant, score.value) for score in _scores(answer_unit(jobs, Scripted(say)))]
    assert ("official", "max", 1.0) in rows
    assert ("multilingual", "max") not in [row[:2] for row in rows]


def test_drawn_answers_do_not_depend_on_the_batch(model: Any, encoder: PromptEncoder) -> None:
    asked = _expand([question(tag, number) for tag in WORDS for number in range(3)])
    jobs = [replace(job, temperature=1.0, draws=3, max_new_tokens=5) for job in asked]
    subject = Subject(model, encoder, NORMALISATION, read_tiles)
    first = answer_unit(jobs, NativeBackend(subject, batch=1))
    second = answer_unit(jobs, NativeBackend(subject, batch=16))
    assert first == second
    assert any(len(set(one.draws)) > 1 for one in first)
    other = answer_unit(jobs, NativeBackend(subject, batch=16, seed=1))
    assert [one.draws for one in other] != [one.draws for one in first]


def test_units_never_part_a_picture() -> None:
    jobs = _expand([question(tag, number) for number in range(7) for tag in WORDS], how="likelihood")
    units = units_of(jobs, 6)
    assert sorted(job.item for unit in units for job in unit) == sorted(job.item for job in jobs)
    pictures = [{job.cluster for job in unit} for unit in units]
    assert all(not first & second for first, second in itertools.pairwise(pictures))
    assert units == units_of(jobs[::-1], 6)


def test_failed_questions_count_neither_way() -> None:
    samples = [question("th", number, answer="แมว") for number in (1, 2, 3)]
    jobs = _expand(samples, metrics=["exact_match"])
    broken = jobs[0].sample.id
    found = answer_unit(
        jobs, Scripted(lambda r: Answer("", failure="timeout") if r.sample.id == broken else Answer("แมว"))
    )
    (score,) = _scores(found)
    assert (score.n, score.failed, score.value) == (2, 1, 1.0)


def test_spearman_shares_ranks() -> None:
    import numpy as np

    assert spearman(np.asarray([1.0, 2.0, 3.0]), np.asarray([10.0, 20.0, 15.0])) == pytest.approx(0.5)
    assert spearman(np.asarray([1.0, 1.0, 2.0]), np.asarray([3.0, 4.0, 5.0])) == pytest.approx(0.8660254)
    assert spearman(np.asarray([1.0, 1.0]), np.asarray([3.0, 4.0])) is None
