from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from evaluate_tiny import CONFIG, samples

from polysee.evaluation import jobs
from polysee.evaluation.config import EvaluateConfig, TaskConfig
from polysee.evaluation.predictions import PREDICTION_SCHEMA, read_predictions
from polysee.evaluation.run import Subject, evaluate, measure, plan, untrained
from polysee.models.prompt import PromptEncoder
from polysee.schema.errors import UserError
from polysee.store.atomic import CRASH_VARIABLE
from tiny_model import NORMALISATION, WORDS, question, read_tiles

SCRIPT = Path(__file__).with_name("evaluate_tiny.py")


@pytest.fixture
def subject(model: Any, encoder: PromptEncoder) -> Subject:
    return Subject(model, encoder, NORMALISATION, read_tiles)


def _evaluate(subject: Subject, path: Path, config: EvaluateConfig = CONFIG, **changes: Any) -> pa.Table:
    arguments: dict[str, Any] = {"path": path, "fingerprint": "checkpoint", "seed": 3} | changes
    evaluate(samples(), config, subject, **arguments)
    return read_predictions(path)


def _plain(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.drop(["unit", "fingerprint"]).to_pylist(), key=str)


def test_every_cell_is_answered_once(subject: Subject, tmp_path: Path) -> None:
    table = _evaluate(subject, tmp_path / "predictions.lance")
    assert table.schema.equals(PREDICTION_SCHEMA)
    rows = table.to_pylist()
    count = Counter((row["task"], row["baseline"]) for row in rows)
    languages = len(WORDS)
    assert count == {
        ("naming", None): 12 * languages,
        ("naming", "blank"): 12 * languages,
        ("naming", "untrained"): 12 * languages,
        ("caption", None): 3 * languages,
        ("caption", "blank"): 3 * languages,
        ("counting", None): 3 * languages,
        ("grounding", None): languages,
    }
    assert len({(r["sample"], r["baseline"], r["metric"]) for r in rows}) == len(rows)
    known = {s.id: s for s in samples()}
    for row in rows:
        sample = known[row["sample"]]
        assert sample.split == row["split"] == "scenes"
        assert row["cluster"] == sample.media[0].sha256
        assert 0.0 <= row["score"] <= 1.0
        if row["metric"] == "choice":
            best = max(range(4), key=lambda k, r=row: r["option_scores"][k])
            assert row["answer"] == sample.options[best]
            assert row["score"] == float(row["answer"] == sample.turns[0].output)
            assert row["chance"] == 0.25
        else:
            assert row["option_scores"] == []
            assert row["chance"] is None


def test_blank_does_not_depend_on_the_picture(subject: Subject, tmp_path: Path) -> None:
    config = EvaluateConfig(tasks=(TaskConfig(task="naming", metric="choice", baselines=("blank", "untrained")),))
    rows = _evaluate(subject, tmp_path / "p.lance", config).to_pylist()
    known = {s.id: s for s in samples()}

    def scores(baseline: str | None, language: str) -> list[list[float]]:
        """Of all pictures with one tile: their prompts are equal."""
        return [
            row["option_scores"]
            for row in rows
            if row["baseline"] == baseline and row["language"] == language and known[row["sample"]].media[0].width == 16
        ]

    for language in WORDS:
        blank = scores("blank", language)
        assert all(values == pytest.approx(blank[0], abs=1e-5) for values in blank)
        seen = scores(None, language)
        assert max(abs(values[0] - seen[0][0]) for values in seen) > 1e-3
        assert scores("untrained", language)[0] != pytest.approx(seen[0], abs=1e-3)


def test_batch_and_order_do_not_change_choices(subject: Subject, tmp_path: Path) -> None:
    first = _plain(_evaluate(subject, tmp_path / "a.lance"))
    evaluate(
        samples()[::-1],
        CONFIG.model_copy(update={"batch": 5}),
        subject,
        path=tmp_path / "b.lance",
        fingerprint="checkpoint",
        seed=3,
    )
    second = _plain(read_predictions(tmp_path / "b.lance"))
    key = ("sample", "metric", "baseline")
    by_key = {tuple(row[name] for name in key): row for row in second}
    for row in first:
        other = by_key[tuple(row[name] for name in key)]
        assert row["answer"] == other["answer"]
        assert row["option_scores"] == pytest.approx(other["option_scores"], abs=1e-5)


def test_what_is_there_is_not_done_again(subject: Subject, tmp_path: Path) -> None:
    path = tmp_path / "p.lance"
    first = _evaluate(subject, path)

    def refuse(ref: Any) -> Any:
        raise AssertionError("nothing is left to read")

    seen: list[tuple[int, int]] = []
    again = _evaluate(
        replace(subject, read_tiles=refuse), path, progress=lambda done, total: seen.append((done, total))
    )
    assert again.equals(first)
    assert seen[-1][0] == seen[-1][1] == len(seen)


@pytest.mark.parametrize(
    "changes",
    [{"fingerprint": "another checkpoint"}, {"seed": 4}, {"config": CONFIG.model_copy(update={"max_new_tokens": 5})}],
)
def test_another_input_starts_anew(subject: Subject, tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "p.lance"
    first = _evaluate(subject, path)
    second = _evaluate(subject, path, **changes)
    assert len(second) == len(first)
    assert not set(second["fingerprint"].to_pylist()) & set(first["fingerprint"].to_pylist())


def test_more_resamples_need_no_new_answers(subject: Subject, tmp_path: Path) -> None:
    first = _evaluate(subject, tmp_path / "p.lance")
    more = CONFIG.model_copy(update={"resamples": 999})
    assert _evaluate(subject, tmp_path / "p.lance", more).equals(first)


def test_killed_runs_go_on_to_the_same_bits(tmp_path: Path) -> None:
    def start(name: str, kill_at: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), str(tmp_path / name), str(kill_at)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)

    whole = start("whole")
    assert whole.returncode == 0, whole.stderr
    expected = read_predictions(tmp_path / "whole")
    total = int(whole.stdout)
    # First between the data files of the very first unit and the commit that would show them.
    killed = start("killed", **{CRASH_VARIABLE: "main:2"})
    assert killed.returncode == 137, killed.stderr
    killed = start("killed", total // 3)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    partial = read_predictions(tmp_path / "killed")
    assert 0 < len(partial) < len(expected)
    finished = start("killed")
    assert finished.returncode == 0, finished.stderr
    assert int(finished.stdout) < total
    assert read_predictions(tmp_path / "killed").equals(expected)


def test_plan_keeps_one_image_together_and_leaves_training_out() -> None:
    jobs = plan(samples(), CONFIG)
    clusters = [job.cluster for job in jobs]
    assert clusters == sorted(clusters)
    assert all(job.sample.split != "train" for job in jobs)
    only = CONFIG.model_copy(update={"tasks": CONFIG.tasks[:1], "splits": ("concepts",)})
    more = [question("th", 1, split="concepts"), *samples()]
    assert [job.sample.split for job in plan(more, only)] == ["concepts"]


def test_a_task_without_samples_is_a_mistake() -> None:
    config = EvaluateConfig(tasks=(TaskConfig(task="namng", metric="choice"),))
    with pytest.raises(UserError, match="no held-out samples of the task 'namng'"):
        plan(samples(), config)


def test_a_metric_that_does_not_fit_is_a_mistake() -> None:
    with pytest.raises(UserError, match="no two options"):
        plan(samples(), EvaluateConfig(tasks=(TaskConfig(task="counting", metric="choice"),)))
    with pytest.raises(UserError, match="holds no box"):
        plan(samples(), EvaluateConfig(tasks=(TaskConfig(task="counting", metric="iou"),)))


def test_text_alone_has_no_blank_baseline(subject: Subject, tmp_path: Path) -> None:
    config = EvaluateConfig(tasks=(TaskConfig(task="naming", metric="choice", baselines=("blank",)),))
    sample = question("zh", 2, media=0)
    evaluate([sample], config, subject, path=tmp_path / "p.lance", fingerprint="f", seed=0)
    rows = read_predictions(tmp_path / "p.lance").to_pylist()
    assert [(row["baseline"], row["cluster"]) for row in rows] == [(None, sample.id)]


def test_untrained_is_seeded_and_leaves_the_random_state_alone(model: Any) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first, again, other = untrained(model, 1), untrained(model, 1), untrained(model, 2)
    assert torch.equal(torch.rand(3), expected)
    assert not first.training
    for (name, a), b in zip(first.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert not torch.equal(first.lm_head.weight, other.lm_head.weight)


@pytest.mark.parametrize(
    ("metric", "answer", "gold", "language", "expected"),
    [
        ("exact_match", "٣", "3", "ar", (1.0, True)),
        ("exact_match", "", "3", "ar", (0.0, False)),
        ("exact_match", "แมว", "หมา", "th", (0.0, True)),
        ("chrf", "猫", "猫", "zh", (1.0, True)),
        ("chrf", "", "猫", "zh", (0.0, False)),
        ("iou", "[0, 0, 10, 10]", "[0, 0, 10, 5]", "en", (0.5, True)),
        ("iou", "somewhere", "[0, 0, 10, 5]", "en", (0.0, False)),
    ],
)
def test_measure(metric: Any, answer: str, gold: str, language: str, expected: tuple[float, bool]) -> None:
    assert measure(metric, answer, gold, language) == (pytest.approx(expected[0]), expected[1])


def test_unit_size_is_not_part_of_the_result(subject: Subject, tmp_path: Path, monkeypatch: Any) -> None:
    first = _plain(_evaluate(subject, tmp_path / "a.lance"))
    monkeypatch.setattr(jobs, "UNIT", 16)
    second = _plain(_evaluate(subject, tmp_path / "b.lance"))
    assert [row["answer"] for row in first] == [row["answer"] for row in second]
