"""The steps after the data: tokenizer, plans, training stages, evaluation, report."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from polysee.engines.outdated import drop
from polysee.engines.step import StepContext, StepOutcome
from polysee.evaluation.config import EvaluateConfig
from polysee.models.compose import weights_file
from polysee.models.config import ModelConfig, TokenizerConfig
from polysee.models.tiles import TilePolicy
from polysee.schema.arrow import from_table
from polysee.schema.sample import MediaRef, Sample
from polysee.store.fingerprint import hash_file
from polysee.store.folders import publish_folder
from polysee.store.run import RunStore
from polysee.training.config import EncoderConfig, StageConfig

if TYPE_CHECKING:
    from polysee.inference.backends.native import Subject


def kept_samples(store: RunStore, split: str) -> list[Sample]:
    """The kept samples of the training split (``train``), or of all the others (``held-out``), in dataset order."""
    wanted = "split = 'train'" if split == "train" else "split <> 'train'"
    kept = store.kept()
    where = f"({kept}) AND {wanted}" if kept else wanted
    return [sample for batch in store.sample_batches(where=where) for sample in from_table(batch)]


def training_samples(store: RunStore) -> list[Sample]:
    """The kept samples of the training split. Raises `UserError` where one of them is for evaluation only."""
    from polysee.transforms.translate import refuse_evaluation_only

    samples = kept_samples(store, "train")
    refuse_evaluation_only(samples)
    return samples


def load_tokenizer(store: RunStore) -> Any:
    """The run's tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(store.path / "tokenizer", local_files_only=True)


@dataclass(frozen=True)
class TokenizerStep:
    """Trains the tokenizer on the text of the kept training samples."""

    config: TokenizerConfig
    name: str = "tokenizer"
    after: str | None = None
    verb: str = field(default="tokenizer", init=False)
    version: int = field(default=1, init=False)

    def parameters(self) -> JsonValue:
        return self.config.model_dump(mode="json")

    def external_inputs(self) -> Sequence[str]:
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        """Write ``tokenizer/``."""
        from polysee.models.tokenizer import train_tokenizer

        texts: set[str] = set()
        for sample in training_samples(context.store):
            texts.add(sample.instruction)
            for turn in sample.turns:
                texts.update((turn.input, turn.output))
        tokenizer = train_tokenizer(sorted(texts), self.config.vocabulary)
        publish_folder(context.store.path / "tokenizer", tokenizer.save_pretrained)
        summary = f"{len(tokenizer):,} entries from {len(texts):,} distinct texts"
        return StepOutcome(summary=summary, outputs=("tokenizer", "tokenizer/tokenizer.json"))


@dataclass(frozen=True)
class PlanStep:
    """Plans a stage: order, packs and steps, before a pixel is read.

    ``repeats``: the repeat factor of each source. A sample that several sources hold is counted to the one with the
    largest factor, the first of equals.
    """

    stage: StageConfig
    model: ModelConfig
    temperature: float
    repeats: tuple[tuple[str, float], ...]
    seed: int
    after: str | None = None
    verb: str = field(default="pack", init=False)
    version: int = field(default=3, init=False)

    @property
    def name(self) -> str:
        return f"pack-{self.stage.name}"

    def parameters(self) -> JsonValue:
        stage = self.stage
        return {
            "budget": [stage.steps, stage.packs_per_step, stage.max_tokens, stage.max_tiles, stage.image_tiles],
            "tile": [self.model.vision.tile, self.model.tokens_per_tile],
            "width": self.model.language.hidden,
            "temperature": self.temperature,
            "repeats": [list(pair) for pair in self.repeats],
            "seed": self.seed,
            "stage": stage.name,
        }

    def external_inputs(self) -> Sequence[str]:
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        """Write ``plans/<stage>.arrow``. Raises `UserError` if nothing is left to train on or a sample fits no pack."""
        import pyarrow as pa

        from polysee.packing.epoch import Budget, plan_stage
        from polysee.store.atomic import make_folder, replacing, sweep

        stage = self.stage
        pool = self._pool(context.store)
        budget = Budget(stage.steps, stage.packs_per_step, stage.max_tokens, stage.max_tiles)
        table = plan_stage(
            pool,
            budget,
            temperature=self.temperature,
            seed=self.seed,
            hidden=self.model.language.hidden,
            stage=stage.name,
        )
        folder = make_folder(context.store.path / "plans")
        sweep(folder)
        path = folder / f"{stage.name}.arrow"
        with replacing(path) as target, pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, table.schema) as w:
            w.write_table(table)
        tokens = sum(table.column("tokens").to_pylist())
        fill = tokens / (budget.packs * budget.max_tokens)
        summary = f"{len(table):,} samples in {budget.packs:,} packs, {tokens:,} tokens, budget used to {fill:.1%}"
        return StepOutcome(summary=summary, outputs=(f"plans/{stage.name}.arrow",))

    def _pool(self, store: RunStore) -> Any:
        import numpy as np

        from polysee.mixture.weights import repeat_counts
        from polysee.models.prompt import PromptEncoder
        from polysee.packing.epoch import Pool

        policy = TilePolicy(self.model.vision.tile, self.stage.image_tiles)
        encoder = PromptEncoder(load_tokenizer(store), self.model.tokens_per_tile)
        samples = training_samples(store)
        tiles = [[policy.count(m) for m in s.media] for s in samples]
        tokens = [len(encoder.encode(s, t).input_ids) for s, t in zip(samples, tiles, strict=True)]
        ids = [s.id for s in samples]
        repeats = np.zeros(len(samples), np.int64)
        factors = dict(self.repeats)
        source_of = np.array([_most_repeated(s, factors) for s in samples])
        for source, factor in factors.items():
            if not factor:
                continue
            rows = np.flatnonzero(source_of == source)
            repeats[rows] = repeat_counts(len(rows), factor, seed=self.seed, name=source, ids=[ids[i] for i in rows])
        return Pool(
            ids=ids,
            languages=[s.language for s in samples],
            tokens=np.array(tokens, np.int64),
            tiles=np.array([sum(t) for t in tiles], np.int64),
            repeats=repeats,
        )


def _most_repeated(sample: Sample, factors: Mapping[str, float]) -> str:
    """The source of a sample with the largest repeat factor; of equals the first in the recipe."""
    sources = {origin.source for origin in sample.origins}
    return max((name for name in factors if name in sources), key=factors.__getitem__, default="")


@dataclass(frozen=True)
class TrainStep:
    """Trains one stage, from the recipe's composition or from the checkpoint of the stage before.

    ``plan``: the parameters of its `PlanStep`, as it comes ``after`` the stage before (both plans have one input).
    """

    stage: StageConfig
    model: ModelConfig
    seed: int
    start: str | None = None
    plan: JsonValue = None
    after: str | None = None
    verb: str = field(default="train", init=False)
    version: int = field(default=1, init=False)

    @property
    def name(self) -> str:
        return f"train-{self.stage.name}"

    def parameters(self) -> JsonValue:
        # How often a checkpoint is written changes nothing in what is trained; but models to keep have to be made.
        silent = {"checkpoint_every"} if self.stage.keep_every else {"checkpoint_every", "keep_every"}
        return {
            "stage": self.stage.model_dump(mode="json", exclude=silent),
            "model": self.model.model_dump(mode="json"),
            "start": self.start,
            "seed": self.seed,
            "plan": self.plan,
        }

    def external_inputs(self) -> Sequence[str]:
        weights = self.model.vision.weights
        return () if weights is None or self.start else (hash_file(weights_file(weights)),)

    def run(self, context: StepContext) -> StepOutcome:
        """Write ``checkpoints/<stage>/``. Raises `UserError` for a loss that is not finite or a checkpoint that does
        not load as it was saved."""
        from transformers import AutoModelForImageTextToText

        from polysee.inference.checkpoint import kept_folder
        from polysee.models.compose import compose
        from polysee.models.device import best_device
        from polysee.models.prompt import PromptEncoder
        from polysee.models.quiet import no_bars
        from polysee.models.save import save_hub_folder
        from polysee.store.atomic import make_folder
        from polysee.training.checkpoint import StageCheckpoints
        from polysee.training.data import PlannedData
        from polysee.training.features import FeatureCache
        from polysee.training.loop import StageRun, train_stage

        store, stage = context.store, self.stage
        tokenizer = load_tokenizer(store)
        policy = TilePolicy(self.model.vision.tile, stage.image_tiles)
        if self.start is None:
            model = compose(self.model, tokenizer, seed=self.seed)
        else:
            with no_bars():
                model = AutoModelForImageTextToText.from_pretrained(
                    store.path / "checkpoints" / self.start, local_files_only=True
                )
        # Where it trains, so that the features of a frozen encoder are computed there as well.
        model = model.to(best_device())
        encoder = PromptEncoder(tokenizer, self.model.tokens_per_tile)
        samples = {s.id: s for s in training_samples(store)}
        data = PlannedData(store.path / "plans" / f"{stage.name}.arrow", samples, store, encoder, policy)
        if stage.cache_vision:
            cache = FeatureCache(context.folder / "features", policy, model.model.vision_tower, stage.precision)
            with context.progress.task(f"{self.name}: vision features", None, "media") as task:
                data.use_features(cache, task.set_done)
        kept = kept_folder(store.path, stage.name)
        if stage.keep_every and StageCheckpoints(context.folder / "steps").newest() is None:
            drop(kept)  # of a training that is not this one
            make_folder(kept)

        def keep(step: int) -> None:
            save_hub_folder(copy.deepcopy(model).cpu(), tokenizer, policy, kept / str(step))

        run = StageRun(stage, model, data, context.folder, store.path / "train.jsonl", keep)
        with context.progress.task(self.name, stage.steps, "steps") as task:
            last = [0.0]

            def report(done: int, loss: float) -> None:
                last[0] = loss
                task.note(f"loss {loss:.3f}")
                task.set_done(done)

            train_stage(run, report)
        # Its logits are compared with those of a fresh process, which computes on the CPU.
        folder = f"checkpoints/{stage.name}"
        save_hub_folder(model.cpu(), tokenizer, policy, store.path / folder)
        summary = f"{stage.steps:,} steps, {sum(p.numel() for p in model.parameters()):,} parameters"
        # Single ones of the kept models may be deleted: that is no reason to train again.
        extra = (str(kept.relative_to(store.path)),) if stage.keep_every else ()
        return StepOutcome(summary=summary, outputs=(folder, f"{folder}/model.safetensors", *extra))


@dataclass(frozen=True)
class EncoderStep:
    """Pre-trains a vision encoder; its weights are what ``model.vision.weights`` of other recipes can name."""

    config: EncoderConfig
    model: ModelConfig
    seed: int
    name: str = "encoder"
    after: str | None = None
    verb: str = field(default="train", init=False)
    version: int = field(default=1, init=False)

    def parameters(self) -> JsonValue:
        return {
            "encoder": self.config.model_dump(mode="json", exclude={"checkpoint_every"}),
            "vision": self.model.vision.model_dump(mode="json", exclude={"weights"}),
            "seed": self.seed,
        }

    def external_inputs(self) -> Sequence[str]:
        from polysee.media.fonts import emoji_font

        return (hash_file(emoji_font().path),)

    def run(self, context: StepContext) -> StepOutcome:
        """Write ``encoder/vision.safetensors``. Raises `UserError` for a loss that is not finite."""
        from polysee.store.atomic import make_folder, sweep, write_bytes
        from polysee.training.encoder import train_encoder

        with context.progress.task(self.name, self.config.steps, "steps") as task:

            def report(step: int, loss: float, right: float) -> None:
                task.note(f"loss {loss:.3f}, {right:.1%} of covered patches named rightly")
                task.set_done(step + 1)

            weights = train_encoder(
                self.config, self.model.vision, seed=self.seed, folder=context.folder, report=report
            )
        folder = make_folder(context.store.path / "encoder")
        sweep(folder)
        target = folder / "vision.safetensors"
        write_bytes(target, weights.read_bytes())
        # Not the accuracy: of the steps of this attempt alone, it would tell where a kill came.
        summary = f"{target.stat().st_size / 1e6:.1f} MB"
        return StepOutcome(summary=summary, outputs=("encoder/vision.safetensors",))


def open_subject(store: RunStore, folder: Path) -> Subject:
    """A checkpoint of a run as evaluation sees it, with the run's media, worse pictures among them."""
    from polysee.evaluation.worse import read_medium
    from polysee.inference.backends.native import Subject
    from polysee.inference.checkpoint import load_checkpoint

    loaded = load_checkpoint(folder)
    policy = TilePolicy(loaded.tiling.tile, loaded.tiling.max_tiles)
    media = store.media_table()

    def read_tiles(ref: MediaRef) -> Any:
        return policy.cut(ref, read_medium(ref.sha256, media.read))

    return Subject(loaded.model, loaded.encoder, loaded.normalisation, read_tiles)


def evaluation_parameters(config: EvaluateConfig) -> dict[str, JsonValue]:
    """What the last checkpoint's answers depend on. Settings that came later and are not used leave no trace."""
    found: dict[str, Any] = config.model_dump(mode="json", exclude={"checkpoints", "judge"})
    for task in found["tasks"]:
        if not task["distortions"]:
            del task["distortions"]
    return found


@dataclass(frozen=True)
class EvaluateStep:
    """Measures the last stage's checkpoint on all held-out splits and writes ``scores.json``."""

    config: EvaluateConfig
    stage: StageConfig
    seed: int
    name: str = "evaluate"
    after: str | None = None
    verb: str = field(default="evaluate", init=False)
    version: int = field(default=2, init=False)

    def parameters(self) -> JsonValue:
        return {**evaluation_parameters(self.config), "seed": self.seed}

    def external_inputs(self) -> Sequence[str]:
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        """Write ``predictions.lance`` as answers come, then ``scores.json``."""
        from polysee.evaluation.breakdown import build_robustness
        from polysee.evaluation.predictions import read_predictions
        from polysee.evaluation.run import evaluate
        from polysee.evaluation.scores import build_scores, exposure, write_scores
        from polysee.models.device import deterministic

        store = context.store
        subject = open_subject(store, store.path / "checkpoints" / self.stage.name)
        path = store.path / "predictions.lance"
        samples = kept_samples(store, "held-out")
        with deterministic(), context.progress.task(self.name, None, "units") as task:
            evaluate(
                samples,
                self.config,
                subject,
                path=path,
                fingerprint=context.fingerprint,
                seed=self.seed,
                progress=task.set_done,
            )
        predictions = read_predictions(path)
        columns = ["language", "split", "media", "origins", *store.keep_columns()]
        had = exposure(store.sample_batches(columns, store.kept()))
        held_in = {task: had.has(s for s in samples if s.task == task) for task in {s.task for s in samples}}
        scores, macro = build_scores(
            predictions, had.seen, resamples=self.config.resamples, seed=self.seed, held_in=held_in
        )
        worse = build_robustness(predictions, resamples=self.config.resamples, seed=self.seed)
        write_scores(store.path / "scores.json", scores, macro, {"robustness": worse} if worse else None)
        four_way = macro.get("four_way")
        summary = f"{len(predictions):,} answers" + (f", macro four-way {four_way:.3f}" if four_way is not None else "")
        return StepOutcome(summary=summary, outputs=("scores.json", "predictions.lance"))


@dataclass(frozen=True)
class CurvesStep:
    """Measures the checkpoints before the last one as well and writes ``curves.json``."""

    config: EvaluateConfig
    seed: int
    name: str = "evaluate-checkpoints"
    after: str | None = None
    verb: str = field(default="evaluate", init=False)
    version: int = field(default=1, init=False)

    def parameters(self) -> JsonValue:
        return {**evaluation_parameters(self.config), "seed": self.seed}

    def external_inputs(self) -> Sequence[str]:
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        """Write each checkpoint's answers to ``curves/<name>`` as they come, then ``curves.json``.

        The last checkpoint's are those that are in ``predictions.lance`` already.
        """
        from polysee.evaluation.curves import FILE, FOLDER, build_curves
        from polysee.evaluation.items import build_answers
        from polysee.evaluation.predictions import read_predictions
        from polysee.evaluation.run import evaluate
        from polysee.evaluation.scores import training_exposure
        from polysee.inference.checkpoint import saved_checkpoints
        from polysee.models.device import deterministic
        from polysee.store.atomic import make_folder, write_json

        store = context.store
        tasks = tuple(task.model_copy(update={"baselines": (), "distortions": ()}) for task in self.config.tasks)
        plain = self.config.model_copy(update={"tasks": tasks})
        samples = kept_samples(store, "held-out")
        *before, last = saved_checkpoints(store.path)
        tables = []
        for one in before:
            path = make_folder(store.path / FOLDER / one.name) / "predictions.lance"
            with deterministic(), context.progress.task(f"{self.name}: {one.name}", None, "units") as task:
                evaluate(
                    samples,
                    plain,
                    open_subject(store, one.folder),
                    path=path,
                    fingerprint=f"{context.fingerprint} {one.name}",
                    seed=self.seed,
                    progress=task.set_done,
                )
            tables.append((one, path))
        tables.append((last, store.path / "predictions.lance"))
        seen = training_exposure(
            store.sample_batches(["language", "split", "media", *store.keep_columns()], store.kept())
        )
        points = [(one, build_answers(read_predictions(path), path=path, seen=seen)) for one, path in tables]
        write_json(store.path / FILE, build_curves(points, resamples=self.config.resamples, seed=self.seed))
        return StepOutcome(summary=f"{len(points)} checkpoints", outputs=(FILE, *((FOLDER,) if before else ())))


@dataclass(frozen=True)
class ReportStep:
    """Writes ``report.html`` from what the run holds."""

    gallery: int
    name: str = "report"
    after: str | None = None
    verb: str = field(default="report", init=False)
    version: int = field(default=1, init=False)

    def parameters(self) -> JsonValue:
        return {"gallery": self.gallery}

    def external_inputs(self) -> Sequence[str]:
        return ()

    def run(self, context: StepContext) -> StepOutcome:
        from polysee.report import write_report

        path = write_report(context.store.path)
        return StepOutcome(summary=f"{path.stat().st_size / 1e6:.1f} MB", outputs=("report.html",))
