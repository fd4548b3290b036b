"""The whole chain by the real command: what it writes, and what it does again after a change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import polysee
from export_run import make_run, sample
from polysee.engines.build import build_steps
from polysee.engines.local import explain, run_steps
from polysee.engines.model_steps import PlanStep, kept_samples, training_samples
from polysee.evaluation.predictions import read_predictions
from polysee.recipe.load import load_recipe
from polysee.schema import UserError
from polysee.sources.base import EVALUATION_ONLY
from polysee.store.run import RunStore
from tiny_chain import CHAIN, chain, log_rows

DATA = ["world", "ask", "length", "short"]
PLANS = ["tokenizer", "pack-warm", "pack-full"]
STEPS = [*DATA, "encoder", *PLANS, "train-warm", "train-full", "evaluate", "report"]
ROW = {
    "task", "language", "metric", "split", "baseline", "n", "value", "low", "high", "chance", "unparsed",
    "wrong_language", "seen", "held_in",
}  # fmt: skip


def command(workdir: Path, changes: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    settings = [word for change in changes for word in ("--set", change)]
    return subprocess.run(
        [sys.executable, "-m", "polysee.cli.main", "run", str(CHAIN), "--workdir", str(workdir), *settings],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(Path(polysee.__file__).parents[1])},
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    done = command(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{folder / 'chain' / 'report.html'}\n"
    return folder


@pytest.fixture(scope="module")
def run(workdir: Path) -> Path:
    return workdir / "chain"


def stamps(run: Path, *names: str) -> dict[str, int]:
    """When the files below the named parts of a run were last written."""
    found = [path for name in names for path in ((run / name).rglob("*") if (run / name).is_dir() else [run / name])]
    return {str(path.relative_to(run)): path.stat().st_mtime_ns for path in found if path.is_file()}


def test_all_outputs_are_there(run: Path) -> None:
    assert sorted(path.name for path in (run / "steps").iterdir()) == [
        f"{number:02d}-{name}.json" for number, name in enumerate(STEPS, start=1)
    ]
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in (run / "plans").iterdir()) == ["full.arrow", "warm.arrow"]
    for stage in ("warm", "full"):
        names = {path.name for path in (run / "checkpoints" / stage).iterdir()}
        assert {"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"} <= names
        assert "reload-probe.safetensors" not in names
    assert [(r["stage"], r["step"]) for r in log_rows(run / "train.jsonl")] == [
        *(("warm", step) for step in range(3)),
        *(("full", step) for step in range(8)),
    ]
    assert list((run / "journal").iterdir()) == []
    assert (run / "encoder/vision.safetensors").stat().st_size > 10_000
    assert not [p for p in run.rglob("*") if p.suffix in (".pt", ".pkl", ".pickle", ".bin", ".ckpt", ".pth")]


def test_rows_of_the_scores(run: Path) -> None:
    scores = json.loads((run / "scores.json").read_text())
    assert scores.keys() == {"tasks", "macro"}
    for row in scores["tasks"]:
        assert row.keys() == ROW
        assert 0 <= row["low"] <= row["value"] <= row["high"] <= 1
        assert row["n"] > 0
        assert row["baseline"] in (None, "blank", "untrained")
        assert (row["seen"] == "text") == (row["language"] == "uk")
    cells = {(r["task"], r["metric"], r["language"], r["split"], r["baseline"]) for r in scores["tasks"]}
    assert len(cells) == len(scores["tasks"])
    four_way = [
        r
        for r in scores["tasks"]
        if (r["metric"], r["split"], r["chance"], r["baseline"]) == ("choice", "scenes", 0.25, None)
    ]
    for language in ("en", "ar", "zh"):
        assert {("naming", "choice", language, "scenes", b) for b in (None, "blank", "untrained")} <= cells
        assert ("caption", "chrf") in {(t, m) for t, m, tag, _, _ in cells if tag == language}
    assert ("naming", "choice", "uk", "languages", None) in cells
    means = []
    for language in ("en", "ar", "zh"):
        values = [row["value"] for row in four_way if row["language"] == language]
        means.append(sum(values) / len(values))
    assert scores["macro"]["four_way"] == pytest.approx(sum(means) / 3, abs=1e-5)
    assert sum(row["n"] for row in scores["tasks"]) == len(read_predictions(run / "predictions.lance"))


def test_funnel_adds_up(run: Path) -> None:
    rows = json.loads((run / "funnel.json").read_text())["steps"]
    assert {row["step"] for row in rows} == set(DATA)
    for row in rows:
        assert row["in"] == row["out"] + sum(row["dropped"].values()) + row["unknown"] + row["failed"]
    last = sum(row["out"] for row in rows if row["step"] == "short")
    assert last == RunStore.open_read_only(run).count("keep_short") > 200


def test_second_run_does_nothing(workdir: Path, run: Path) -> None:
    parts = ("steps", "plans", "tokenizer", "encoder", "checkpoints", "scores.json", "train.jsonl", "report.html")
    before = stamps(run, *parts, "samples.lance", "media.lance", "predictions.lance")
    done = command(workdir)
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert [line.removesuffix(": committed").split()[-1] for line in said] == STEPS
    assert all(line.endswith(": committed") for line in said)
    assert stamps(run, *parts, "samples.lance", "media.lance", "predictions.lance") == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("workers=2", []),
        ("stages.full.checkpoint_every=3", []),
        ("select.short.where=characters <= 60", STEPS[3:4] + STEPS[5:]),
        ("transforms.ask.use=instruct", []),
        ("encoder.steps=4", ["encoder"]),
        ("tokenizer.vocabulary=700", STEPS[5:]),
        ("mix.temperature=2.0", STEPS[6:]),
        ("stages.warm.learning_rate.connector=0.1", STEPS[8:]),
        ("stages.full.learning_rate.connector=0.1", STEPS[9:]),
        # The plan of a later stage is no input of an earlier one.
        ("stages.full.steps=6", ["pack-full", *STEPS[9:]]),
        ("evaluate.resamples=200", STEPS[10:]),
        ("report.gallery=2", STEPS[11:]),
    ],
)
def test_only_what_depends_on_a_change_would_run(run: Path, change: str, expected: list[str]) -> None:
    store = RunStore.open_read_only(run)
    assert [plan.name for plan in explain(build_steps(chain([change])), store) if plan.will_run] == expected


def again(run: Path, folder: Path, change: str) -> tuple[Path, dict[str, Any]]:
    """A copy of the run after a change; the fixture's own stays as it is."""
    shutil.copytree(run, folder)
    with RunStore(folder) as store:
        run_steps(build_steps(chain([change])), store, workers=0)
    return folder, json.loads((folder / "scores.json").read_text())


def test_a_change_of_evaluation_does_not_train(run: Path, tmp_path: Path) -> None:
    parts = ("plans", "tokenizer", "encoder", "checkpoints", "train.jsonl", "samples.lance")
    before = json.loads((run / "scores.json").read_text())
    folder, scores = again(run, tmp_path / "run", 'evaluate.tasks=[{"task": "naming", "metric": "exact_match"}]')
    assert {row["metric"] for row in scores["tasks"]} == {"exact_match"}
    kept = [row for row in before["tasks"] if row["metric"] == "exact_match"]
    assert scores["tasks"] == kept
    assert set(stamps(folder, *parts)) == set(stamps(run, *parts))
    manifests = [name for name in stamps(folder, "steps") if "evaluate" not in name and "report" not in name]
    for name in (*manifests, *stamps(folder, "checkpoints"), "train.jsonl"):
        assert (folder / name).read_bytes() == (run / name).read_bytes()


def test_models_are_kept_while_training_and_measured_one_by_one(run: Path, tmp_path: Path) -> None:
    changes = ["stages.full.keep_every=3", "evaluate.checkpoints=all"]
    steps = build_steps(chain(changes))
    folder = tmp_path / run.name
    shutil.copytree(run, folder)
    would = [plan.name for plan in explain(steps, RunStore.open_read_only(folder)) if plan.will_run]
    assert would == ["train-full", "evaluate", "evaluate-checkpoints", "report"]
    # By the command, as the run before it: another number of threads changes the last bits of the weights.
    done = command(tmp_path, changes)
    assert done.returncode == 0, done.stderr
    for name in ("checkpoints/full/model.safetensors", "scores.json"):
        assert (folder / name).read_bytes() == (run / name).read_bytes(), "keeping models changes nothing in them"
    kept = folder / "checkpoints" / "full.kept"
    assert sorted(path.name for path in kept.iterdir()) == ["3", "6"]
    weights = [
        (path / "model.safetensors").read_bytes() for path in (kept / "3", kept / "6", folder / "checkpoints/full")
    ]
    assert len(set(weights)) == 3
    curves = json.loads((folder / "curves.json").read_text())
    assert [(one["name"], one["steps"]) for one in curves["checkpoints"]] == [
        ("warm", 3),
        ("full@3", 6),
        ("full@6", 9),
        ("full", 11),
    ]
    overall = curves["curves"][0]
    assert (overall["ability"], overall["language"]) == (None, None)
    four_way = json.loads((run / "scores.json").read_text())["macro"]["four_way"]
    assert overall["points"][-1]["value"] == pytest.approx(four_way, abs=1e-5)
    early = read_predictions(folder / "curves" / "full@3" / "predictions.lance")
    assert set(early["baseline"].to_pylist()) == {None}
    assert 'id="checkpoints"' in (folder / "report.html").read_text(encoding="utf-8")
    # Disks fill up: a kept model may go, and nothing is trained again.
    shutil.rmtree(kept / "3")
    assert not [plan.name for plan in explain(steps, RunStore.open_read_only(folder)) if plan.will_run]


def test_worse_pictures_in_a_recipe(run: Path, tmp_path: Path) -> None:
    task = '{"task": "naming", "metric": "choice", "baselines": ["blank", "untrained"], "distortions": ["jpeg"]}'
    _, scores = again(run, tmp_path / "run", f"evaluate.tasks=[{task}]")
    before = [
        row
        for row in json.loads((run / "scores.json").read_text())["tasks"]
        if (row["task"], row["metric"]) == ("naming", "choice")
    ]
    assert [row for row in scores["tasks"] if "variant" not in row] == before
    assert {row["variant"] for row in scores["tasks"] if "variant" in row} == {"jpeg-1", "jpeg-2", "jpeg-3"}
    levels = {(row["language"], row["level"]) for row in scores["robustness"] if row["ability"] is None}
    assert levels == {(tag, level) for tag in (None, "ar", "en", "uk", "zh") for level in (1, 2, 3)}


def test_a_changed_threshold_trains_on_what_is_left(run: Path, tmp_path: Path) -> None:
    folder, scores = again(run, tmp_path / "run", "select.short.where=language <> 'zh'")
    for name in ("01-world", "02-ask", "03-length", "05-encoder"):
        assert (folder / f"steps/{name}.json").read_bytes() == (run / f"steps/{name}.json").read_bytes()
    rows = [row for row in json.loads((folder / "funnel.json").read_text())["steps"] if row["step"] == "short"]
    assert {row["language"] for row in rows if row["dropped"]} == {"zh"}
    assert {row["language"] for row in scores["tasks"]} == {"en", "ar", "uk"}
    assert all("zh" not in row["languages"] for row in log_rows(folder / "train.jsonl"))
    assert RunStore.open_read_only(folder).count() == RunStore.open_read_only(run).count()


def test_a_stage_can_weigh_the_sources_in_its_own_way() -> None:
    recipe = load_recipe(CHAIN, ["stages.warm.repeat={world: 0.5}"])
    plans = {step.stage.name: step.repeats for step in build_steps(recipe) if isinstance(step, PlanStep)}
    assert plans == {"warm": (("world", 0.5),), "full": (("world", 1.0),)}
    with pytest.raises(UserError, match="no source is called `nowhere`"):
        load_recipe(CHAIN, ["stages.warm.repeat={nowhere: 1}"])


TWO_SOURCES = """
name: two
sources:
  - {name: old, use: llava, params: {path: a.json, images: ., language: ar}}
  - {name: new, use: llava, params: {path: b.json, images: ., language: ar}}
tokenizer: {vocabulary: 512}
model: {vision: {hidden: 32, heads: 2, layers: 1, tile: 32}, language: {hidden: 32, heads: 2, kv_heads: 1, layers: 1}}
stages:
  - {name: one, train: [connector], steps: 1, warmup_steps: 0, repeat: {}, learning_rate: {connector: 1.0e-3}}
"""


@pytest.mark.parametrize(
    ("repeat", "expected"),
    [
        ("{old: 0}", {"both": 1, "new": 1}),
        ("{new: 0}", {"both": 1, "old": 1}),
        ("{old: 3, new: 2}", {"both": 3, "old": 3, "new": 2}),
    ],
)
def test_a_sample_of_two_sources_goes_by_the_one_repeated_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repeat: str, expected: dict[str, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (40, 40), "red").save(tmp_path / "i.png")
    for file, own in (("a", "old"), ("b", "new")):
        records = [
            {"id": name, "image": "i.png", "conversations": [
                {"from": "human", "value": f"<image>\nما هذا؟ {name}"}, {"from": "gpt", "value": "قطة"}]}
            for name in ("both", own)
        ]  # fmt: skip
        (tmp_path / f"{file}.json").write_text(json.dumps(records), encoding="utf-8")
    (tmp_path / "r.yaml").write_text(TWO_SOURCES.replace("repeat: {}", f"repeat: {repeat}"), encoding="utf-8")
    steps = build_steps(load_recipe(tmp_path / "r.yaml"))
    (plan,) = (step for step in steps if isinstance(step, PlanStep))
    with RunStore(tmp_path / "run") as store:
        run_steps(steps[: steps.index(plan)], store, workers=0)
        pool = plan._pool(store)
        samples = {sample.id: sample for sample in kept_samples(store, "train")}
    found = {samples[i].turns[0].input.split()[-1]: n for i, n in zip(pool.ids, pool.repeats.tolist(), strict=True)}
    assert {name: count for name, count in found.items() if count} == expected


def test_what_is_for_evaluation_only_trains_nothing(tmp_path: Path) -> None:
    told = sample("sw", ("Hii ni nini?", "paka"), tags=(EVALUATION_ONLY,))
    with pytest.raises(UserError, match="for evaluation only") as error:
        training_samples(RunStore.open_read_only(make_run(tmp_path / "a", [told], [])))
    assert told.id in error.value.cause
    held_out = sample("sw", ("Hii ni nini?", "paka"), tags=(EVALUATION_ONLY,), split="test")
    mine = sample("sw", ("Hii ni nini?", "mbwa"))
    assert training_samples(RunStore.open_read_only(make_run(tmp_path / "b", [held_out, mine], []))) == [mine]
