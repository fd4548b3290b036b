"""A saved folder is a plain Hub checkpoint: a fresh process loads it without polysee, and a spoilt one is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, CLIPVisionConfig, InternVLConfig, InternVLForConditionalGeneration
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from polysee.media.decode import decode
from polysee.media.tiling import normalise
from polysee.models.compose import MEAN, STD
from polysee.models.save import PROBE, probe_inputs, probe_logits, save_hub_folder, verify_reload
from polysee.models.tiles import MAX_FRAMES, TilePolicy
from polysee.models.verify import problem
from polysee.schema.errors import UserError
from polysee.schema.sample import MediaRef
from tiny_model import TILE, tiny_model, tiny_tokenizer

POLICY = TilePolicy(TILE, 4)
FRESH = """
import sys
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoTokenizer
folder, inputs, answer = sys.argv[1:]
model, info = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, output_loading_info=True)
assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
given = load_file(inputs)
with torch.inference_mode():
    logits = model.eval()(input_ids=given["ids"], pixel_values=given["pixels"]).logits
ids = torch.tensor(tokenizer.encode("<|user|>قطة猫แมว<|end|>", add_special_tokens=False))
save_file({"logits": logits.float().contiguous(), "text": ids}, answer)
assert "polysee" not in sys.modules
"""


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    return tiny_model(tokenizer)


@pytest.fixture(scope="module")
def folder(model: Any, tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved once, over a folder of an earlier run."""
    path = tmp_path_factory.mktemp("run") / "checkpoints" / "full"
    path.mkdir(parents=True)
    (path / "model-00001-of-00002.safetensors").write_bytes(b"older")
    save_hub_folder(model, tokenizer, POLICY, path)
    return path


def test_a_fresh_process_without_polysee_computes_equal_logits(
    folder: Path, model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    ids, pixels = probe_inputs(model.config, TILE)
    assert int((ids == model.config.image_token_id).sum()) == model.config.image_seq_length
    save_file({"ids": ids.contiguous(), "pixels": pixels}, tmp_path / "in.safetensors")
    (tmp_path / "fresh.py").write_text(FRESH)
    command = [sys.executable, "fresh.py", str(folder), "in.safetensors", "out.safetensors"]
    subprocess.run(command, cwd=tmp_path, check=True)
    found = load_file(tmp_path / "out.safetensors")
    assert torch.allclose(found["logits"], probe_logits(model, TILE), rtol=0, atol=1e-5)
    assert found["logits"].abs().max() > 1e-3
    assert found["text"].tolist() == tokenizer.encode("<|user|>قطة猫แมว<|end|>", add_special_tokens=False)


def test_what_lies_in_a_folder(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert PROBE not in names
    assert "model-00001-of-00002.safetensors" not in names
    assert {"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl", ".py"))]
    assert "auto_map" not in (folder / "config.json").read_text()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    assert config.architectures == ["InternVLForConditionalGeneration"]


@pytest.mark.parametrize("size", [(16, 16), (32, 16), (61, 97), (16, 50), (200, 40)])
def test_the_saved_processor_gives_our_pixels(folder: Path, size: tuple[int, int], tmp_path: Path) -> None:
    processor = GotOcr2ImageProcessorPil.from_pretrained(folder, local_files_only=True)
    pixels = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    native = processor(decode(path.read_bytes()), return_tensors="np")["pixel_values"]
    ours = POLICY.cut(MediaRef("0" * 64, "image", *size), path.read_bytes())
    np.testing.assert_array_equal(native, normalise(ours, MEAN, STD))


def test_processor_files_name_the_native_classes(folder: Path, model: Any) -> None:
    image = json.loads((folder / "preprocessor_config.json").read_text())
    video = json.loads((folder / "video_preprocessor_config.json").read_text())
    joined = json.loads((folder / "processor_config.json").read_text())
    assert {part["processor_class"] for part in (image, video, joined)} == {"InternVLProcessor"}
    assert image["image_processor_type"] == "GotOcr2ImageProcessor"
    assert video["video_processor_type"] == "InternVLVideoProcessor"
    assert (image["min_patches"], image["max_patches"], video["num_frames"]) == (1, POLICY.image_tiles, MAX_FRAMES)
    assert image["size"] == video["size"] == {"height": TILE, "width": TILE}
    assert joined["image_seq_length"] == model.config.image_seq_length


Spoil = Callable[[Path], None]


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    """Rewrites the weights after ``change``."""

    def spoil(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        change(weights)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    return spoil


def another_vocabulary(folder: Path) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["猫猫猫"])
    tokenizer.save_pretrained(folder)


def other_normalisation(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["text_config"]["rms_norm_eps"] = 0.5
    path.write_text(json.dumps(config))


BIAS = "layers.1.self_attn.v_proj.bias"
SPOILT: dict[str, tuple[Spoil, str]] = {
    "nothing": (lambda folder: None, ""),
    "a tensor less": (tensors(lambda w: w.pop(named(w, BIAS))), "1 missing keys, such as .*v_proj.bias"),
    "a tensor more": (tensors(lambda w: w.update(extra=torch.zeros(2))), "1 unexpected keys, such as extra"),
    "other weights": (tensors(lambda w: w[named(w, BIAS)].add_(0.5)), "logits differ by"),
    "other settings": (other_normalisation, "logits differ by"),
    "another vocabulary": (another_vocabulary, "the tokenizer and the embedding differ in size"),
}


def named(weights: dict[str, torch.Tensor], ending: str) -> str:
    (found,) = (name for name in weights if name.endswith(ending))
    return found


@pytest.fixture
def copied(folder: Path, model: Any, tmp_path: Path) -> Path:
    """The folder as it is before it is verified: with its probe."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    save_file({"logits": probe_logits(model, TILE).contiguous()}, copy / PROBE)
    return copy


@pytest.mark.parametrize("fault", SPOILT)
@pytest.mark.filterwarnings("ignore")
def test_a_spoilt_folder_is_seen(copied: Path, fault: str) -> None:
    spoil, message = SPOILT[fault]
    spoil(copied)
    found = problem(copied)
    if not message:
        assert found is None
    else:
        assert found is not None
        assert re.match(message, found)


def test_a_fresh_process_tells_a_spoilt_folder(copied: Path) -> None:
    SPOILT["other weights"][0](copied)
    with pytest.raises(UserError, match="the saved checkpoint does not load as it was: logits differ by") as error:
        verify_reload(copied)
    assert error.value.place == str(copied)


def test_an_encoder_that_reloads_at_random_is_refused_and_the_last_checkpoint_stays(
    tokenizer: Any, model: Any, tmp_path: Path
) -> None:
    """InternVL takes a CLIP tower and trains it, but rebuilds an InternViT of its own on loading, with a warning."""
    vision = CLIPVisionConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, patch_size=4, image_size=TILE
    )
    config = InternVLConfig(
        vision_config=vision,
        text_config=model.config.text_config,
        image_token_id=model.config.image_token_id,
        image_seq_length=model.config.image_seq_length,
    )
    path = tmp_path / "full"
    path.mkdir()
    (path / "model.safetensors").write_bytes(b"the last one")
    with pytest.raises(UserError, match=r"the saved checkpoint does not load as it was: \d+ missing keys"):
        save_hub_folder(InternVLForConditionalGeneration(config), tokenizer, POLICY, path)
    assert [p.read_bytes() for p in path.iterdir()] == [b"the last one"]


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the saved checkpoint does not load as it was: "):
        verify_reload(tmp_path)
