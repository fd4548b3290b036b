"""LLaVA conversations: records of ``id``, ``image`` and ``conversations`` (``from``: human or gpt, ``value``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from polysee.schema.errors import BadRecord
from polysee.sources.base import SourceRecord
from polysee.sources.fields import dialogue, field, place_images
from polysee.sources.json_source import ImageFolderParams, ImageFolderSource, as_list


class LlavaParams(ImageFolderParams):
    """Parameters of the LLaVA source."""


class Llava(ImageFolderSource):
    """A JSON array (or JSON lines) of conversations beside a folder of images.

    ``image`` is a path, a list of paths, or absent for text; ``<image>`` in a human's text says where an image stands.
    A record may have ``video`` in its place.
    """

    Params: ClassVar[type[LlavaParams]] = LlavaParams

    def _image_names(self, data: Mapping[str, Any]) -> Sequence[object]:
        return as_list(data.get("image"))

    def _video_names(self, data: Mapping[str, Any]) -> Sequence[object]:
        found = as_list(data.get("video"))
        if found and data.get("image") is not None:
            raise BadRecord("image-and-video", "a record has either, as their order is not told")
        return found

    def _record(self, key: str, language: str, data: Mapping[str, Any]) -> SourceRecord:
        said = data.get("conversations")
        if said is None:
            raise BadRecord("missing-field", "conversations")
        if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
            raise BadRecord("wrong-type", "conversations is not a list of objects")
        system, turns = dialogue([(field(one, "from"), field(one, "value")) for one in said])
        turns = place_images(turns, len(self._image_names(data)) + len(self._video_names(data)))
        instruction, turns = self._instruct(system, turns, data)
        return SourceRecord(
            key=key,
            task=self._params.task,
            language=language,
            turns=turns,
            media=self._blobs(data),
            instruction=instruction,
            split=self._params.split,
        )
