"""What is taken away when a recipe changes: all that is no longer so, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from polysee.engines.data_steps import ScoreStep, SourceStep
from polysee.engines.local import run_steps
from polysee.engines.outdated import remove_outdated
from polysee.engines.step import Step, StepContext, StepOutcome
from polysee.schema import UserError
from polysee.store.run import RunStore

SOURCE = SourceStep("demo", "fake", {"shards": 1, "per_shard": 8})
LENGTH = ScoreStep("length", "letters")


@dataclass(frozen=True)
class FileStep:
    """Writes files and a folder; stands for training, evaluation and reports."""

    name: str
    files: tuple[str, ...]
    after: str | None = None
    verb: str = "note"
    version: int = 1
    fails: bool = False

    def parameters(self) -> JsonValue:
        return {}

    def external_inputs(self) -> tuple[str, ...]:
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        if self.fails:
            raise UserError("the loss is not finite", "lower the rate")
        for name in self.files:
            path = context.store.path / name
            path.mkdir(parents=True, exist_ok=True)
            (path / "content").write_text(f"{context.store.count()}")
        if self.verb == "train":
            with (context.store.path / "train.jsonl").open("a") as log:
                log.write(json.dumps({"stage": self.name.removeprefix("train-"), "step": 0}) + "\n")
        return StepOutcome(outputs=self.files)


WARM = FileStep("train-warm", ("checkpoints/warm",), verb="train", after="demo")
FULL = FileStep("train-full", ("checkpoints/full",), verb="train", after="train-warm")
SCORES = FileStep("evaluate", ("scores", "predictions"), after="train-full")
PAGE = FileStep("report", ("page",))
ALL: tuple[Step, ...] = (SOURCE, WARM, FULL, SCORES, PAGE)


def run(path: Path, *steps: Step) -> None:
    with RunStore(path) as store:
        run_steps(steps, store, workers=0)


def there(path: Path) -> set[str]:
    """What steps wrote, without the datasets."""
    return {str(file.parent.relative_to(path)) for file in path.rglob("content")}


def stages(path: Path) -> list[str]:
    return [json.loads(line)["stage"] for line in (path / "train.jsonl").read_text().splitlines()]


def test_outputs_of_a_step_left_out_are_removed(tmp_path: Path) -> None:
    run(tmp_path, *ALL)
    run(tmp_path, SOURCE, WARM, FULL, replace(PAGE, after="train-full"))
    assert there(tmp_path) == {"checkpoints/warm", "checkpoints/full", "page"}
    assert stages(tmp_path) == ["warm", "full"]
    run(tmp_path, SOURCE, WARM)
    assert there(tmp_path) == {"checkpoints/warm"}
    assert stages(tmp_path) == ["warm"]


def test_outputs_made_of_other_data_are_removed_before_anything_can_fail(tmp_path: Path) -> None:
    run(tmp_path, *ALL)
    other = SourceStep("demo", "fake", {"shards": 2, "per_shard": 8})
    with pytest.raises(UserError, match="the loss is not finite"):
        run(tmp_path, other, replace(WARM, fails=True), FULL, SCORES, PAGE)
    assert there(tmp_path) == set()
    assert stages(tmp_path) == []
    assert RunStore.open_read_only(tmp_path).count() == 16
    run(tmp_path, other, WARM, FULL, SCORES, PAGE)
    assert {(tmp_path / name / "content").read_text() for name in there(tmp_path)} == {"16"}
    assert stages(tmp_path) == ["warm", "full"]


def test_a_renamed_step_takes_over_what_it_writes(tmp_path: Path) -> None:
    run(tmp_path, SOURCE, WARM)
    run(tmp_path, SOURCE, FileStep("train-first", ("checkpoints/warm",), verb="train", after="demo"))
    assert there(tmp_path) == {"checkpoints/warm"}
    assert stages(tmp_path) == ["first"]


def test_the_log_of_a_stage_under_way_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "train.jsonl"
    with RunStore(tmp_path) as store:
        log.write_text("".join(f'{{"stage": "{name}", "step": 0}}\n' for name in ("warm", "full", "gone")) + '{"sta')
        (tmp_path / "journal/train-full" / ("b" * 16)).mkdir(parents=True)
        (tmp_path / "journal/train-warm" / ("c" * 16)).mkdir(parents=True)
        remove_outdated(store, {"train-warm": "a" * 64, "train-full": "b" * 64})
    assert stages(tmp_path) == ["full"]


def test_data_steps_of_the_run_keep_theirs_until_they_are_done_again(tmp_path: Path) -> None:
    run(tmp_path, SOURCE, LENGTH)
    with RunStore(tmp_path) as store:
        remove_outdated(store, {"demo": "another", "length": "another"})
        assert [m.name for m in store.manifests.all()] == ["demo", "length"]


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/{root}/outside", "."])
def test_nothing_outside_the_run_is_removed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "run"
    outside = tmp_path / "outside"
    outside.mkdir()
    run(path, SOURCE, WARM)
    with RunStore(path) as store:
        found = store.manifest("train-warm")
        assert found is not None
        store.manifests.write(replace(found, outputs=(name.format(root=tmp_path),)))
        remove_outdated(store, {"demo": "another"})
        assert [m.name for m in store.manifests.all()] == ["demo"]
    assert outside.is_dir()
    assert there(path) == {"checkpoints/warm"}
