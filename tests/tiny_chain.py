"""The whole chain on a microworld of a few scenes (``data/chain.yaml``), and its stages as the loop has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from polysee.engines.build import build_steps
from polysee.engines.local import run_steps
from polysee.engines.model_steps import kept_samples, load_tokenizer
from polysee.engines.step import Step
from polysee.models.compose import compose
from polysee.models.prompt import PromptEncoder
from polysee.models.tiles import TilePolicy
from polysee.packing.epoch import PLAN_SCHEMA
from polysee.recipe.load import load_recipe
from polysee.recipe.models import Recipe
from polysee.schema.sample import Sample
from polysee.store.manifest import DATA_VERBS
from polysee.store.run import RunStore
from polysee.training.config import StageConfig
from polysee.training.data import PlannedData
from polysee.training.loop import StageRun

CHAIN = Path(__file__).parent / "data" / "chain.yaml"
ALL_PARTS = ("vision", "connector", "language")


def chain(changes: Sequence[str] = ()) -> Recipe:
    """The recipe, changed as ``--set`` changes it."""
    return load_recipe(CHAIN, tuple(changes))


def data_steps(steps: Sequence[Step]) -> list[Step]:
    """The part that makes the samples."""
    return [step for step in steps if step.verb in DATA_VERBS]


def make_plans(folder: Path) -> None:
    """Samples, tokenizer and plans of the chain, but nothing trained."""
    steps = [s for s in build_steps(chain()) if s.verb in (*DATA_VERBS, "tokenizer", "pack")]
    with RunStore(folder) as store:
        run_steps(steps, store, workers=0)


@dataclass(frozen=True)
class Planned:
    """A run whose plans are made. Each call gives a fresh model, equal for equal seeds."""

    path: Path

    @property
    def store(self) -> RunStore:
        return RunStore.open_read_only(self.path)

    @property
    def recipe(self) -> Recipe:
        return chain()

    def config(self, **changes: Any) -> StageConfig:
        """The stage ``full`` in single precision, changed."""
        stage = self.recipe.stages[1]
        changes.setdefault("warmup_steps", min(stage.warmup, changes.get("steps", stage.steps)))
        return StageConfig.model_validate({**stage.model_dump(), "precision": "fp32", **changes}, strict=False)

    def samples(self) -> dict[str, Sample]:
        return {sample.id: sample for sample in kept_samples(self.store, "train")}

    def encoder(self) -> PromptEncoder:
        assert self.recipe.model is not None
        return PromptEncoder(load_tokenizer(self.store), self.recipe.model.tokens_per_tile)

    def policy(self) -> TilePolicy:
        assert self.recipe.model is not None
        return TilePolicy(self.recipe.model.vision.tile, self.recipe.stages[1].image_tiles)

    def data(self, plan: Path | None = None) -> PlannedData:
        plan = plan or self.path / "plans" / "full.arrow"
        return PlannedData(plan, self.samples(), self.store, self.encoder(), self.policy())

    def model(self) -> Any:
        assert self.recipe.model is not None
        return compose(self.recipe.model, load_tokenizer(self.store), seed=11)

    def stage(self, folder: Path, plan: Path | None = None, **changes: Any) -> StageRun:
        """The stage, about to run with its scratch and its log in ``folder``."""
        folder.mkdir(exist_ok=True)
        config = self.config(**changes)
        return StageRun(config, self.model(), self.data(plan), folder, folder / "train.jsonl")


def write_plan(path: Path, steps: Sequence[Sequence[Sequence[str]]]) -> Path:
    """A plan by hand: the ids of the samples of each pack of each step."""
    rows = []
    number = 0
    for step, packs in enumerate(steps):
        for pack in packs:
            for row, sample in enumerate(pack):
                values = {"step": step, "pack": number, "row": row, "sample": sample, "tokens": 0, "tiles": 0}
                rows.append(values)
            number += 1
    table = pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def log_rows(path: Path) -> list[dict[str, Any]]:
    """The lines of a log without what differs from run to run."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert all(row.pop("seconds") >= 0 for row in rows)
    return rows
