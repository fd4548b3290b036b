"""A native InternVL of a recipe's shapes, with the vision weights that the package brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import InternVLForConditionalGeneration

from polysee.models.compose import compose, load_vision, weights_file
from polysee.models.config import LanguageConfig, ModelConfig, VisionConfig
from polysee.schema.errors import UserError
from tiny_model import tiny_tokenizer

NAME = "builtin:microworld-encoder"
SHIPPED = {"hidden": 128, "layers": 4, "heads": 4, "intermediate": 512, "patch": 12, "tile": 96}
LANGUAGE = LanguageConfig(hidden=32, layers=1, heads=4, kv_heads=2, intermediate=64)


def config(**changes: Any) -> ModelConfig:
    return ModelConfig(vision=VisionConfig.model_validate({**SHIPPED, "weights": NAME, **changes}), language=LANGUAGE)


def small() -> ModelConfig:
    return ModelConfig(
        vision=VisionConfig(hidden=32, layers=1, heads=2, intermediate=64, patch=4, tile=16), language=LANGUAGE
    )


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


def test_shipped_vision_weights_are_loaded_exactly(tokenizer: Any) -> None:
    model = compose(config(), tokenizer, seed=3)
    assert type(model) is InternVLForConditionalGeneration
    shipped = load_file(weights_file(NAME))
    tower = model.model.vision_tower.state_dict()
    assert set(tower) == set(shipped)
    for name, tensor in tower.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, shipped[name].float()), name
    # Trained, not fresh: fresh biases are zero.
    assert all(tensor.abs().max() > 0 for name, tensor in tower.items() if name.endswith("bias"))
    assert weights_file(NAME).stat().st_size < 4_000_000


def test_the_config_is_that_of_recipe_and_tokenizer(tokenizer: Any) -> None:
    model = compose(small(), tokenizer, seed=0)
    native = model.config
    assert native.image_token_id == tokenizer.context_image_token_id
    assert native.image_seq_length == small().tokens_per_tile == 4
    assert native.text_config.vocab_size == len(tokenizer) == model.get_input_embeddings().num_embeddings
    assert native.text_config.pad_token_id == tokenizer.pad_token_id
    assert native.text_config.eos_token_id == tokenizer.eos_token_id
    assert (native.text_config.num_attention_heads, native.text_config.num_key_value_heads) == (4, 2)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert len(model.model.vision_tower.encoder.layer) == 1
    assert model.config.text_config.num_hidden_layers == 1


@pytest.mark.parametrize("made", [small(), config(weights=None)], ids=["16 pixels", "96 pixels"])
def test_a_tile_becomes_as_many_features_as_planned(tokenizer: Any, made: ModelConfig) -> None:
    model = compose(made, tokenizer, seed=0)
    pixels = torch.zeros(2, 3, made.vision.tile, made.vision.tile)
    with torch.inference_mode():
        features = model.get_image_features(pixels).pooler_output
    assert features.shape == (2, made.tokens_per_tile, LANGUAGE.hidden)


def test_the_seed_decides_what_is_random(tokenizer: Any) -> None:
    one, same, other = (compose(small(), tokenizer, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert sum(not torch.equal(one[name], other[name]) for name in one) > 10


@pytest.mark.parametrize(
    "changes",
    [{"hidden": 64}, {"layers": 3}, {"layers": 5}, {"intermediate": 384}, {"patch": 8}, {"tile": 48}],
    ids=lambda changes: "-".join(map(str, *changes.items())),
)
def test_other_shapes_are_refused(tokenizer: Any, changes: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"the vision weights do not fit the recipe's model\.vision: ") as error:
        compose(config(**changes), tokenizer, seed=0)
    assert error.value.place == str(weights_file(NAME))
    assert "hidden, layers, heads" in error.value.fix


def test_no_weights_at_that_place(tokenizer: Any, tmp_path: Path) -> None:
    for name in ("builtin:nothing", str(tmp_path / "no.safetensors")):
        with pytest.raises(UserError, match=r"no vision weights at .*no"):
            compose(config(weights=name), tokenizer, seed=0)


def test_weights_of_a_file(tokenizer: Any, tmp_path: Path) -> None:
    made = compose(small(), tokenizer, seed=1)
    path = tmp_path / "encoder.safetensors"
    save_file({k: v.half().contiguous() for k, v in made.model.vision_tower.state_dict().items()}, path)
    other = compose(small(), tokenizer, seed=2)
    before = {k: v.clone() for k, v in other.model.vision_tower.state_dict().items()}
    load_vision(other.model.vision_tower, str(path))
    after = other.model.vision_tower.state_dict()
    assert any(not torch.equal(before[k], after[k]) for k in before)
    assert all(torch.equal(after[k], v.half().float()) for k, v in made.model.vision_tower.state_dict().items())


@pytest.mark.parametrize("fault", ["a tensor less", "a tensor more", "cut", "no safetensors"])
def test_a_bad_file_is_refused(tokenizer: Any, tmp_path: Path, fault: str) -> None:
    tower = compose(small(), tokenizer, seed=1).model.vision_tower
    tensors = {name: tensor.contiguous() for name, tensor in tower.state_dict().items()}
    if fault == "a tensor less":
        tensors.pop(sorted(tensors)[0])
    if fault == "a tensor more":
        tensors["head.weight"] = torch.zeros(2)
    path = tmp_path / "encoder.safetensors"
    save_file(tensors, path)
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    if fault == "no safetensors":
        path.write_bytes(b"PK\x03\x04 a pickle in a zip")
    with pytest.raises(UserError, match="do not fit"):
        load_vision(tower, str(path))
