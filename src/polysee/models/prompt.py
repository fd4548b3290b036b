"""A sample as token ids: media, instruction and turns in the chat template's order, and which ids are answers.

Images and videos are written as transformers' `InternVLProcessor` writes them, so that a checkpoint sees the prompts of
its training wherever it is served: an image as all its tiles between `<img>` and `</img>`, a video as one line a frame,
``Frame1: <img>…</img>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from polysee.models.tokenizer import ASSISTANT, END, IMAGE_CONTEXT, IMAGE_END, IMAGE_START, PAD, USER
from polysee.schema.sample import IMAGE_MARK, MediaRef, Sample


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
        """The whole sample. ``tiles``: of each medium, in order; a video has one a frame."""
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
        parts: list[str | Sequence[int]] = [[self._user]]
        marked = any(IMAGE_MARK in turn.input for turn in sample.turns) or IMAGE_MARK in sample.instruction
        media = list(zip(sample.media, tiles, strict=True))
        if index == 0 and not marked:
            for medium, count in media:
                parts += self._medium(medium, count)
        first = sum(text.count(IMAGE_MARK) for text in texts[:-1])
        before, *rest = texts[-1].split(IMAGE_MARK)
        parts.append(before)
        for number, part in enumerate(rest):
            parts += [*self._medium(*media[first + number]), part]
        return self._joined([*parts, [self.end_id, self._assistant]])

    def _medium(self, medium: MediaRef, tiles: int) -> Iterator[str | Sequence[int]]:
        if medium.kind != "video":
            yield self._shown(tiles)
            return
        for frame in range(1, tiles + 1):
            yield "Frame1: " if frame == 1 else f"\nFrame{frame}: "
            yield self._shown(1)

    def _shown(self, tiles: int) -> list[int]:
        return [self._start, *[self.image_token_id] * (self.tokens_per_tile * tiles), self._stop]

    def _joined(self, parts: Sequence[str | Sequence[int]]) -> list[int]:
        """Texts that meet are one text to a tokenizer: a word before a video and ``Frame1`` may share a token."""
        ids: list[int] = []
        text = ""
        for part in parts:
            if isinstance(part, str):
                text += part
            else:
                ids += [*self._text(text), *part]
                text = ""
        return [*ids, *self._text(text)]

    def _text(self, text: str) -> tuple[int, ...]:
        found = self._cache.get(text)
        if found is None:
            # Split, so that a text that spells out `<|end|>` or an image token is text and ends or shows nothing.
            options = {"add_special_tokens": False, "split_special_tokens": True}
            found = tuple(self.tokenizer.encode(text, **options)) if text else ()
            if len(self._cache) < 500_000:
                self._cache[text] = found
        return found
