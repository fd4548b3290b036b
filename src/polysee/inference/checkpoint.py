"""A checkpoint as inference needs it: model, tokenizer and tiling, all from one plain Hub folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from polysee.inference.encoder import Normalisation, Tiles
from polysee.media.tiling import tiles
from polysee.models.prompt import PromptEncoder
from polysee.models.quiet import no_bars
from polysee.schema.errors import MissingExtra, UserError


@dataclass(frozen=True, slots=True)
class Tiling:
    """How an image is cut. ``tile``: edge in pixels. ``min_tiles``, ``max_tiles``: without the thumbnail."""

    tile: int
    min_tiles: int
    max_tiles: int

    def cut(self, data: bytes) -> Tiles:
        """An encoded image's tiles, (n, tile, tile, 3). Raises `BadRecord` for bad bytes."""
        return tiles(data, tile=self.tile, min_tiles=self.min_tiles, max_tiles=self.max_tiles)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A loaded model in evaluation mode and what belongs to it."""

    model: Any
    encoder: PromptEncoder
    normalisation: Normalisation
    tiling: Tiling


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint of a run. ``step``: finished steps of its stage; ``steps``: of all stages up to then. ``name``: the
    stage's for what it ended with, else with the step behind it."""

    name: str
    stage: str
    step: int
    steps: int
    folder: Path


def kept_folder(run: Path, stage: str) -> Path:
    """Where a stage's ``keep_every`` keeps models, each in a folder called by its step."""
    return run / "checkpoints" / f"{stage}.kept"


def saved_checkpoints(run: Path) -> list[SavedCheckpoint]:
    """All checkpoints of a run in the order of training. Raises `UserError` for a folder that is no run."""
    found: list[SavedCheckpoint] = []
    before = 0
    for stage in _stages(run):
        name, last = str(stage["name"]), int(stage["steps"])
        kept = {int(path.name): path for path in kept_folder(run, name).glob("*") if path.name.isdecimal()}
        places = {step: (f"{name}@{step}", path) for step, path in kept.items()}
        places[last] = (name, run / "checkpoints" / name)
        found += [
            SavedCheckpoint(called, name, step, before + step, path)
            for step, (called, path) in sorted(places.items())
            if (path / "config.json").is_file()
        ]
        before += last
    return found


def final_checkpoint(run: Path) -> Path:
    """The folder of the last stage's checkpoint of a run. Raises `UserError` where the run has none."""
    stages = _stages(run)
    folder = run / "checkpoints" / str(stages[-1]["name"])
    if not (folder / "config.json").is_file():
        raise UserError(
            f"the run has no finished checkpoint of its last stage {stages[-1]['name']!r}",
            "run the same `polysee run` again: it goes on where it stopped",
            place=str(run),
        )
    return folder


def _stages(run: Path) -> list[dict[str, Any]]:
    """The ``stages`` of a run's recipe. Raises `UserError` where there are none."""
    recipe = run / "recipe.yaml"
    if not recipe.is_file():
        raise UserError("this is not a run folder", "name a folder that `polysee run` has made", place=str(run))
    stages: list[dict[str, Any]] = YAML(typ="safe").load(recipe.read_text(encoding="utf-8")).get("stages") or []
    if not stages:
        raise UserError("this run trains no model", "name a run whose recipe has stages", place=str(recipe))
    return stages


def load_checkpoint(folder: Path, *, device: str | None = None) -> Checkpoint:
    """Load a Hub folder, offline and with no code from it. ``device``: as torch names it; the accelerator if there is
    one where it is left out.

    Raises `UserError` if a file is missing, or if tensors are missing or left over: such a model would answer at
    random in part.
    """
    try:
        from transformers import AutoModelForImageTextToText, AutoTokenizer

        from polysee.models.device import best_device
    except ImportError as error:
        raise MissingExtra("transformers", "train") from error
    normalisation, tiling = read_processor(folder)
    auto: Any = AutoModelForImageTextToText
    with no_bars():
        model, report = auto.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    wrong = [key for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in report[kind]]
    if wrong:
        raise UserError(
            f"{len(wrong)} tensors of the checkpoint do not fit its config, the first being {wrong[0]}",
            "save the checkpoint again, or use one that `polysee run` wrote",
            place=str(folder),
        )
    loader: Any = AutoTokenizer
    tokenizer = loader.from_pretrained(folder, local_files_only=True)
    encoder = PromptEncoder(tokenizer, int(model.config.image_seq_length))
    return Checkpoint(model.to(device or best_device()).eval(), encoder, normalisation, tiling)


def read_processor(folder: Path) -> tuple[Normalisation, Tiling]:
    """Pixel statistics and tiling from the native processor files of a checkpoint. Raises `UserError` without them."""
    for name in ("processor_config.json", "preprocessor_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.get("image_processor", content)
        if "image_mean" not in found:
            continue
        crop = bool(found.get("crop_to_patches", False))
        return (
            Normalisation(_three(found["image_mean"]), _three(found["image_std"])),
            Tiling(
                tile=int(found["size"]["height"]),
                min_tiles=int(found.get("min_patches", 1)) if crop else 1,
                max_tiles=int(found.get("max_patches", 1)) if crop else 1,
            ),
        )
    raise UserError(
        "the checkpoint says nothing of its image processor",
        "a checkpoint needs preprocessor_config.json or processor_config.json",
        place=str(folder),
    )


def _three(values: list[float]) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
