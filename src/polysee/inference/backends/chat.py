"""An OpenAI-compatible service. It writes; it does not say how likely given answers are."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polysee.inference.backends.base import Answer, Request, View, Weight
from polysee.media.decode import decode
from polysee.media.frames import sample_frames
from polysee.schema.errors import UserError
from polysee.schema.sample import IMAGE_MARK, MediaRef, Sample
from polysee.services.base import Chat, ChatMessage, ChatRequest, Failure

ReadMedia = Callable[[str], bytes]
"""The bytes of a medium by its hash."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a million tokens, in whatever currency."""

    tokens_in: float = 0.0
    tokens_out: float = 0.0

    def cost(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / 1e6


class ChatBackend:
    """Answers by ``chat``. ``read``: the media's bytes."""

    weighs = False
    views = frozenset({"blank"})

    def __init__(self, chat: Chat, read: ReadMedia, prices: Prices | None = None) -> None:
        self._chat = chat
        self._read = read
        self._prices = prices or Prices()

    @property
    def identity(self) -> str:
        """The model."""
        return f"chat {self._chat.model}"

    def begin(self, samples: Sequence[Sample]) -> None:
        """Nothing: the service sees a picture with each question."""

    def write(self, requests: Sequence[Request], view: View = None) -> list[Answer]:
        """One answer a request; a failed one says why."""
        if view == "untrained":
            raise UserError("a service has no untrained twin", "take the baseline `untrained` out of the task")
        asked = [
            ChatRequest(
                messages(request.sample, lambda ref: shown(ref, self._read(ref.sha256), blank=view == "blank")),
                temperature=request.temperature,
                max_tokens=request.max_new_tokens,
                draw=request.draw,
            )
            for request in requests
        ]
        return [self._answer(reply) for reply in self._chat.ask(asked)]

    def weigh(
        self, requests: Sequence[Request], candidates: Sequence[Sequence[str]], view: View = None
    ) -> list[list[Weight]]:
        """Always a `UserError`: the protocol does not say how likely given answers are."""
        raise UserError("a chat service cannot weigh given answers", "use `--backend native`")

    def _answer(self, reply: object) -> Answer:
        if isinstance(reply, Failure):
            return Answer("", failure=f"{reply.reason}: {reply.detail}" if reply.detail else reply.reason)
        text, tokens_in, tokens_out = (getattr(reply, name) for name in ("text", "tokens_in", "tokens_out"))
        return Answer(str(text).strip(), tokens_in, tokens_out, self._prices.cost(tokens_in, tokens_out))


def messages(sample: Sample, show: Callable[[MediaRef], tuple[bytes, ...]]) -> tuple[ChatMessage, ...]:
    """The dialogue up to its last question. Pictures precede the words of their turn, in the order of their marks."""
    left = list(sample.media)
    marked = any(IMAGE_MARK in turn.input for turn in sample.turns)
    found: list[ChatMessage] = []
    for number, turn in enumerate(sample.turns):
        count = turn.input.count(IMAGE_MARK) if marked else len(left) if number == 0 else 0
        taken, left = left[:count], left[count:]
        text = turn.input.replace(IMAGE_MARK, "").strip()
        if number == 0 and sample.instruction:
            text = f"{sample.instruction}\n{text}".strip()
        found.append(ChatMessage("user", text, tuple(image for ref in taken for image in show(ref))))
        if number + 1 < len(sample.turns):
            found.append(ChatMessage("assistant", turn.output))
    return tuple(found)


def shown(ref: MediaRef, data: bytes, *, blank: bool) -> tuple[bytes, ...]:
    """A medium as encoded pictures: an image as it is stored, a video as ``ref.frames`` of its frames.

    ``blank``: grey of equal size.
    """
    from PIL import Image

    if ref.kind != "video" and not blank:
        return (data,) if ref.box is None else (_png(decode(data).crop(_whole(ref.box))),)
    pictures = sample_frames(data, ref.frames, span=ref.span) if ref.kind == "video" else [decode(data)]
    if blank:
        pictures = [Image.new("RGB", picture.size, (128, 128, 128)) for picture in pictures]
    return tuple(_png(picture) for picture in pictures)


def _png(picture: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")  # type: ignore[attr-defined]
    return stream.getvalue()


def _whole(box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = (round(edge) for edge in box)
    return x1, y1, max(x1 + 1, x2), max(y1 + 1, y2)
