"""Evaluates the tiny model in a process of its own, which a test may have killed at the N-th picture."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from polysee.evaluation import jobs, run
from polysee.evaluation.config import EvaluateConfig, TaskConfig
from polysee.models.prompt import PromptEncoder
from polysee.schema.sample import MediaRef, Sample
from tiny_model import NORMALISATION, WORDS, question, read_tiles, tiny_model, tiny_tokenizer

CONFIG = EvaluateConfig(
    tasks=(
        TaskConfig(task="naming", metric="choice", baselines=("blank", "untrained")),
        TaskConfig(task="caption", metric="chrf", baselines=("blank",)),
        TaskConfig(task="counting", metric="exact_match"),
        TaskConfig(task="grounding", metric="iou"),
    ),
    batch=8,
    max_new_tokens=6,
    resamples=200,
)


def samples() -> list[Sample]:
    found = [question(language, number) for language in WORDS for number in range(12)]
    found += [question(language, number, split="train") for language in WORDS for number in range(100, 104)]
    for language in WORDS:
        found += [question(language, number, task="caption", answer=WORDS[language][0]) for number in range(3)]
        found += [question(language, number, task="counting", answer="3") for number in range(20, 23)]
        found.append(question(language, 5, task="grounding", answer="[1, 2, 3, 4]"))
    return found


def main(path: str, kill_at: int) -> None:
    torch.set_num_threads(1)
    jobs.UNIT = 16
    read = 0

    def reading(ref: MediaRef) -> NDArray[np.uint8]:
        nonlocal read
        read += 1
        if read == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return read_tiles(ref)

    tokenizer = tiny_tokenizer()
    subject = run.Subject(tiny_model(tokenizer), PromptEncoder(tokenizer, 4), NORMALISATION, reading)
    run.evaluate(samples(), CONFIG, subject, path=Path(path), fingerprint="checkpoint", seed=3)
    print(read)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
