"""A tiny native InternVL with random weights, built and saved as real ones are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from polysee.inference.encoder import Normalisation
from polysee.models.compose import MEAN, STD, compose
from polysee.models.config import LanguageConfig, ModelConfig, VisionConfig
from polysee.models.tokenizer import train_tokenizer
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample

TILE = 16
NORMALISATION = Normalisation(MEAN, STD)
WORDS = {
    "en": ("cat", "dog", "fish", "horse", "What is this?"),
    "ar": ("قطة", "كلب", "سمكة", "حصان", "ما هذا؟"),
    "zh": ("猫", "狗", "鱼", "马", "这是什么？"),
    "th": ("แมว", "หมา", "ปลา", "ม้า", "นี่คืออะไร"),
    "am": ("ድመት", "ውሻ", "ዓሣ", "ፈረስ", "ይህ ምንድን ነው?"),
}


def tiny_tokenizer() -> Any:
    return train_tokenizer([text for words in WORDS.values() for text in words], 512)


def tiny_model(tokenizer: Any, seed: int = 0) -> Any:
    """Weights large enough that answers differ clearly, as a trained model's do."""
    config = ModelConfig(
        vision=VisionConfig(hidden=32, layers=1, heads=2, intermediate=64, patch=4, tile=TILE),
        language=LanguageConfig(hidden=32, layers=2, heads=4, kv_heads=2, intermediate=64),
    )
    model = compose(config, tokenizer, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.25, generator=generator)
    return model.eval()


def save_checkpoint(model: Any, tokenizer: Any, folder: Path) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor = {
        "image_processor_type": "GotOcr2ImageProcessor",
        "crop_to_patches": True,
        "min_patches": 1,
        "max_patches": 4,
        "size": {"height": TILE, "width": TILE},
        "image_mean": list(MEAN),
        "image_std": list(STD),
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))


def image(number: int) -> MediaRef:
    """A picture that `read_tiles` can draw; every third one has two tiles and a thumbnail."""
    return MediaRef(hashlib.sha256(str(number).encode()).hexdigest(), "image", 32 if number % 3 == 0 else 16, 16)


def read_tiles(ref: MediaRef) -> NDArray[np.uint8]:
    rng = np.random.default_rng(int(ref.sha256[:8], 16))
    count = 3 if ref.width > ref.height else 1
    return rng.integers(0, 256, (count, TILE, TILE, 3), np.uint8)


def question(
    language: str,
    number: int,
    *,
    task: str = "naming",
    split: str = "scenes",
    media: int = 1,
    answer: str | None = None,
) -> Sample:
    """A sample with four options (none if it has an ``answer`` of its own)."""
    *options, asked = WORDS[language]
    turn = Turn("", answer or options[number % 4])
    return make_sample(
        task=task,
        language=language,
        turns=(turn,),
        origin=Origin("tiny", f"{language}-{number}", "CC0-1.0"),
        media=tuple(image(number + extra) for extra in range(media)),
        instruction=asked,
        options=tuple(options) if answer is None else (),
        split=split,
        tags=(f"number:{number}",),
    )
