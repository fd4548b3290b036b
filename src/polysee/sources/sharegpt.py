"""ShareGPT records as LLaMA-Factory, ms-swift and TRL write them: messages with roles, and a list of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from polysee.schema.errors import BadRecord
from polysee.schema.sample import IMAGE_MARK
from polysee.sources.base import SourceRecord
from polysee.sources.fields import dialogue, field, optional_field, place_images
from polysee.sources.json_source import ImageFolderParams, ImageFolderSource, as_list


class ShareGptParams(ImageFolderParams):
    """Parameters of the ShareGPT source."""


class ShareGpt(ImageFolderSource):
    """JSON lines (or an array) of ``messages`` (``role``, ``content``) or ``conversations`` (``from``, ``value``).

    A first system message, or a field ``system``, becomes the instruction. Images are paths in ``images`` (a path, an
    object with ``path``, or a list of those) or in parts of a message's content.
    """

    Params: ClassVar[type[ShareGptParams]] = ShareGptParams

    def _image_names(self, data: Mapping[str, Any]) -> Sequence[object]:
        if data.get("videos") or data.get("audios"):
            raise BadRecord("unsupported-video", "this source reads images only")
        listed = as_list(data.get("images")) or as_list(data.get("image"))
        parts = [part for message in _messages(data) for part in _parts(message) if part.get("type") == "image"]
        return [_path(one) for one in (listed or [p.get("image", p.get("path")) for p in parts if len(p) > 1])]

    def _record(self, key: str, language: str, data: Mapping[str, Any]) -> SourceRecord:
        system, turns = dialogue([_said(message) for message in _messages(data)])
        names = self._image_names(data)
        head = optional_field(data, "system")
        return SourceRecord(
            key=key,
            task=self._params.task,
            language=language,
            turns=place_images(turns, len(names)),
            media=self._blobs(data),
            instruction="\n".join(part for part in (head, system) if part),
            split=self._params.split,
        )


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
