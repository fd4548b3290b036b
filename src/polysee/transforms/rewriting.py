"""Samples with other turns or media than those they were made from, and the way back to those."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from polysee.schema.sample import MediaRef, Sample, Turn, make_sample
from polysee.services.base import Chat

SYNTHETIC = "provenance:synthetic"
"""The tag of samples whose answers a model made up."""


@dataclass(frozen=True, slots=True)
class Maker:
    """What made a sample: the step, the hash of its parameters and, where a service took part, which."""

    step: str
    parameters: str
    service: str = ""
    model: str = ""
    licence: str = ""

    def by(self, chat: Chat) -> Maker:
        """The same step, its result written by a chat model."""
        return replace(self, service=chat.name, model=chat.model, licence=chat.licence)


def rewritten(
    parent: Sample,
    maker: Maker,
    *,
    turns: tuple[Turn, ...] | None = None,
    media: tuple[MediaRef, ...] | None = None,
    task: str | None = None,
    language: str | None = None,
    instruction: str | None = None,
    add_tags: Iterable[str] = (),
) -> Sample:
    """``parent`` with what is given in place of its own.

    Options stay only where the first answer stays; references, which answer the first question in its language, where
    task, language and the first turn's input stay.
    Every origin names the parent and the maker; the licence of a model's output stands beside the source's.
    """
    new_turns = parent.turns if turns is None else turns
    keeps_answer = new_turns[0].output == parent.turns[0].output
    new_task = parent.task if task is None else task
    new_language = parent.language if language is None else language
    asked = parent.task, parent.language, parent.turns[0].input
    keeps_question = (new_task, new_language, new_turns[0].input) == asked
    made = make_sample(
        task=new_task,
        language=new_language,
        turns=new_turns,
        origin=parent.origin,
        media=parent.media if media is None else media,
        instruction=parent.instruction if instruction is None else instruction,
        options=parent.options if keeps_answer else (),
        split=parent.split,
        tags=tuple({*parent.tags, *add_tags}),
        references=parent.references if keeps_question else (),
    )
    origins = tuple(
        replace(
            origin,
            parent=parent.id,
            step=maker.step,
            parameters=maker.parameters,
            service=maker.service,
            model=maker.model,
            licence=_joined(origin.licence, maker.licence),
        )
        for origin in parent.origins
    )
    return replace(made, origins=origins)


def identity(sample: Sample) -> str:
    """What a seeded choice about a sample hangs on: the group of parallel samples, or else the sample itself."""
    return next((tag for tag in sample.tags if tag.startswith("group:")), sample.id)


def draw(size: int, *parts: object) -> int:
    """A number from 0 to ``size`` - 1 that follows from ``parts`` alone."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % size


def _joined(licence: str, added: str) -> str:
    if not added or added in licence.split(" AND "):
        return licence
    return f"{licence} AND {added}" if licence else added
