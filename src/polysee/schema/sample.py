"""The nouns that flow between steps: `Sample`, `Turn`, `MediaRef`, `Origin`. All frozen, all typed."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

MediaKind = Literal["image", "video", "page"]
MEDIA_KINDS: tuple[MediaKind, ...] = ("image", "video", "page")

IMAGE_MARK = "<image>"
"""Stands in a turn's input where a medium belongs; without any mark all media precede the first turn."""


@dataclass(frozen=True, slots=True)
class MediaRef:
    """Points at bytes in the media table.

    ``sha256``: hex digest of the stored bytes. ``width`` and ``height``: pixels as displayed (EXIF rotation
    applied). ``frames``: 1 for a still. ``box``: x1, y1, x2, y2 in pixels of the displayed image, if only that
    region is meant. ``span``: start and end in seconds, for video.
    """

    sha256: str
    kind: MediaKind
    width: int
    height: int
    frames: int = 1
    box: tuple[float, float, float, float] | None = None
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange. ``input`` may be empty where instruction and media say it all."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a sample came from, and through what.

    ``parent`` is the id of the sample that it was made from ("" for a source record); ``step``, ``service``,
    ``model`` and ``parameters`` (a hash) name what made it.
    """

    source: str
    key: str
    licence: str
    parent: str = ""
    step: str = ""
    service: str = ""
    model: str = ""
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One training or evaluation sample.

    ``task``: a name such as ``naming``. ``language``: BCP-47 (``ar``, ``pt-BR``, ``zh-Hant``). ``options``: the
    candidate answers of a multiple-choice sample; the first turn's output is then one of them. ``split``:
    ``train`` or the name of a held-out part. ``tags``: sorted ``key:value`` strings (concepts, abilities, domains).
    ``references``: all right answers to the first turn where people gave several (COCO's five captions, VQA's ten
    answers), each as often as it was given, the first turn's output mostly among them; empty where it is all there is.
    They are what an answer is measured against, and nothing that a model sees: like tags they are no part of the id.
    ``id`` is `sample_id` of the content; equal samples from two sources are one sample with two origins, and the tags
    and references of the first.
    """

    id: str
    task: str
    language: str
    media: tuple[MediaRef, ...]
    instruction: str
    turns: tuple[Turn, ...]
    options: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    split: str = "train"
    tags: tuple[str, ...] = field(default=())
    references: tuple[str, ...] = ()

    @property
    def origin(self) -> Origin:
        return self.origins[0]

    @property
    def right_answers(self) -> tuple[str, ...]:
        """The first turn's output, then the references, of which one that equals it is left out."""
        own, others = self.turns[0].output, list(self.references)
        if own in others:
            others.remove(own)
        return (own, *others)


def sample_id(
    task: str,
    language: str,
    media: tuple[MediaRef, ...],
    instruction: str,
    turns: tuple[Turn, ...],
    options: tuple[str, ...] = (),
) -> str:
    """32 hex digits that depend on the content alone: not on origin, split, machine or order of work."""
    content = [
        task,
        language,
        [[m.sha256, m.kind, m.box, m.span] for m in media],
        _nfc(instruction),
        [[_nfc(t.input), _nfc(t.output)] for t in turns],
        [_nfc(o) for o in options],
    ]
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def make_sample(
    *,
    task: str,
    language: str,
    turns: tuple[Turn, ...],
    origin: Origin,
    media: tuple[MediaRef, ...] = (),
    instruction: str = "",
    options: tuple[str, ...] = (),
    split: str = "train",
    tags: tuple[str, ...] = (),
    references: tuple[str, ...] = (),
) -> Sample:
    """Build a sample with NFC text and its id. Raises `ValueError` if it has no turn, or its answer is no option."""
    if not turns:
        raise ValueError("a sample needs at least one turn")
    turns = tuple(Turn(_nfc(t.input), _nfc(t.output)) for t in turns)
    options = tuple(_nfc(o) for o in options)
    if options and turns[0].output not in options:
        raise ValueError(f"the answer {turns[0].output!r} is not among the options {list(options)!r}")
    instruction = _nfc(instruction)
    return Sample(
        id=sample_id(task, language, media, instruction, turns, options),
        task=task,
        language=language,
        media=media,
        instruction=instruction,
        turns=turns,
        options=options,
        origins=(origin,),
        split=split,
        tags=tuple(sorted(tags)),
        references=tuple(_nfc(one) for one in references),
    )


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
