"""What steps share that ask a chat model about samples: their parameters, what is shown, and asking many at once."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import Field

from polysee.media.decode import decode, probe
from polysee.media.frames import sample_frames
from polysee.schema.errors import UserError
from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.services.base import Chat, ChatMessage, ChatReply, ChatRequest, Failure
from polysee.services.open import Services
from polysee.sources.base import Params
from polysee.text.languages import language
from polysee.text.normalise import squeeze
from polysee.transforms.base import ReadMedia
from polysee.transforms.forecast import SampleKind, has_tag

FRAMES = 8
"""Frames shown of a video."""
_AS_THEY_ARE = ("PNG", "JPEG", "WEBP")

Item = TypeVar("Item")


class AskingParams(Params):
    """Which service is asked about which samples, and how often."""

    service: str
    """Name of a chat service; its model must see pictures where the step shows it any."""
    tasks: tuple[str, ...] | None = None
    """Only samples of these tasks; all where left out."""
    tags: tuple[str, ...] | None = None
    """Only samples with one of these tags (`dataset:chartqa`); all where left out."""
    splits: tuple[str, ...] = ("train",)
    """Only samples of these splits: what is measured stays as it is."""
    tries: int = Field(default=2, ge=1, le=8)
    """How often the model is asked before it is given up."""
    batch: int = Field(default=32, ge=1, le=4096)
    """Samples asked about at once."""

    def concern(self, sample: Sample) -> bool:
        """Whether a sample is of these tasks and splits and has one of the tags."""
        of_task = self.tasks is None or sample.task in self.tasks
        return of_task and sample.split in self.splits and has_tag(sample, self.tags)

    def may_concern(self, kind: SampleKind) -> bool:
        """Whether samples that are only counted yet can be such."""
        return kind.may_be(self.tasks, self.splits, self.tags)


@dataclass(slots=True, kw_only=True)
class Job(ABC):
    """One question about a sample under way. ``reason`` and ``detail``: why its last reply will not do; ``done``: that
    it has one that will."""

    sample: Sample
    images: tuple[bytes, ...]
    done: bool = False
    reason: str = ""
    detail: str = ""

    @abstractmethod
    def request(self, attempt: int) -> ChatRequest:
        """What is asked in try ``attempt`` (from 0)."""

    @abstractmethod
    def fault(self, reply: ChatReply) -> str | None:
        """Take what is needed out of a reply; why it will not do, as a short slug, or None. May set ``detail``."""


def ask_all(chat: Chat, jobs: Sequence[Job], tries: int) -> None:
    """Ask every job's question until a reply will do, at most ``tries`` times; one that the service failed, once."""
    for attempt in range(tries):
        left = [job for job in jobs if not job.done and not job.reason.startswith("service-")]
        replies = chat.ask([job.request(attempt) for job in left]) if left else []
        for job, reply in zip(left, replies, strict=True):
            if isinstance(reply, Failure):
                job.reason, job.detail = f"service-{reply.reason}", reply.detail
                continue
            fault = job.fault(reply)
            job.done, job.reason = fault is None, fault or ""


def request(messages: tuple[ChatMessage, ...], attempt: int, most: int) -> ChatRequest:
    """The first try is the model's best; only another temperature makes another try worth while."""
    return ChatRequest(messages, temperature=0.0 if attempt == 0 else 0.7, max_tokens=most, draw=attempt)


def chat_of(services: Services | None, name: str) -> Chat:
    """The chat service called ``name``. Raises `UserError` where there is none."""
    if services is None:
        raise UserError(f"no service is called {name!r}", "add it to `services:` in the recipe")
    return services.chat(name)


def spoken(tag: str) -> str:
    """A language as prompts name it: in English, and as its speakers do."""
    found = language(tag)
    return f"{found.name} ({found.autonym})"


def question_of(sample: Sample, turn: int = 0) -> str:
    """The words that a turn asks, on one line and without marks of pictures; the first turn's with the instruction."""
    instruction = sample.instruction if turn == 0 else ""
    return squeeze(f"{instruction}\n{sample.turns[turn].input}".replace(IMAGE_MARK, " "))


def pictures(sample: Sample, read_media: ReadMedia, *, frames: int = FRAMES) -> tuple[bytes, ...]:
    """The sample's media as encoded pictures: as stored where they are PNG, JPEG or WebP, else as PNG; of a video up to
    ``frames`` frames. Raises `BadRecord` for a medium that cannot be decoded."""
    found: list[bytes] = []
    for ref in sample.media:
        data = read_media(ref.sha256)
        if ref.kind == "video":
            for frame in sample_frames(data, frames, span=ref.span):
                target = io.BytesIO()
                frame.save(target, "JPEG", quality=90)
                found.append(target.getvalue())
        elif probe(data).format in _AS_THEY_ARE:
            found.append(data)
        else:
            target = io.BytesIO()
            decode(data).save(target, "PNG")
            found.append(target.getvalue())
    return tuple(found)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items, the last one maybe shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
