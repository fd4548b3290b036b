"""The training loop: one for every stage, on accelerate, from row *k* of the plan to a Hub folder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from numpy.typing import NDArray
from pydantic import JsonValue

from polysee.models.device import deterministic
from polysee.packing.collate import PackBatch
from polysee.schema.errors import UserError
from polysee.store.atomic import write_json, write_text
from polysee.training.checkpoint import StageCheckpoints
from polysee.training.config import Part, StageConfig
from polysee.training.data import PlannedData
from polysee.training.losses import response_weights
from polysee.training.module import PackedLoss, to_device
from polysee.training.optimizers import build_optimizers
from polysee.training.schedule import cosine

Losses = NDArray[np.float64]

Report = Callable[[int, float], None]
"""Called with the finished steps and the step's loss."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage about to run. ``folder``: its scratch, kept until it is done. ``log``: JSON lines, one a step.
    ``keep``: called by one process after each of the stage's kept steps.
    """

    config: StageConfig
    model: Any
    data: PlannedData
    folder: Path
    log: Path
    keep: Callable[[int], None] | None = None


def parts(model: Any) -> dict[Part, Any]:
    """What a stage may train, by its name in the recipe."""
    return {
        "vision": model.model.vision_tower,
        "connector": model.model.multi_modal_projector,
        "language": model.model.language_model,
    }


@deterministic()
def train_stage(stage: StageRun, report: Report) -> None:
    """Train ``stage.model`` in place, from the newest checkpoint if there is one.

    Raises `UserError` if the loss is not finite, naming the samples of that step.
    """
    config = stage.config
    # The precision is `_step`'s own: an Accelerator's is fixed for the process, but stages may differ in it. And a rank
    # whose packs hold no picture does not reach the vision encoder.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = Accelerator(mixed_precision="no", kwargs_handlers=[unused])
    if accelerator.device.type == "cpu":
        # On CPU most of a bfloat16 step went into the fused attention's backward; plain products are faster there.
        stage.model.set_attn_implementation("eager")
    stage.model.train()
    _freeze(stage.model, config)
    module, *optimizers = accelerator.prepare(PackedLoss(stage.model), *build_optimizers(parts(stage.model), config))
    checkpoints = StageCheckpoints(stage.folder / "steps")
    start = checkpoints.restore(module, optimizers)
    world, rank, main = accelerator.num_processes, accelerator.process_index, accelerator.is_main_process
    if main:
        _cut_log(stage.log, config.name, start)
    began = time.monotonic()
    with stage.log.open("a", encoding="utf-8") if main else nullcontext() as log:
        batches = stage.data.batches(start, config.steps, rank=rank, world=world)
        for step, batch in enumerate(batches, start):
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] = group["peak"] * cosine(step, config.steps, config.warmup)
            losses, loss = _step(accelerator, module, optimizers, batch, config)
            if not np.isfinite(loss):
                _stop(stage, step, loss)
            counts = torch.from_numpy(_counts(stage.data.languages, batch, losses)).to(accelerator.device)
            row = _row(stage, step, accelerator.reduce(counts, "sum"), loss)
            row["seconds"] = round(time.monotonic() - began, 3)
            if log:
                log.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
            # Before the state to go on from: a kill in between comes to this step again.
            if main and stage.keep is not None and step + 1 in config.kept_steps:
                stage.keep(step + 1)
            if (step + 1) % config.checkpoint_every == 0 and step + 1 < config.steps:
                if log:
                    log.flush()
                checkpoints.save(step + 1, module, optimizers, main=main)
            report(step + 1, loss)
    stage.model.eval()


def _freeze(model: Any, config: StageConfig) -> None:
    for name, part in parts(model).items():
        part.requires_grad_(name in config.train)


def _step(
    accelerator: Accelerator, module: Any, optimizers: Sequence[Any], batch: PackBatch, config: StageConfig
) -> tuple[Losses, float]:
    """One optimizer step; the loss of each answer token of this rank, and the weighted mean over all ranks."""
    weights = torch.from_numpy(response_weights(batch.lengths, exponent=config.loss_exponent)).to(accelerator.device)
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        losses = module(to_device(batch, accelerator.device))
    # Normalised over the global batch: gradients are averaged over ranks, hence the factor.
    total = accelerator.reduce(weights.sum(), "sum")
    loss = (losses.double() * weights).sum() * accelerator.num_processes / total
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(module.parameters(), config.clip_norm)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    mean = accelerator.reduce(loss.detach(), "mean").item()
    return losses.detach().double().cpu().numpy(), mean


def _counts(languages: Sequence[str], batch: PackBatch, losses: Losses) -> Losses:
    """float64 (languages + 2, 2), to be summed over ranks: loss and answer tokens of each language; in the last two
    rows samples and tokens, answer tokens and tiles."""
    found = np.zeros((len(languages) + 2, 2))
    rows = np.array([languages.index(sample.language) for sample in batch.samples])[batch.owners]
    np.add.at(found, rows, np.stack([losses, np.ones_like(losses)], axis=1))
    found[-2:] = (len(batch.samples), batch.tokens), (len(batch.targets), len(batch.tiles))
    return found


def _row(stage: StageRun, step: int, counts: torch.Tensor, loss: float) -> dict[str, JsonValue]:
    """One line of the log: all counts are of this step, whoever computed it."""
    *by_language, (samples, tokens), (answer_tokens, tiles) = counts.tolist()
    languages: dict[str, JsonValue] = {
        tag: {"loss": round(total / count, 5), "tokens": int(count)}
        for tag, (total, count) in zip(stage.data.languages, by_language, strict=True)
        if count
    }
    return {
        "stage": stage.config.name,
        "step": step,
        "loss": round(loss, 6),
        "samples": int(samples),
        "tokens": int(tokens),
        "answer_tokens": int(answer_tokens),
        "tiles": int(tiles),
        "learning_rate": {
            part: stage.config.learning_rate[part] * cosine(step, stage.config.steps, stage.config.warmup)
            for part in stage.config.train
        },
        "languages": languages,
    }


def _cut_log(log: Path, stage: str, start: int) -> None:
    """Drop the lines of this stage that a killed process wrote after its last checkpoint."""
    if not log.is_file():
        return
    kept = ""
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a killed process may be half a line
        if row["stage"] != stage or row["step"] < start:
            kept += line + "\n"
    write_text(log, kept)


def _stop(stage: StageRun, step: int, loss: float) -> None:
    ids: list[JsonValue] = [*stage.data.sample_ids(step)]
    write_json(stage.folder / "not-finite.json", {"stage": stage.config.name, "step": step, "samples": ids})
    raise UserError(
        f"the loss of stage {stage.config.name!r} is {loss} at step {step}; its samples: {', '.join(map(str, ids[:8]))}"
        + (f" and {len(ids) - 8} more" if len(ids) > 8 else ""),
        "lower the learning rate or look at these samples with `polysee show`; "
        f"all ids are in {stage.folder / 'not-finite.json'}",
    )
