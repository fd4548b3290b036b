from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from polysee.inference.encoder import encode_prompt, media_key
from polysee.inference.features import blank_features, embed, image_features
from polysee.models.prompt import PromptEncoder
from polysee.schema.sample import IMAGE_MARK, Turn
from tiny_model import NORMALISATION, TILE, image, question, read_tiles


@torch.inference_mode()
def _native(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    return model.get_image_features(pixels).pooler_output.flatten(0, 1)


def test_features_are_the_models_own(model: Any) -> None:
    tiles = {str(number): read_tiles(image(number)) for number in range(30)}
    features = image_features(model, tiles, NORMALISATION)
    for key, value in tiles.items():
        torch.testing.assert_close(features[key], _native(model, torch.from_numpy(NORMALISATION.apply(value))))


def test_blank_is_the_mean_colour(model: Any) -> None:
    tiles = {"three": read_tiles(image(0)), "one": read_tiles(image(1))}
    features = blank_features(model, tiles)
    assert features["three"].shape == (12, 32)
    torch.testing.assert_close(features["three"], _native(model, torch.zeros(3, 3, TILE, TILE)))
    torch.testing.assert_close(features["one"], features["three"][:4])


def test_normalisation_takes_mean_and_deviation_by_channel() -> None:
    tiles = np.zeros((1, 2, 2, 3), np.uint8)
    tiles[..., 2] = 255
    found = NORMALISATION.apply(tiles)
    assert found.shape == (1, 3, 2, 2)
    assert found[0, 0, 0, 0] == pytest.approx(-0.485 / 0.229, abs=1e-6)
    assert found[0, 2, 0, 0] == pytest.approx((1 - 0.406) / 0.225, abs=1e-6)


def test_no_media_no_features(model: Any) -> None:
    assert image_features(model, {}, NORMALISATION) == {}
    assert blank_features(model, {}) == {}


def test_a_row_with_too_few_image_tokens_is_refused(model: Any, encoder: PromptEncoder) -> None:
    features = image_features(model, {"a": read_tiles(image(1))}, NORMALISATION)
    ids = torch.tensor([[encoder.image_token_id] * 3 + [9]])
    with pytest.raises(ValueError, match="row 0 has 3 image tokens but 4"):
        embed(model, ids, [("a",)], features, encoder.image_token_id)


def test_one_image_for_two_regions_has_two_keys() -> None:
    whole = image(1)
    assert media_key(whole) == whole.sha256
    assert media_key(replace(whole, box=(0.0, 0.0, 8.0, 8.0))) != media_key(replace(whole, span=(0.0, 8.0)))


def test_media_of_later_turns_stay_out_of_the_first_prompt(encoder: PromptEncoder) -> None:
    sample = question("en", 1, media=2)
    turns = (Turn(f"{IMAGE_MARK} first?", "a"), Turn(f"{IMAGE_MARK} second?", "b"))
    sample = replace(sample, instruction="", turns=turns)
    tiles = {media_key(ref): read_tiles(ref) for ref in sample.media}
    assert encode_prompt(encoder, sample, tiles).media == (media_key(sample.media[0]),)
