"""A sample as token ids: media, instruction and turns in the chat template's order, and which ids are answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from polysee.models.tokenizer import ASSISTANT, END, IMAGE_CONTEXT, IMAGE_END, IMAGE_START, PAD, USER
from polysee.schema.sample import IMAGE_MARK, Sample


@dataclass(frozen=True, slots=True)
class EncodedSample:
    """``input_ids``; ``answers``: (start, stop) of each response, its end token included; ``tiles``: of all media."""

    input_ids: tuple[int, ...]
    answers: tuple[tuple[int, int], ...]
    tiles: int


class PromptEncoder:
    """Writes samples as token ids with one tokenizer. ``tokens_per_tile``: visual tokens of a tile."""

    def __init__(self, tokenizer: Any, tokens_per_tile: int) -> None:
        self.tokenizer = tokenizer
        self.tokens_per_tile = tokens_per_tile
        ids = tokenizer.convert_tokens_to_ids([PAD, END, USER, ASSISTANT, IMAGE_START, IMAGE_END, IMAGE_CONTEXT])
        self.pad_id, self.end_id, self._user, self._assistant, self._start, self._stop, self.image_token_id = ids
        self._cache: dict[str, tuple[int, ...]] = {}

    def encode(self, sample: Sample, tiles: Sequence[int]) -> EncodedSample:
        """The whole sample. ``tiles``: of each medium, in order."""
        ids: list[int] = []
        answers: list[tuple[int, int]] = []
        for index, turn in enumerate(sample.turns):
            ids += self._question(sample, index, tiles)
            start = len(ids)
            ids += self.answer_ids(turn.output)
            answers.append((start, len(ids)))
        return EncodedSample(tuple(ids), tuple(answers), sum(tiles))

    def prompt_ids(self, sample: Sample, tiles: Sequence[int]) -> list[int]:
        """Everything before the first answer."""
        return self._question(sample, 0, tiles)

    def answer_ids(self, text: str) -> list[int]:
        """An answer and its end token."""
        return [*self._text(text), self.end_id]

    def _question(self, sample: Sample, index: int, tiles: Sequence[int]) -> list[int]:
        texts = [turn.input for turn in sample.turns[: index + 1]]
        texts[0] = "\n".join(part for part in (sample.instruction, texts[0]) if part)
        ids = [self._user]
        marked = any(IMAGE_MARK in turn.input for turn in sample.turns) or IMAGE_MARK in sample.instruction
        if index == 0 and not marked:
            for count in tiles:
                ids += self._medium(count)
        first = sum(text.count(IMAGE_MARK) for text in texts[:-1])
        before, *rest = texts[-1].split(IMAGE_MARK)
        ids += self._text(before)
        for number, part in enumerate(rest):
            ids += self._medium(tiles[first + number])
            ids += self._text(part)
        return [*ids, self.end_id, self._assistant]

    def _medium(self, tiles: int) -> list[int]:
        return [self._start, *[self.image_token_id] * (self.tokens_per_tile * tiles), self._stop]

    def _text(self, text: str) -> tuple[int, ...]:
        found = self._cache.get(text)
        if found is None:
            # Split, so that a text that spells out `<|end|>` or an image token is text and ends or shows nothing.
            options = {"add_special_tokens": False, "split_special_tokens": True}
            found = tuple(self.tokenizer.encode(text, **options)) if text else ()
            if len(self._cache) < 500_000:
                self._cache[text] = found
        return found
