"""Text and media in the way of conversation formats: one text a turn, ``<image>`` where a medium stands."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.store.atomic import crash_point
from polysee.store.exports.base import Item, Plan, Unfit, Written
from polysee.store.exports.filenames import media_path

VIDEO_MARK = "<video>"


def json_line(value: dict[str, Any]) -> bytes:
    """One line of JSON, its keys in the given order, letters of all scripts as they are."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def labels(sample: Sample) -> dict[str, Any]:
    """What conversation formats have no field for and readers leave alone, under names of our own."""
    found = {"language": sample.language, "task": sample.task, "split": sample.split, "licence": sample.origin.licence}
    return {**found, "instruction": sample.instruction} if sample.instruction else found


def check_whole(sample: Sample) -> None:
    """Raises `Unfit` for a sample about a part of a picture or video: the whole one would be another question."""
    if any(ref.box is not None for ref in sample.media):
        raise Unfit("a box of a picture is meant")
    if any(ref.span is not None for ref in sample.media):
        raise Unfit("a part of a video is meant")


def check_turns(sample: Sample) -> None:
    """Raises `Unfit` for marks that do not fit the media, and for empty texts where the format needs one."""
    marks = sum(turn.input.count(IMAGE_MARK) for turn in sample.turns)
    if IMAGE_MARK in sample.instruction or any(IMAGE_MARK in turn.output for turn in sample.turns):
        raise Unfit(f"{IMAGE_MARK} stands in an instruction or an answer")
    if marks not in (0, len(sample.media)):
        raise Unfit(f"{IMAGE_MARK} stands more or less often than there are media")
    if not all(turn.output.strip() for turn in sample.turns):
        raise Unfit("an answer is empty")
    if not all(turn.input.strip() for turn in sample.turns[1:]):
        raise Unfit("a later question is empty")
    if not sample.media and not questions(sample)[0].strip():
        raise Unfit("there is neither a question nor a picture")


def questions(sample: Sample) -> list[str]:
    """The text before each answer as a model sees it: marks for all media, and the instruction before the first."""
    texts = [turn.input for turn in sample.turns]
    marked = any(IMAGE_MARK in text for text in texts)
    texts[0] = "\n".join(part for part in (sample.instruction, texts[0]) if part)
    if sample.media and not marked:
        texts[0] = "\n".join([*[IMAGE_MARK] * len(sample.media), *([texts[0]] if texts[0] else [])])
    return texts


class MediaFolder:
    """Media as files, each distinct one once. Nothing is kept in memory: what is there was written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, item: Item) -> list[str]:
        """Paths of the sample's media below the folder, in order."""
        names = []
        for ref, data in zip(item.sample.media, item.media, strict=True):
            name = media_path(ref, data)
            path = self._folder / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            names.append(name)
        return names


class LineFiles:
    """Files of one JSON object a line: one a split, or as many as ``shard_bytes`` asks for.

    ``array``: the lines make up a JSON array.
    """

    def __init__(self, plan: Plan, ending: str, *, sharded: bool = False, array: bool = False) -> None:
        self._plan = plan
        self._ending = ending
        self._sharded = sharded
        self._array = array
        self._split = ""
        self._stream: Any = None
        self._shard = self._rows = self._bytes = 0
        self._written: list[Written] = []

    def start(self, split: str) -> None:
        self._close()
        self._split, self._shard = split, 0

    def add(self, value: dict[str, Any]) -> None:
        if self._stream is not None and self._sharded and self._bytes >= self._plan.shard_bytes:
            self._close()
        if self._stream is None:
            self._stream = (self._plan.folder / self._name()).open("wb")
            self._rows = self._bytes = 0
        line = json_line(value)
        if self._array:
            line = (b",\n" if self._rows else b"[\n") + line.rstrip(b"\n")
        self._stream.write(line)
        self._rows += 1
        self._bytes += len(line)

    def finish(self) -> list[Written]:
        self._close()
        return self._written

    def discard(self) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()

    def _name(self) -> str:
        stem = self._plan.splits[self._split]
        return f"{stem}-{self._shard:05d}{self._ending}" if self._sharded else f"{stem}{self._ending}"

    def _close(self) -> None:
        if self._stream is None:
            return
        if self._array:
            self._stream.write(b"\n]\n")
        self._stream.close()
        crash_point()
        self._written.append(Written(self._name(), self._split, self._rows))
        self._stream = None
        self._shard += 1
