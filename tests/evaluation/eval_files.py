"""A tiny checkpoint and a task about pictures in five languages, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tiny_model import WORDS, save_checkpoint, tiny_model, tiny_tokenizer

TASK = """
purpose: A test.
tasks:
  - name: animals
    how: likelihood
    tags: {ability: naming}
    baselines: [blank, untrained, shuffled]
    data: &data
      path: PATH
      dataset: zoo
      fields:
        images: [image]
        options: options
        language: language
        id: id
        group: group
        tags: {domain: domain}
  - name: animals-written
    data: *data
    metrics: [exact_match, chrf, {name: exact_match, mode: official}]
    max_new_tokens: 6
"""


def make_checkpoint(folder: Path) -> Path:
    tokenizer = tiny_tokenizer()
    save_checkpoint(tiny_model(tokenizer), tokenizer, folder)
    return folder


def rows(count: int) -> list[dict[str, Any]]:
    """``count`` pictures, each asked about in every language."""
    found = []
    for number in range(count):
        for language, (*options, question) in WORDS.items():
            found.append(
                {
                    "id": f"{language}-{number}",
                    "group": str(number),
                    "language": language,
                    "image": f"{number}.png",
                    "question": question,
                    "options": options,
                    "answer": options[number % 4],
                    "domain": ("land/pets", "land/farm", "sea")[number % 3],
                }
            )
    return found


def write_data(folder: Path, count: int = 8, found: list[dict[str, Any]] | None = None) -> Path:
    """``items.jsonl`` and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 32 if number % 3 == 0 else 16, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    path = folder / "items.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) for row in found or rows(count)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_task(path: Path, data: Path, text: str = TASK, changes: Mapping[str, str] | None = None) -> Path:
    for old, new in {"PATH": str(data), **(changes or {})}.items():
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path
