"""Which steps run again and why; what a damaged, moved or foreign file does; steps that are no data steps."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue
from rich.console import Console

from polysee.engines.data_steps import ScoreStep, SelectStep, SourceStep, TransformStep
from polysee.engines.local import StepPlan, explain, run_steps
from polysee.engines.step import FunnelRow, Step, StepContext, StepOutcome
from polysee.schema import UserError
from polysee.store import tables
from polysee.store.run import RunStore


@dataclass(frozen=True)
class NoteStep:
    """Writes a file that says how many samples there are; stands for training, evaluation and reports."""

    name: str
    after: str | None = None
    text: str = "n"
    verb: str = "note"
    version: int = 1
    calls: list[str] = field(default_factory=list)

    def parameters(self) -> JsonValue:
        return {"text": self.text}

    def external_inputs(self) -> tuple[str, ...]:
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        self.calls.append(context.fingerprint)
        (context.store.path / f"{self.name}.txt").write_text(f"{self.text} {context.store.count()}")
        row = FunnelRow(self.name, self.verb, "ar", 3, 3)
        return StepOutcome((row,), "noted", outputs=(f"{self.name}.txt",))


SOURCE = SourceStep("demo", "fake", {"shards": 1, "per_shard": 8})
TWICE = TransformStep("twice", "double")
LENGTH = ScoreStep("length", "letters")
SHORT = SelectStep("short", "letters < 12")
STEPS: tuple[Step, ...] = (SOURCE, TWICE, LENGTH, SHORT)


def run(path: Path, steps: tuple[Step, ...]) -> tuple[str, str]:
    """The dataset's hash, and what was said."""
    said = io.StringIO()
    with RunStore(path) as store:
        run_steps(steps, store, workers=0, console=Console(file=said, width=200))
        return store.dataset_hash(), said.getvalue()


def plan(path: Path, steps: tuple[Step, ...]) -> list[str]:
    return [f"{one.name}: {one.why}" for one in explain(steps, RunStore.open_read_only(path)) if one.will_run]


def test_second_run_does_nothing(tmp_path: Path) -> None:
    first, _ = run(tmp_path, STEPS)
    held = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    second, said = run(tmp_path, STEPS)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert (second, after) == (first, held)
    assert said.count("committed") == 4
    assert not list((tmp_path / "journal").iterdir())


def test_explain_before_and_after(tmp_path: Path) -> None:
    RunStore(tmp_path).close()
    assert explain(STEPS, RunStore.open_read_only(tmp_path))[0] == StepPlan("demo", "source", True, "never ran")
    run(tmp_path, STEPS)
    assert plan(tmp_path, STEPS) == []
    assert explain(STEPS, RunStore.open_read_only(tmp_path))[3] == StepPlan("short", "select", False, "committed")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            (SOURCE, TWICE, LENGTH, replace(SHORT, where="letters < 9")),
            ["short: parameters changed: select.short.where"],
        ),
        (
            (SOURCE, TWICE, replace(LENGTH, params={"fail": 5}, tolerance=1.0), SHORT),
            ["length: parameters changed: score.length.params.fail", "short: input changed"],
        ),
        (
            (replace(SOURCE, params={"shards": 1, "per_shard": 8, "stamp": "new"}), TWICE, LENGTH, SHORT),
            [
                "demo: parameters changed: source.demo.params.stamp",
                "twice: input changed",
                "length: input changed",
                "short: input changed",
            ],
        ),
        ((SOURCE, TWICE, replace(LENGTH, tolerance=0.5), SHORT), []),
    ],
)
def test_only_what_depends_on_a_change_runs_again(tmp_path: Path, steps: tuple[Step, ...], expected: list[str]) -> None:
    run(tmp_path / "changed", STEPS)
    assert plan(tmp_path / "changed", steps) == expected
    assert run(tmp_path / "changed", steps)[0] == run(tmp_path / "new", steps)[0]
    assert plan(tmp_path / "changed", steps) == []


def test_changed_file_of_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, STEPS)
    monkeypatch.setattr("polysee_fakes.Fake.fingerprint_inputs", lambda self: ("other bytes",))
    assert plan(tmp_path, STEPS)[0] == "demo: input changed"


def test_a_step_left_out_leaves_no_trace(tmp_path: Path) -> None:
    run(tmp_path / "a", STEPS)
    without = (SOURCE, LENGTH, SHORT)
    assert run(tmp_path / "a", without)[0] == run(tmp_path / "b", without)[0]
    assert sorted(p.name for p in (tmp_path / "a/steps").iterdir()) == [
        "01-demo.json",
        "02-length.json",
        "03-short.json",
    ]
    shorter = (SOURCE, LENGTH)
    assert run(tmp_path / "a", shorter)[0] == run(tmp_path / "c", shorter)[0]


def test_other_steps_depend_on_what_they_name(tmp_path: Path) -> None:
    train, evaluate, report = NoteStep("train", after="short"), NoteStep("eval", after="train"), NoteStep("report")
    run(tmp_path, (*STEPS, train, evaluate, report))
    changed = replace(evaluate, text="m")
    assert plan(tmp_path, (*STEPS, train, changed, report)) == [
        "eval: parameters changed: note.eval.text",
        "report: input changed",
    ]
    (tmp_path / "train.txt").unlink()
    assert plan(tmp_path, (*STEPS, train, evaluate, report)) == ["train: missing: train.txt"]
    rows = json.loads((tmp_path / "funnel.json").read_text())["steps"]
    assert rows[-1] == {
        "step": "report",
        "verb": "note",
        "language": "ar",
        "in": 3,
        "out": 3,
        "dropped": {},
        "unknown": 0,
        "failed": 0,
        "made": 3,
    }


def test_a_new_step_in_the_middle_renumbers_the_later_ones(tmp_path: Path) -> None:
    last = NoteStep("last", after="demo")
    run(tmp_path, (SOURCE, last))
    run(tmp_path, (SOURCE, LENGTH, last))
    assert len(last.calls) == 1
    assert sorted(p.name for p in (tmp_path / "steps").iterdir()) == ["01-demo.json", "02-length.json", "03-last.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"content": {}, "sha256": ""}', "\xff".encode("latin-1")])
def test_damaged_manifest_counts_as_not_there(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = run(tmp_path, STEPS)
    (tmp_path / "steps/03-length.json").write_bytes(damage)
    assert plan(tmp_path, STEPS) == ["length: never ran", "short: input changed"]
    assert "03-length.json is damaged and counts as not there" in capsys.readouterr().err
    assert run(tmp_path, STEPS)[0] == first


def test_manifest_of_another_run_is_not_believed(tmp_path: Path) -> None:
    run(tmp_path / "a", STEPS)
    run(tmp_path / "b", (SOURCE,))
    for name in ("02-twice.json", "03-length.json", "04-short.json"):
        (tmp_path / "b/steps" / name).write_bytes((tmp_path / "a/steps" / name).read_bytes())
    assert plan(tmp_path / "b", STEPS)[0].startswith("twice: missing: samples.lance")


def test_lost_version_is_made_again(tmp_path: Path) -> None:
    first, _ = run(tmp_path, STEPS)
    for path in (tmp_path / "media.lance/_versions").iterdir():
        path.unlink()
    assert plan(tmp_path, STEPS)[0] == "demo: missing: media.lance"
    assert run(tmp_path, STEPS)[0] == first


def test_old_attempts_are_swept_away(tmp_path: Path) -> None:
    run(tmp_path, STEPS)
    before = len(list((tmp_path / "samples.lance/data").iterdir()))
    table = tables.open_at(tmp_path / "samples.lance").to_table().slice(0, 1)
    tables.write_fragments(tmp_path / "samples.lance", table, table.schema, fresh=False)
    for threshold in (9, 10, 11):
        run(tmp_path, (*STEPS[:3], replace(SHORT, where=f"letters < {threshold}")))
    assert len(list((tmp_path / "samples.lance/data").iterdir())) == before
    assert len(tables.open_at(tmp_path / "samples.lance").versions()) <= 5


def test_a_failed_step_keeps_the_earlier_ones_readable(tmp_path: Path) -> None:
    bad: tuple[Any, ...] = (*STEPS[:3], SelectStep("oops", "nothing = 1"))
    run(tmp_path, STEPS)
    with pytest.raises(UserError, match="nothing"):
        run(tmp_path, bad)
    store = RunStore.open_read_only(tmp_path)
    assert store.keep_columns() == []
    assert store.count() == 16


@pytest.mark.parametrize("names", [("a", "a"), ("a/b",), ("..",), ("",)])
def test_names_of_steps(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="cannot name a step"):
        run(tmp_path, tuple(NoteStep(name) for name in names))


def test_after_must_name_an_earlier_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="which is no earlier step"):
        run(tmp_path, (NoteStep("one", after="two"), NoteStep("two")))
