"""Joins a vision encoder and a language model into a native transformers class. No modelling code of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polysee.models.config import ModelConfig
from polysee.schema.errors import UserError

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's, as InternVL normalises its pixels."""


def model_config(config: ModelConfig, tokenizer: Any) -> Any:
    """An `InternVLConfig` for the shapes of a recipe and a tokenizer's ids."""
    from transformers import InternVLConfig, InternVLVisionConfig, Qwen2Config

    vision, language = config.vision, config.language
    return InternVLConfig(
        vision_config=InternVLVisionConfig(
            hidden_size=vision.hidden,
            num_hidden_layers=vision.layers,
            num_attention_heads=vision.heads,
            intermediate_size=vision.intermediate,
            image_size=vision.tile,
            patch_size=vision.patch,
            attention_bias=True,
        ),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=language.hidden,
            num_hidden_layers=language.layers,
            num_attention_heads=language.heads,
            num_key_value_heads=language.kv_heads,
            intermediate_size=language.intermediate,
            max_position_embeddings=4096,
            initializer_range=language.initializer_range,
            tie_word_embeddings=True,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
        ),
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=config.tokens_per_tile,
        downsample_ratio=0.5,
        tie_word_embeddings=True,
    )


def compose(config: ModelConfig, tokenizer: Any, *, seed: int) -> Any:
    """A new `InternVLForConditionalGeneration`, random but for the vision encoder if the recipe names its weights.

    Raises `UserError` if those weights are missing or do not fit the recipe's shapes.
    """
    import torch
    from transformers import InternVLForConditionalGeneration

    torch.manual_seed(seed)
    model = InternVLForConditionalGeneration(model_config(config, tokenizer))
    if config.vision.weights is not None:
        load_vision(model.model.vision_tower, config.vision.weights)
    return model


def weights_file(name: str) -> Path:
    """Where ``builtin:NAME`` or a path lies. Raises `UserError` if there is no such file."""
    if name.startswith("builtin:"):
        path = Path(__file__).parent / "weights" / f"{name.removeprefix('builtin:')}.safetensors"
    else:
        path = Path(name)
    if not path.is_file():
        raise UserError(f"no vision weights at {path}", "make them with `polysee run recipes/microworld-encoder.yaml`")
    return path


def load_vision(tower: Any, name: str) -> None:
    """Load a vision encoder's weights, all of them and nothing else. Raises `UserError` where they do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = weights_file(name)
    try:
        weights = {key: value.float() for key, value in load_file(path).items()}
        tower.load_state_dict(weights, strict=True)
    except (SafetensorError, RuntimeError) as error:
        raise UserError(
            f"the vision weights do not fit the recipe's model.vision: {str(error).splitlines()[-1].strip()}",
            "set hidden, layers, heads, intermediate, patch and tile to those the weights were trained with",
            place=str(path),
        ) from error
