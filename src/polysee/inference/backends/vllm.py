"""vLLM's offline engine, for checkpoints that it serves faster than one process can.

It needs an accelerator and vLLM's own environment; the tests of polysee run without either, against the messages alone.
"""

from __future__ import annotations

import base64
import importlib
from collections.abc import Sequence
from typing import Any

from polysee.inference.backends.base import Answer, Request, View, Weight
from polysee.inference.backends.chat import ReadMedia, messages, shown
from polysee.schema.errors import UserError
from polysee.schema.sample import Sample
from polysee.services.base import ChatMessage


class VllmBackend:
    """Writes with ``model`` (a Hub folder or id) by ``vllm.LLM.chat``; batching is the engine's own."""

    weighs = False
    views = frozenset({"blank"})

    def __init__(self, model: str, read: ReadMedia, *, seed: int = 0) -> None:
        self._model = model
        self._read = read
        self._seed = seed
        self._engine: Any = None

    @property
    def identity(self) -> str:
        """The model and the seed of drawn answers."""
        return f"vllm {self._model} {self._seed}"

    def begin(self, samples: Sequence[Sample]) -> None:
        """Nothing: the engine caches what it has seen."""

    def write(self, requests: Sequence[Request], view: View = None) -> list[Answer]:
        """One answer a request. Raises `UserError` where vLLM is not installed."""
        vllm = _vllm()
        if self._engine is None:
            self._engine = vllm.LLM(model=self._model, seed=self._seed, limit_mm_per_prompt={"image": 64})
        dialogues = [
            content(messages(r.sample, lambda ref: shown(ref, self._read(ref.sha256), blank=view == "blank")))
            for r in requests
        ]
        sampling = [
            vllm.SamplingParams(
                temperature=request.temperature,
                max_tokens=request.max_new_tokens,
                seed=None if request.temperature <= 0 else self._seed + request.draw,
            )
            for request in requests
        ]
        answers = []
        for output in self._engine.chat(dialogues, sampling, use_tqdm=False):
            first = output.outputs[0]
            answers.append(Answer(first.text.strip(), len(output.prompt_token_ids), len(first.token_ids)))
        return answers

    def weigh(
        self, requests: Sequence[Request], candidates: Sequence[Sequence[str]], view: View = None
    ) -> list[list[Weight]]:
        """Always a `UserError`: candidates with pictures are weighed by the native backend."""
        raise UserError("the vLLM backend does not weigh given answers", "use `--backend native`")


def content(dialogue: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Messages as OpenAI has them, pictures as data addresses."""
    found: list[dict[str, Any]] = []
    for message in dialogue:
        parts: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": _address(image)}} for image in message.images
        ]
        found.append({"role": message.role, "content": [*parts, {"type": "text", "text": message.text}]})
    return found


def _address(image: bytes) -> str:
    kind = "jpeg" if image[:2] == b"\xff\xd8" else "webp" if image[8:12] == b"WEBP" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _vllm() -> Any:
    try:
        return importlib.import_module("vllm")
    except ImportError as error:
        raise UserError(
            "the vLLM backend needs the package 'vllm'",
            "install it into an environment of its own beside polysee (`pip install vllm`), or use `--backend native`",
        ) from error
