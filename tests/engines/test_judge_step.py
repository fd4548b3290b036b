"""The judge as a step of a run: rows in scores.json, once and for all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judged_runs import QUESTIONS, answer_all, make_run, shown
from polysee.engines.build import build_steps
from polysee.engines.judge_step import JudgeStep
from polysee.engines.pool import WorkerPool
from polysee.engines.progress import Progress
from polysee.engines.step import StepContext, StepOutcome
from polysee.evaluation.judge.config import JudgeSection
from polysee.evaluation.predictions import read_predictions
from polysee.evaluation.scores import build_scores, write_scores
from polysee.recipe.costs import service_estimates
from polysee.recipe.load import load_recipe
from polysee.recipe.plan import Estimate, estimate
from polysee.schema import UserError
from polysee.services.config import ChatConfig
from polysee.store.run import RunStore
from services.server import Server
from tiny_chain import CHAIN

PICTURES = 8
SECTION = """
  judge: {chat: referee, samples: 2, tasks: [caption]}
services:
  - {name: referee, kind: chat, base_url: "http://127.0.0.1:1/v1", model: tiny}
"""


def verdict(body: dict[str, Any]) -> str:
    tag, reference, answers = shown(body)
    if tag == "am":
        return "ጥሩ ነው"
    return f"النتيجة: {'١٠' if answers[0] == reference else '١'}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(answer=verdict, listed=("tiny",)).running() as running:
        yield running


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has answered: right but for every fourth picture."""
    made = make_run(tmp_path / "runs" / "run", PICTURES)
    folder = answer_all(made, "ours", lambda n: n % 4 > 0, PICTURES)
    shutil.move(folder / "predictions.lance", made / "predictions.lance")
    predictions = read_predictions(made / "predictions.lance")
    scores, macro = build_scores(predictions, dict.fromkeys(QUESTIONS, "vl"), resamples=100, seed=0)
    write_scores(made / "scores.json", scores, macro)
    return made


def judged(run: Path, server: Server, **changes: Any) -> StepOutcome:
    service = ChatConfig(name="referee", base_url=server.url, model="tiny", retries=0)
    section = JudgeSection(chat="referee", **changes)
    step = JudgeStep(section, 200, 0, (service,))
    with RunStore(run) as store, WorkerPool(0) as pool:
        return step.run(StepContext(store, "f" * 64, 0, Progress(None), run / "journal", pool))


def rows(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "scores.json").read_text(encoding="utf-8"))["tasks"]
    return found


def test_rows_in_scores_json(run: Path, server: Server) -> None:
    before = rows(run)
    outcome = judged(run, server, samples=2)
    assert "40 answers judged, 16 of 80 verdicts unparsed" in outcome.summary
    assert all((run / name).exists() for name in outcome.outputs)
    after = rows(run)
    assert after[: len(before)] == before
    new = {row["language"]: row for row in after[len(before) :]}
    assert set(new) == {"ar", "hi", "th", "zh"}  # nothing of the Amharic verdicts could be read
    for row in new.values():
        assert (row["metric"], row["split"], row["n"], row["unparsed"]) == ("judge", "test", PICTURES, 0.0)
        assert row["value"] == pytest.approx(0.75)
        assert row["seen"] == "vl"
        assert 0 <= row["low"] < 0.75 < row["high"] <= 1
    trust = {row["language"]: row for row in json.loads((run / "judge.json").read_text("utf-8"))["trust"]}
    assert (trust["am"]["without"], trust["am"]["unparsed"]) == (PICTURES, 2 * PICTURES)


def test_again_and_with_other_settings(run: Path, server: Server) -> None:
    judged(run, server, samples=2)
    first, posts = (run / "scores.json").read_bytes(), server.posts
    judged(run, server, samples=2)
    assert (run / "scores.json").read_bytes() == first
    assert server.posts == posts
    judged(run, server, samples=2, languages=("ar",))
    assert [row["language"] for row in rows(run) if row["metric"] == "judge"] == ["ar"]
    assert server.posts == posts


def test_too_many_failures_stop_the_step(run: Path, server: Server) -> None:
    server.script = lambda number, body: "400" if number == 3 else "ok"
    with pytest.raises(UserError, match=r"1 of 40 requests to the judge got no answer"):
        judged(run, server, samples=1)
    assert not (run / "judge.json").exists()
    judged(run, server, samples=1)
    assert server.posts == 41


def test_the_report_shows_the_rows(run: Path, server: Server) -> None:
    from polysee.report.files import read_run

    judged(run, server, samples=1)
    scores = read_run(run).scores
    assert scores is not None
    assert [row.metric for row in scores.rows].count("judge") == 4


def recipe(tmp_path: Path, section: str) -> Path:
    path = tmp_path / "recipe.yaml"
    text = CHAIN.read_text(encoding="utf-8")
    path.write_text(text.replace("  max_new_tokens: 6\n", "  max_new_tokens: 6" + section), encoding="utf-8")
    return path


def test_a_recipe_with_a_judge(tmp_path: Path) -> None:
    loaded = load_recipe(recipe(tmp_path, SECTION))
    steps = build_steps(loaded)
    assert [step.name for step in steps][-3:] == ["evaluate", "judge", "report"]
    plain = {step.name: step.parameters() for step in build_steps(load_recipe(CHAIN))}
    assert {step.name: step.parameters() for step in steps if step.name in plain} == plain
    assert estimate(loaded)["judge"] == Estimate()
    [cost] = service_estimates(loaded, estimate(loaded), tmp_path)
    assert cost.line().startswith("judge asks referee (chat, tiny)")


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("chat: referee", "chat: refere", "no service is called `refere`"),
        ("chat: referee, ", "", "evaluate.judge.chat"),
        ("samples: 2", "mode: pair", "this compares several"),
        ("tasks: [caption]", "tasks: [counting]", "no task with answers in words is called `counting`"),
        ("samples: 2", "sample: 2", "did you mean `samples`"),
    ],
)
def test_mistakes_in_a_recipe(tmp_path: Path, old: str, new: str, cause: str) -> None:
    with pytest.raises(UserError) as wrong:
        load_recipe(recipe(tmp_path, SECTION.replace(old, new)))
    assert cause in str(wrong.value)
