"""A checkpoint in this process. A picture is seen once, in however many languages it is asked about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from polysee.inference.backends.base import Answer, Request, View, Weight
from polysee.inference.encoder import Normalisation, Prompt, ReadTiles, Tiles, encode_dialogue, media_key
from polysee.inference.features import blank_features, image_features
from polysee.inference.generate import Drawing, Limits, generate
from polysee.inference.likelihood import Question, option_scores
from polysee.models.device import deterministic
from polysee.models.prompt import PromptEncoder
from polysee.schema.sample import Sample


@dataclass(frozen=True, slots=True)
class Subject:
    """The model under test with what it needs to see a sample. ``model``: in evaluation mode."""

    model: Any
    encoder: PromptEncoder
    normalisation: Normalisation
    read_tiles: ReadTiles


class NativeBackend:
    """Weighs and writes with the model of ``subject``. ``batch``: rows, None by memory; ``seed``: of untrained weights
    and of drawn answers.
    """

    weighs = True
    views = frozenset({"blank", "untrained"})

    def __init__(self, subject: Subject, *, batch: int | None = None, seed: int = 0) -> None:
        self._subject = subject
        self._batch = batch
        self._seed = seed
        self._tiles: dict[str, Tiles] = {}
        self._features: dict[View, dict[str, torch.Tensor]] = {}
        self._untrained: Any = None

    @property
    def identity(self) -> str:
        """The pixel statistics; what the model is, the caller's fingerprint says. The batch changes no decision."""
        statistics = self._subject.normalisation
        return f"native {statistics.mean} {statistics.std} {self._seed}"

    def begin(self, samples: Sequence[Sample]) -> None:
        """Read the tiles of all media of ``samples``; those of former ones are forgotten."""
        refs = {media_key(ref): ref for sample in samples for ref in sample.media}
        self._tiles = {key: self._subject.read_tiles(ref) for key, ref in refs.items()}
        self._features = {}

    def write(self, requests: Sequence[Request], view: View = None) -> list[Answer]:
        """One answer a request. Requests that differ in their limit of tokens are computed apart."""
        answers: dict[int, Answer] = {}
        for limit in sorted({request.max_new_tokens for request in requests}):
            chosen = [index for index, request in enumerate(requests) if request.max_new_tokens == limit]
            rows = [requests[index] for index in chosen]
            answers.update(zip(chosen, self._write(rows, view), strict=True))
        return [answers[index] for index in range(len(requests))]

    def weigh(
        self, requests: Sequence[Request], candidates: Sequence[Sequence[str]], view: View = None
    ) -> list[list[Weight]]:
        """How likely each candidate is, end token included."""
        encoder = self._subject.encoder
        questions = [
            Question(self._prompt(request), tuple(tuple(encoder.answer_ids(text)) for text in given))
            for request, given in zip(requests, candidates, strict=True)
        ]
        with deterministic():
            scores = option_scores(
                self._model(view),
                questions,
                self._seen(view),
                image_token_id=encoder.image_token_id,
                batch=self._batch,
            )
        return [
            [Weight(total, len(option)) for total, option in zip(row, question.options, strict=True)]
            for row, question in zip(scores, questions, strict=True)
        ]

    def _write(self, requests: Sequence[Request], view: View) -> list[Answer]:
        encoder = self._subject.encoder
        prompts = [self._prompt(request) for request in requests]
        limits = Limits(encoder.image_token_id, encoder.end_id, requests[0].max_new_tokens, self._batch)
        drawings = [self._drawing(request) for request in requests]
        with deterministic():
            found = generate(self._model(view), prompts, self._seen(view), limits, drawings)
        return [
            Answer(
                text=encoder.tokenizer.decode(list(ids), skip_special_tokens=True).strip(),
                tokens_in=len(prompt.ids),
                tokens_out=len(ids),
            )
            for prompt, ids in zip(prompts, found, strict=True)
        ]

    def _prompt(self, request: Request) -> Prompt:
        return encode_dialogue(self._subject.encoder, request.sample, self._tiles)

    def _drawing(self, request: Request) -> Drawing | None:
        if request.temperature <= 0:
            return None
        text = f"{self._seed}:{request.sample.id}:{request.draw}"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
        return Drawing(request.temperature, seed)

    def _model(self, view: View) -> Any:
        if view != "untrained":
            return self._subject.model
        if self._untrained is None:
            self._untrained = untrained(self._subject.model, self._seed)
        return self._untrained

    def _seen(self, view: View) -> dict[str, torch.Tensor]:
        """The features of all media of the present samples."""
        if view not in self._features:
            if view == "blank":
                self._features[view] = blank_features(self._subject.model, self._tiles)
            else:
                self._features[view] = image_features(self._model(view), self._tiles, self._subject.normalisation)
        return self._features[view]


def untrained(model: Any, seed: int) -> Any:
    """A model of the same shapes with random weights; the random state of others is left alone."""
    from transformers import AutoModelForImageTextToText

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh: Any = AutoModelForImageTextToText
        return fresh.from_config(model.config, dtype=model.dtype).to(model.device).eval()
