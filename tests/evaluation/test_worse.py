"""Worse pictures under test: asked once more at each level, looked at once, and told apart from all other scores."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from eval_files import make_checkpoint, write_data, write_task
from made_answers import model as made
from made_answers import row, table
from numpy.typing import NDArray

from polysee.evaluation.answering import answer_unit
from polysee.evaluation.breakdown import build_breakdown, build_robustness
from polysee.evaluation.config import Distortion, EvaluateConfig, TaskConfig
from polysee.evaluation.jobs import units_of
from polysee.evaluation.run import plan
from polysee.evaluation.scores import build_scores
from polysee.evaluation.session import Evaluation, run_evaluation
from polysee.evaluation.tasks.data import Asked
from polysee.evaluation.tasks.expand import expand
from polysee.evaluation.tasks.load import load_tasks
from polysee.evaluation.tasks.models import Task
from polysee.evaluation.worse import VARIANTS, distorted, read_medium
from polysee.inference.backends.native import NativeBackend, Subject
from polysee.media.distort import KINDS, LEVELS, distort_bytes
from polysee.models.prompt import PromptEncoder
from polysee.schema.errors import UserError
from polysee.schema.sample import MediaRef, Sample
from tiny_model import NORMALISATION, WORDS, question, read_tiles

DRAWS = {"resamples": 200, "seed": 0}


def _asked(samples: list[Sample]) -> list[Asked]:
    return [Asked(sample, (sample.turns[0].output,)) for sample in samples]


def _task(**fields: Any) -> Task:
    return Task.model_validate({"name": "naming", **fields})


def test_names_of_kinds_are_equal_wherever_they_stand() -> None:
    from polysee.cli.eval import eval as command

    [option] = [one for one in command.params if one.name == "distort"]
    assert tuple(KINDS) == get_args(Distortion) == tuple(option.type.choices)  # type: ignore[attr-defined]


def test_a_worse_picture_is_made_when_it_is_read() -> None:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save(buffer, "PNG")
    ref = MediaRef("ab" * 32, "image", 30, 20)
    stored = {ref.sha256: buffer.getvalue()}
    worse = distorted(ref, "noise", 2)
    assert (worse.width, worse.height, worse.kind) == (30, 20, "image")
    assert read_medium(ref.sha256, stored.__getitem__) == buffer.getvalue()
    made_now = read_medium(worse.sha256, stored.__getitem__)
    assert made_now == distort_bytes(buffer.getvalue(), "noise", 2, key=ref.sha256)
    assert made_now != read_medium(distorted(ref, "noise", 3).sha256, stored.__getitem__)
    with pytest.raises(KeyError):
        read_medium(distorted(MediaRef("cd" * 32, "image", 1, 1), "blur", 1).sha256, stored.__getitem__)


def test_each_question_is_asked_once_more_at_each_level() -> None:
    samples = [question(language, number) for language in WORDS for number in range(2)]
    jobs = expand(_task(how="likelihood", baselines=["blank"], distortions=["blur", "jpeg"]), _asked(samples))
    by_variant = Counter(job.variant for job in jobs)
    assert by_variant == dict.fromkeys((None, *(f"{k}-{n}" for k in ("blur", "jpeg") for n in LEVELS)), 10)
    assert set(by_variant) - {None} <= VARIANTS
    plain = {job.item: job for job in jobs if job.variant is None}
    for job in jobs:
        own = plain[job.item]
        assert (job.cluster, job.candidates, job.golds, job.sample.turns) == (
            own.cluster,
            own.candidates,
            own.golds,
            own.sample.turns,
        )
        assert job.baselines == (("blank",) if job.variant is None else ())
    assert len({job.sample.id for job in jobs}) == len(jobs)


def test_pictures_of_solved_examples_stay_as_they_are() -> None:
    [job] = [
        job
        for job in expand(
            _task(shots={"count": 1, "split": "train"}, distortions=["blur"]),
            _asked([question("ar", 1)]),
            _asked([question("ar", 2, split="train")]),
        )
        if job.variant == "blur-3"
    ]
    shown = [ref.sha256 for ref in job.sample.media]
    assert shown == [question("ar", 2).media[0].sha256, f"{question('ar', 1).media[0].sha256}/blur/3"]


def test_text_alone_cannot_be_made_worse() -> None:
    texts = [question("th", number, media=0) for number in range(2)]
    both = expand(_task(distortions=["blur"]), _asked([*texts, question("th", 5)]))
    assert [job.variant for job in both if not job.sample.media] == [None, None]
    with pytest.raises(UserError, match="about pictures, which distortions need"):
        expand(_task(distortions=["blur"]), _asked(texts))


def test_a_picture_at_one_level_is_looked_at_once_in_all_languages(model: Any, encoder: PromptEncoder) -> None:
    looked: Counter[str] = Counter()

    def reading(ref: MediaRef) -> NDArray[np.uint8]:
        looked[ref.sha256] += 1
        return read_tiles(ref)

    samples = [question(language, number) for language in WORDS for number in range(2)]
    config = EvaluateConfig(tasks=(TaskConfig(task="naming", metric="choice", distortions=("contrast",)),))
    jobs = plan(samples, config)
    seen: list[int] = []
    tower = model.model.vision_tower.register_forward_pre_hook(
        lambda module, args, given: seen.append(len(given.get("pixel_values", args[0] if args else ()))),
        with_kwargs=True,
    )
    with torch.no_grad():
        for unit in units_of(jobs, 1):
            answer_unit(unit, NativeBackend(Subject(model, encoder, NORMALISATION, reading), batch=8))
    tower.remove()
    pictures = {sample.media[0].sha256 for sample in samples}
    assert looked == {name: 1 for one in pictures for name in (one, *(f"{one}/contrast/{n}" for n in LEVELS))}
    shown = {ref.sha256: ref for job in jobs for ref in job.sample.media}
    assert sum(seen) == sum(len(read_tiles(ref)) for ref in shown.values()), (
        "features are computed once for each picture and level"
    )


def test_other_rows_and_means_stay_as_they_are() -> None:
    rows = made(1, pictures=20)
    worse = [{**one, "variant": "blur-2", "score": 0.0} for one in rows]
    plain, macro = build_scores(table(rows), {"ar": "vl", "th": "vl"}, **DRAWS)
    both, macro_of_both = build_scores(table([*rows, *worse]), {"ar": "vl", "th": "vl"}, **DRAWS)
    assert [score for score in both if score.variant is None] == plain
    assert macro_of_both == macro
    assert {score.value for score in both if score.variant == "blur-2"} == {0.0}
    assert {score.row()["variant"] for score in both if score.variant} == {"blur-2"}


def test_paired_change_by_level_and_language() -> None:
    rows = [row("naming", tag, n, n < 30, metric=m) for tag in ("ar", "hi") for n in range(40) for m in ("choice", "f")]
    for level, right in ((1, 30), (2, 20), (3, 10)):
        rows += [
            row("naming", tag, n, n < right, variant=f"blur-{level}", metric=m)
            for tag in ("ar", "hi")
            for n in range(40)
            for m in ("choice", "f")
        ]
    found: list[Any] = build_robustness(table(rows), **DRAWS)
    groups = ((None, None), ("ar", None), ("hi", None), (None, "naming"))
    assert [(one["language"], one["ability"], one["level"]) for one in found] == [
        (*g, n) for g in groups for n in LEVELS
    ]
    assert [one["change"] for one in found] == [0.0, -0.25, -0.5] * 4
    # A question counts once, though it is measured twice.
    assert [one["n"] for one in found] == [80] * 3 + [40] * 6 + [80] * 3
    assert all(one["low"] <= one["change"] <= one["high"] for one in found)
    assert found[0]["low"] == -found[0]["high"] < 0, "no change seen is none in either direction"
    assert found[2]["p"] < 0.01 < found[0]["p"] == 1.0
    assert build_breakdown(table(rows[:80]), **DRAWS) == {}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worse")
    make_checkpoint(folder / "checkpoint")
    write_task(folder / "task.yaml", write_data(folder / "data", 4))
    return folder


def _scores(place: Path, out: Path, **changes: Any) -> dict[str, Any]:
    tasks = load_tasks(str(place / "task.yaml"))[:1]
    run_evaluation(Evaluation(**{"tasks": tasks, "out": out, "subject": place / "checkpoint"} | changes, resamples=200))
    found: dict[str, Any] = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    return found


def test_an_evaluation_with_worse_pictures(place: Path, tmp_path: Path) -> None:
    plain = _scores(place, tmp_path / "plain")
    worse = _scores(place, tmp_path / "worse", distort=("blur", "pixelate"))
    assert [one for one in worse["tasks"] if "variant" not in one] == plain["tasks"]
    assert {name: worse[name] for name in plain if name != "tasks"} == {
        name: part for name, part in plain.items() if name != "tasks"
    }
    assert len([one for one in worse["tasks"] if "variant" in one]) == 2 * 3 * len(WORDS)
    assert len(worse["robustness"]) == 2 * 3 * (1 + 1 + len(WORDS))
    _scores(place, tmp_path / "two", distort=("blur", "pixelate"), processes=2, batch=3)
    assert (tmp_path / "two/scores.json").read_bytes() == (tmp_path / "worse/scores.json").read_bytes()
