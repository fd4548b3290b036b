"""Pre-training of the vision encoder: exact resume, what its scenes show, and the weights that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from polysee.models.compose import load_vision, weights_file
from polysee.models.config import VisionConfig
from polysee.recipe.load import load_recipe
from polysee.schema.errors import UserError
from polysee.sources.microworld.concepts import CONCEPTS, SQUARES
from polysee.training.config import EncoderConfig
from polysee.training.encoder import scene_batch, train_encoder, vision_tower

RECIPES = Path(__file__).parents[2] / "recipes"
VISION = VisionConfig(hidden=32, layers=1, heads=2, intermediate=64, patch=8, tile=32)
CONFIG = EncoderConfig(steps=6, batch=6, learning_rate=1e-3, warmup_steps=2, checkpoint_every=2)
MEGABYTES = 5_000_000


class Killed(BaseException):
    pass


def quiet(step: int, loss: float, right: float) -> None:
    """Nobody is told."""


def test_resumed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = train_encoder(CONFIG, VISION, seed=5, folder=tmp_path / "whole", report=quiet)

    def kill(step: int, loss: float, right: float) -> None:
        if step == 4:
            raise Killed

    (tmp_path / "killed").mkdir()
    with pytest.raises(Killed):
        train_encoder(CONFIG, VISION, seed=5, folder=tmp_path / "killed", report=kill)
    told: list[int] = []
    again = train_encoder(
        CONFIG, VISION, seed=5, folder=tmp_path / "killed", report=lambda step, loss, right: told.append(step)
    )
    assert told == [4, 5]
    assert again.read_bytes() == whole.read_bytes()
    assert all(value.dtype == torch.float16 for value in load_file(again).values())
    load_vision(vision_tower(VISION), str(again))
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".safetensors", ".json"}


def test_another_seed_sees_other_scenes() -> None:
    first, same, other, later = (scene_batch(seed, step, 3, VISION) for seed, step in ((1, 0), (1, 0), (2, 0), (1, 1)))
    assert np.array_equal(first.pixels, same.pixels)
    assert not np.array_equal(first.pixels, other.pixels)
    assert not np.array_equal(first.pixels, later.pixels)


def test_scenes_show_trained_concepts_alone() -> None:
    held_out = {concept.index + 1 for concept in CONCEPTS if concept.held_out}
    trained = {concept.index + 1 for concept in CONCEPTS if not concept.held_out}
    config = VisionConfig(patch=12, tile=96)
    batches = [scene_batch(1, step, 64, config) for step in range(12)]
    seen = set(np.unique(np.stack([batch.labels["concept"] for batch in batches])))
    assert held_out
    assert not seen & held_out
    assert len(seen & trained) > 0.95 * len(trained)
    shades = set(np.unique(np.stack([batch.labels["square"] for batch in batches])))
    assert shades == set(range(len(SQUARES) + 1))
    assert batches[0].pixels.shape == (64, 96, 96, 3)
    assert batches[0].labels["concept"].shape == (64, 64)


def test_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    steps = CONFIG.model_copy(update={"learning_rate": 1e30, "warmup_steps": 0})
    with pytest.raises(UserError, match=r"the encoder's loss is (nan|inf) at step \d"):
        train_encoder(steps, VISION, seed=5, folder=tmp_path, report=quiet)


def test_shipped_weights_are_small_and_fit_the_demo() -> None:
    recipe = load_recipe(RECIPES / "microworld.yaml")
    assert recipe.model is not None
    assert recipe.model.vision.weights == "builtin:microworld-encoder"
    path = weights_file(recipe.model.vision.weights)
    assert path.stat().st_size <= MEGABYTES
    shape = recipe.model.vision
    assert (shape.hidden, shape.layers, shape.heads, shape.intermediate) == (128, 4, 4, 512)
    assert (shape.patch, shape.tile) == (12, 96)
    load_vision(vision_tower(shape), recipe.model.vision.weights)
    assert all(torch.isfinite(value).all() for value in load_file(path).values())
    encoder = load_recipe(RECIPES / "microworld-encoder.yaml")
    assert encoder.model is not None
    assert encoder.model.vision == shape.model_copy(update={"weights": None})
