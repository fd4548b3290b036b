"""Numbers of a model that a plan needs, and shapes that cannot be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

import tiny_model
from polysee.models.compose import compose
from polysee.models.config import LanguageConfig, ModelConfig, TokenizerConfig, VisionConfig


@pytest.mark.parametrize(("tile", "patch", "tokens"), [(64, 8, 16), (96, 12, 16), (448, 14, 256), (16, 4, 4)])
def test_tokens_of_a_tile(tile: int, patch: int, tokens: int) -> None:
    assert ModelConfig(vision=VisionConfig(tile=tile, patch=patch)).tokens_per_tile == tokens


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (VisionConfig, {"hidden": 130, "heads": 4}, r"hidden \(130\) must be a multiple of heads \(4\)"),
        (VisionConfig, {"tile": 72, "patch": 8}, r"tile \(72\) must be a multiple of twice the patch \(8\)"),
        (LanguageConfig, {"hidden": 190}, "hidden must be a multiple of heads"),
        (LanguageConfig, {"heads": 4, "kv_heads": 3}, "heads of kv_heads"),
        (TokenizerConfig, {"vocabulary": 300}, "greater than or equal to 512"),
        (ModelConfig, {"family": "llava"}, "internvl"),
        (VisionConfig, {"widht": 3}, "widht"),
    ],
)
def test_shapes_that_cannot_be(kind: type[Any], values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind.model_validate(values)


SHAPES = {
    "defaults": ModelConfig(),
    "small": ModelConfig(
        vision=VisionConfig(hidden=32, layers=1, heads=2, intermediate=72, patch=4, tile=32),
        language=LanguageConfig(hidden=48, layers=3, heads=4, kv_heads=1, intermediate=80),
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_weights_are_counted_as_the_native_classes_have_them(name: str) -> None:
    tokenizer = tiny_model.tiny_tokenizer()
    made = compose(SHAPES[name], tokenizer, seed=0)
    assert SHAPES[name].parameters(len(tokenizer)) == made.num_parameters()
    assert SHAPES[name].vision.parameters == made.model.vision_tower.num_parameters()


def test_a_plan_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from polysee.models import compose, config, prompt, save, tiles, tokenizer, verify\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
