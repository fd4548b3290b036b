"""Samples in one row learn exactly as they would alone: loss and gradients, with pictures, turns and plain text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from polysee.media.tiling import normalise
from polysee.models.compose import MEAN, STD
from polysee.models.prompt import PromptEncoder
from polysee.packing.collate import PackedSample, collate
from polysee.schema.sample import IMAGE_MARK, MediaRef, Origin, Turn, make_sample
from polysee.training.losses import response_weights
from polysee.training.module import PackedLoss, normalise_on_device, to_device
from tiny_model import TILE, image, read_tiles, tiny_model, tiny_tokenizer

TOLERANCE = 1e-5
ATTENTION = ("eager", "sdpa")


@cache
def encoder() -> PromptEncoder:
    return PromptEncoder(tiny_tokenizer(), 4)


@cache
def wrapped(attention: str) -> PackedLoss:
    model = tiny_model(encoder().tokenizer)
    model.set_attn_implementation(attention)
    assert model.config.text_config._attn_implementation == attention
    assert next(model.parameters()).dtype == torch.float32
    return PackedLoss(model)


def packed(turns: Sequence[tuple[str, str]], media: Sequence[MediaRef] = ()) -> PackedSample:
    sample = make_sample(
        task="naming",
        language="ar",
        turns=tuple(Turn(*turn) for turn in turns),
        origin=Origin("tiny", "0", "CC0-1.0"),
        media=tuple(media),
    )
    encoded = encoder().encode(sample, [len(read_tiles(medium)) for medium in media])
    return PackedSample(sample, encoded.input_ids, encoded.answers)


SAMPLES = (
    packed([("What is this?", "cat")], [image(1)]),
    packed([("ما هذا؟", "قطة"), ("ولون؟", "أسود مع أبيض"), ("", "نعم")], [image(3)]),  # two tiles and a thumbnail
    packed([("这是什么？", "猫、狗、鱼")]),
    packed([(f"ድመት {IMAGE_MARK} ውሻ {IMAGE_MARK}", "ሁለተኛው"), ("?", "አዎ")], [image(4), image(6)]),
    packed([("นี่คืออะไร", "แมวน้ำ"), ("", "หมา")]),
)
PACKS = (
    ("one row", (tuple(SAMPLES),)),
    ("rows of unlike lengths", ((SAMPLES[1], SAMPLES[2], SAMPLES[0]), (SAMPLES[4],), (SAMPLES[3], SAMPLES[4]))),
    ("text alone", ((SAMPLES[2], SAMPLES[4], SAMPLES[2]),)),
    ("the same twice", ((SAMPLES[0], SAMPLES[0]), (SAMPLES[3], SAMPLES[3]))),
)

Gradients = dict[str, torch.Tensor]


def losses(module: PackedLoss, packs: Sequence[Sequence[PackedSample]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss and weight of each answer token, in the packs' order."""
    batch = collate(packs, read_tiles, tile=TILE, pad_id=encoder().pad_id)
    weights = torch.from_numpy(response_weights(batch.lengths, exponent=0.5)).float()
    return module(to_device(batch, torch.device("cpu"))), weights


def gradients(module: PackedLoss, loss: torch.Tensor) -> Gradients:
    module.zero_grad(set_to_none=True)
    loss.backward()
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def alone(module: PackedLoss, packs: Sequence[Sequence[PackedSample]]) -> tuple[torch.Tensor, Gradients]:
    """Every sample in a forward pass of its own, without padding or neighbours; gradients of the weighted sum."""
    found, total = [], torch.zeros(())
    for item in (item for pack in packs for item in pack):
        loss, weights = losses(module, [[item]])
        found.append(loss.detach())
        total = total + (loss * weights).sum()
    return torch.cat(found), gradients(module, total)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize(("name", "packs"), PACKS, ids=[name for name, _ in PACKS])
def test_packed_equals_alone(attention: str, name: str, packs: tuple[tuple[PackedSample, ...], ...]) -> None:
    module = wrapped(attention)
    loss, weights = losses(module, packs)
    together = gradients(module, (loss * weights).sum())
    expected, separately = alone(module, packs)
    assert loss.dtype == torch.float32
    assert loss.shape == expected.shape
    assert (loss.detach() - expected).abs().max() <= TOLERANCE
    assert set(together) == set(separately)
    reached = {parameter.split(".")[2] for parameter in together}
    assert ("vision_tower" in reached) == (name != "text alone")
    assert "language_model" in reached
    for parameter, gradient in together.items():
        scale = max(1.0, float(separately[parameter].abs().max()))
        assert (gradient - separately[parameter]).abs().max() <= TOLERANCE * scale, parameter
    assert max(float(g.abs().max()) for g in together.values()) > 1e-2


@pytest.mark.parametrize("attention", ATTENTION)
def test_alone_is_what_the_native_loss_says(attention: str) -> None:
    """The model's own forward pass, with an attention mask and labels, as transformers trains it."""
    module = wrapped(attention)
    for item in SAMPLES:
        found, _ = losses(module, [[item]])
        ids = torch.tensor([list(item.input_ids)])
        labels = torch.full_like(ids, -100)
        for start, stop in item.answers:
            labels[0, start:stop] = ids[0, start:stop]
        tiles = [read_tiles(medium) for medium in item.sample.media]
        pixels = torch.from_numpy(normalise(np.concatenate(tiles), MEAN, STD)) if tiles else None
        with torch.no_grad():
            native = module.model(
                input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, labels=labels
            ).loss
        assert float(found.detach().mean()) == pytest.approx(float(native), abs=TOLERANCE)


@pytest.mark.parametrize("attention", ATTENTION)
def test_neighbours_are_not_seen(attention: str) -> None:
    """Another neighbour, another picture of it, or more padding changes no loss of a sample."""
    module = wrapped(attention)
    count = sum(stop - start for start, stop in SAMPLES[1].answers)
    with torch.no_grad():
        found = [
            losses(module, packs)[0][:count] if first else losses(module, packs)[0][-count:]
            for first, packs in (
                (True, [[SAMPLES[1]]]),
                (True, [[SAMPLES[1], SAMPLES[0]]]),
                (False, [[SAMPLES[0], SAMPLES[1]]]),
                (False, [[SAMPLES[3], SAMPLES[1]]]),
                (False, [[*SAMPLES], [SAMPLES[1]]]),
            )
        ]
    for other in found[1:]:
        assert (other - found[0]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("attention", ATTENTION)
def test_pictures_and_earlier_turns_are_seen(attention: str) -> None:
    """Or equal losses would prove nothing."""
    module = wrapped(attention)
    with torch.no_grad():
        one, _ = losses(module, [[packed([("What is this?", "cat")], [image(1)])]])
        other, _ = losses(module, [[packed([("What is this?", "cat")], [image(2)])]])
        first, _ = losses(module, [[packed([("猫", "狗"), ("?", "鱼")])]])
        second, _ = losses(module, [[packed([("猫", "马"), ("?", "鱼")])]])
    assert (one - other).abs().max() > 1e-2
    assert (first[-2:] - second[-2:]).abs().max() > 1e-2


def test_tiles_are_normalised_as_the_processor_does() -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (3, TILE, TILE, 3), np.uint8)
    ours = normalise_on_device(torch.from_numpy(tiles))
    assert ours.dtype == torch.float32
    np.testing.assert_allclose(ours.numpy(), normalise(tiles, MEAN, STD), rtol=0, atol=1e-6)


def test_a_batch_goes_to_the_device_as_it_is() -> None:
    batch = collate([SAMPLES[:2]], read_tiles, tile=TILE, pad_id=0)
    there: Any = to_device(batch, torch.device("cpu"))
    for name in ("input_ids", "position_ids", "rows", "columns", "targets"):
        assert getattr(there, name).dtype == torch.int64
        assert getattr(there, name).tolist() == getattr(batch, name).tolist()
    assert there.tiles.dtype == torch.uint8
    assert there.tiles.shape == batch.tiles.shape
