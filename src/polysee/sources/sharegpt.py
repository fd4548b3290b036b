"""ShareGPT records as LLaMA-Factory, ms-swift and TRL write them: messages with roles, and a list of images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from polysee.schema.errors import BadRecord
from polysee.schema.sample import IMAGE_MARK, Turn
from polysee.sources.base import SourceRecord
from polysee.sources.fields import dialogue, field, optional_field, place_images
from polysee.sources.json_source import ImageFolderParams, ImageFolderSource, as_list

VIDEO_MARK = "<video>"
_MARKS = re.compile(f"{IMAGE_MARK}|{VIDEO_MARK}")


class ShareGptParams(ImageFolderParams):
    """Parameters of the ShareGPT source."""


class ShareGpt(ImageFolderSource):
    """JSON lines (or an array) of ``messages`` (``role``, ``content``) or ``conversations`` (``from``, ``value``).

    A first system message, or a field ``system``, becomes the instruction. Images are paths in ``images`` (a path, an
    object with ``path``, or a list of those) or in parts of a message's content; videos, with ``<video>`` as their
    mark, are paths in ``videos``.
    """

    Params: ClassVar[type[ShareGptParams]] = ShareGptParams

    def _image_names(self, data: Mapping[str, Any]) -> Sequence[object]:
        if data.get("audios"):
            raise BadRecord("unsupported-audio", "this source reads images and videos")
        listed = as_list(data.get("images")) or as_list(data.get("image"))
        parts = [part for message in _messages(data) for part in _parts(message) if part.get("type") == "image"]
        return [_path(one) for one in (listed or [p.get("image", p.get("path")) for p in parts if len(p) > 1])]

    def _video_names(self, data: Mapping[str, Any]) -> Sequence[object]:
        return [_path(one) for one in as_list(data.get("videos"))]

    def _record(self, key: str, language: str, data: Mapping[str, Any]) -> SourceRecord:
        system, turns = dialogue([_said(message) for message in _messages(data)])
        images, videos = len(self._image_names(data)), len(self._video_names(data))
        order, turns = _in_order(turns, images, videos) if videos else (range(images), turns)
        head = optional_field(data, "system")
        given = "\n".join(part for part in (head, system) if part)
        instruction, turns = self._instruct(given, place_images(turns, images + videos), data)
        blobs = self._blobs(data)
        return SourceRecord(
            key=key,
            task=self._params.task,
            language=language,
            turns=turns,
            media=tuple(blobs[index] for index in order),
            instruction=instruction,
            split=self._params.split,
        )


def _in_order(turns: tuple[Turn, ...], images: int, videos: int) -> tuple[Sequence[int], tuple[Turn, ...]]:
    """Positions of the media, images counted before videos, as the marks name them; a video's mark becomes the other.

    Raises `BadRecord` where there are marks, and not as many of each kind as there are files.
    """
    marks = [mark for turn in turns for mark in _MARKS.findall(turn.input)]
    if not marks:
        return range(images + videos), turns
    if (marks.count(IMAGE_MARK), marks.count(VIDEO_MARK)) != (images, videos):
        raise BadRecord("missing-image", f"{len(marks)} marks for {images} images and {videos} videos")
    files = {IMAGE_MARK: iter(range(images)), VIDEO_MARK: iter(range(images, images + videos))}
    order = [next(files[mark]) for mark in marks]
    return order, tuple(Turn(turn.input.replace(VIDEO_MARK, IMAGE_MARK), turn.output) for turn in turns)


def _messages(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = data.get("messages", data.get("conversations"))
    if found is None:
        raise BadRecord("missing-field", "messages")
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadRecord("wrong-type", "messages is not a list of objects")
    return found


def _said(message: Mapping[str, Any]) -> tuple[str, str]:
    role = field(message, "role" if "role" in message else "from")
    if isinstance(message.get("content"), list):
        shown = [IMAGE_MARK if p.get("type") == "image" else field(p, "text") for p in _parts(message)]
        return role, "\n".join(shown).strip()
    return role, field(message, "content" if "content" in message else "value")


def _parts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a message whose content is a list (``{"type": "text", "text": …}``, ``{"type": "image", …}``)."""
    content = message.get("content")
    if not isinstance(content, list):
        return []
    for part in content:
        if not isinstance(part, dict) or part.get("type") not in ("text", "image"):
            raise BadRecord("wrong-type", "a part of the content is neither text nor image")
    return content


def _path(value: object) -> object:
    return value.get("path") if isinstance(value, dict) else value
