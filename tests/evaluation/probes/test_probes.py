"""Probes of the encoder that comes with polysee, on emoji scenes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageDraw

from polysee.cli.probe import probe
from polysee.evaluation.probes.classify import AttentionHead, ClassRecipe, LinearHead, probe_classes
from polysee.evaluation.probes.data import read_class_folder, read_mask_folder
from polysee.evaluation.probes.encoder import Encoder, features, parse_layers
from polysee.evaluation.probes.run import as_json
from polysee.evaluation.probes.segment import SegmentRecipe, layer_rates, mean_iou, probe_segments
from polysee.inference.encoder import Normalisation
from polysee.models.compose import MEAN, STD, compose
from polysee.models.config import LanguageConfig, ModelConfig, VisionConfig
from polysee.models.save import save_hub_folder
from polysee.models.tiles import TilePolicy
from polysee.schema.errors import UserError
from polysee.sources.microworld.concepts import CONCEPTS
from polysee.sources.microworld.scenes import Scene, Thing, draw
from tiny_model import tiny_tokenizer

SIDE = 96
VISION = VisionConfig(
    hidden=128, layers=4, heads=4, intermediate=512, patch=12, tile=SIDE, weights="builtin:microworld-encoder"
)
MODEL = ModelConfig(vision=VISION, language=LanguageConfig(hidden=32, layers=1, heads=4, kv_heads=2, intermediate=64))
NAMES = ("狗", "ድመት", "ช้าง", "أسد")


def scene(rng: np.random.Generator, concept: int) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """One thing somewhere, on a background of any light colour, and where it is in pixels."""
    x, y = rng.uniform(0.3, 0.7, 2)
    red, green, blue = rng.integers(190, 256, 3).tolist()
    thing = Thing(concept, CONCEPTS[concept].emoji, float(x), float(y), float(rng.uniform(0.25, 0.4)))
    x1, y1, x2, y2 = (SIDE * value for value in thing.box)
    return draw(Scene((thing,), SIDE, (red, green, blue))), (x1, y1, x2, y2)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    tower = compose(MODEL, tiny_tokenizer(), seed=0).model.vision_tower.eval()
    return Encoder(tower, Normalisation(MEAN, STD), SIDE)


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(1)
    for side, count in (("train", 16), ("test", 8)):
        for concept, name in enumerate(NAMES):
            (folder / side / name).mkdir(parents=True)
            for number in range(count):
                scene(rng, concept)[0].save(folder / side / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def mask_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    rng = np.random.default_rng(2)
    for side, count in (("train", 12), ("test", 4)):
        for part in ("images", "masks"):
            (folder / side / part).mkdir(parents=True)
        for number in range(count):
            picture, box = scene(rng, number % 2)
            mask = Image.new("L", (SIDE, SIDE), 0)
            ImageDraw.Draw(mask).rectangle(box, fill=1 + number % 2)
            mask.putpixel((0, 0), 255)
            picture.save(folder / side / "images" / f"{number}.png")
            mask.save(folder / side / "masks" / f"{number}.png")
    return folder


def test_features_are_the_states_of_each_layer(encoder: Encoder, class_folder: Path) -> None:
    paths = [picture.path for picture in read_class_folder(class_folder, limit=1).train]
    found = features(encoder, paths, (0, 2, 4))
    assert {layer: tuple(part.shape) for layer, part in found.items()} == dict.fromkeys((0, 2, 4), (4, 65, 128))
    assert not torch.allclose(found[0], found[2])
    last = encoder.tower(pixel_values=encoder.pixels(encoder.cut(paths))).last_hidden_state
    torch.testing.assert_close(found[4], last, rtol=1e-4, atol=1e-4)
    assert encoder.patches(found[4]).shape == (4, 64, 128)


def test_trained_features_separate_what_their_input_does_not(encoder: Encoder, class_folder: Path) -> None:
    data = read_class_folder(class_folder)
    found = probe_classes(encoder, data, ("linear", "attention"), (0, 4), ClassRecipe(steps=60, resamples=200))
    assert found.classes == tuple(sorted(NAMES))
    assert (found.train, found.test, found.chance) == (64, 32, 0.25)
    cells = {(one.layer, one.kind): one.accuracy for one in found.scores}
    assert set(cells) == {(0, "linear"), (0, "attention"), (4, "linear"), (4, "attention")}
    assert cells[4, "linear"].low > 0.5 > found.chance
    assert cells[4, "attention"].low > 0.5
    assert cells[4, "linear"].value >= cells[0, "linear"].value
    for gap in found.gaps:
        expected = cells[gap.layer, "attention"].value - cells[gap.layer, "linear"].value
        assert gap.gap.value == pytest.approx(expected)
        assert gap.gap.low <= gap.gap.value <= gap.gap.high
    again = probe_classes(encoder, data, ("linear",), (4,), ClassRecipe(steps=60, resamples=200))
    assert again.scores[0].accuracy == cells[4, "linear"]


def test_heads_use_the_whole_pictures_token_where_there_is_one() -> None:
    tokens = torch.randn(2, 5, 8)
    assert LinearHead(8, 3, whole=True)(tokens).shape == (2, 3)
    head = LinearHead(8, 3, whole=False)
    moved = tokens[:, torch.randperm(5)]
    torch.testing.assert_close(head(tokens), head(moved))
    assert AttentionHead(8, 3)(tokens).shape == (2, 3)


def test_layers() -> None:
    assert parse_layers("last", 4) == (4,)
    assert parse_layers("all", 2) == (0, 1, 2)
    assert parse_layers("-1, 2,0", 4) == (0, 2, 4)
    for text in ("5", "x", "", "-6"):
        with pytest.raises(UserError, match="is no layer"):
            parse_layers(text, 4)


def test_a_folder_without_a_split_is_split_by_content(class_folder: Path, tmp_path: Path) -> None:
    for concept, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        for number in range(10):
            scene(np.random.default_rng([concept, number]), concept)[0].save(tmp_path / name / f"{number}.png")
    first = read_class_folder(tmp_path)
    assert (len(first.train), len(first.test)) == (16, 4)
    tested = {picture.path.read_bytes() for picture in first.test}
    # A copy under another name goes where its original is.
    original = first.test[0].path
    (original.parent / "copy.png").write_bytes(original.read_bytes())
    second = read_class_folder(tmp_path)
    assert {picture.path.read_bytes() for picture in second.test} == tested
    assert len(second.test) == 5
    with pytest.raises(UserError, match="two classes"):
        read_class_folder(tmp_path / "a")
    with pytest.raises(UserError, match="no such folder"):
        read_class_folder(tmp_path / "absent")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "only.png").write_bytes(original.read_bytes())
    with pytest.raises(UserError, match="'c' has no pictures"):
        read_class_folder(tmp_path)


def test_segments(encoder: Encoder, mask_folder: Path) -> None:
    data = read_mask_folder(mask_folder)
    before = encoder.tower.state_dict()["encoder.layer.0.attention.q_proj.weight"].clone()
    recipe = SegmentRecipe(steps=40, batch=6, width=16, rate=5e-3, resamples=100)
    found = probe_segments(encoder, data, ("segment-linear", "segment-head", "segment-full"), recipe)
    assert (found.classes, found.train, found.test) == (3, 12, 4)
    for one in found.scores:
        # All background would give a third of about 0.9.
        assert one.miou.low > 0.35, one
        assert len(one.by_class) == 3
    assert torch.equal(before, encoder.tower.state_dict()["encoder.layer.0.attention.q_proj.weight"])
    json.dumps(as_json(found))


def test_mean_iou() -> None:
    inter, union = np.array([[3, 0, 0], [1, 1, 0]]), np.array([[4, 0, 0], [4, 2, 0]])
    miou, each = mean_iou(inter, union, resamples=200, seed=0)
    assert each == (0.5, 0.5, None)
    assert miou.value == 0.5
    assert miou.low < 0.5 < miou.high


def test_rates_fall_with_depth() -> None:
    assert layer_rates(2, SegmentRecipe(encoder_rate=1.0, decay=0.5)) == [0.25, 0.5, 1.0]


def test_masks_of_colour_and_missing_ones(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no pictures with masks"):
        read_mask_folder(tmp_path)
    for side in ("train", "test"):
        for part in ("images", "masks"):
            (tmp_path / side / part).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / side / "images" / "0.png")
    with pytest.raises(UserError, match="has no mask"):
        read_mask_folder(tmp_path)
    for side, mode in (("train", "L"), ("test", "RGB")):
        Image.new(mode, (8, 8)).save(tmp_path / side / "masks" / "0.png")
    with pytest.raises(UserError, match="one byte a pixel, this one is RGB"):
        probe_segments(encoder, read_mask_folder(tmp_path), ("segment-linear",))
    Image.new("L", (8, 8)).save(tmp_path / "test" / "masks" / "0.png")
    with pytest.raises(UserError, match="two classes"):
        probe_segments(encoder, read_mask_folder(tmp_path), ("segment-linear",))


def test_command(class_folder: Path, tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    checkpoint = tmp_path / "checkpoint"
    save_hub_folder(compose(MODEL, tokenizer, seed=0), tokenizer, TilePolicy(SIDE, 1), checkpoint)
    out = tmp_path / "probes.json"
    words = [str(checkpoint), "--data", str(class_folder), "--layers", "1,4", "--steps", "30", "--out", str(out)]
    result = CliRunner().invoke(probe, words, standalone_mode=False)
    assert result.exception is None, result.exception
    assert "4 classes, 64 pictures to train on, 32 to test" in result.output
    assert "layer 4   gap        attention - linear" in result.output
    written = json.loads(out.read_text(encoding="utf-8"))
    assert [(row["layer"], row["kind"]) for row in written["accuracy"]] == [
        (1, "linear"),
        (1, "attention"),
        (4, "linear"),
        (4, "attention"),
    ]
    assert sorted(written["classes"]) == sorted(NAMES)
    mixed = CliRunner().invoke(probe, [*words, "--kind", "linear", "--kind", "segment-linear"], standalone_mode=False)
    assert isinstance(mixed.exception, UserError)
