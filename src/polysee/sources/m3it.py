"""M3IT's unified records: ``instruction``, ``inputs``, ``outputs``, ``image_base64_str``, ``meta``."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Turn
from polysee.sources.base import MediaBlob, SourceRecord
from polysee.sources.fields import full_field, image_bytes, optional_field, place_images
from polysee.sources.json_source import JsonParams, JsonSource, as_list

_TRANSLATED = re.compile(
    r"(vqa-v2|okvqa|imagenet|winoground|vist|msrvtt|msrvtt-qa)_(train|validation|test)_[a-z]{2,3}\.jsonl"
)
"""How M3IT-80 calls its files."""


class M3itParams(JsonParams):
    """Parameters of the M3IT source."""

    task: str = "vqa"


class M3it(JsonSource):
    """JSON lines in M3IT's schema. Images (or the frames of a video task) are base64 text inside the record.

    ``inputs`` is empty where the task has none (captioning); ``instruction`` is absent in the raw files, whose
    instructions lie apart: `instruct` can then choose one.
    """

    Params: ClassVar[type[M3itParams]] = M3itParams

    def __init__(self, params: M3itParams, *, seed: int = 0) -> None:
        super().__init__(params, seed=seed)
        if params.split != "train" and params.split_field is None:
            return
        for path in self._files.values():
            if _TRANSLATED.fullmatch(path.name) or "m3it-80" in path.as_posix().casefold():
                raise UserError(
                    "this looks like M3IT-80, which is for evaluation only",
                    "write `use: m3it-translated`, or set `split: evaluation` and no `split_field`",
                    place=str(path),
                )

    def _record(self, key: str, language: str, data: Mapping[str, Any]) -> SourceRecord:
        _check_meta(data.get("meta"))
        turns = (Turn(optional_field(data, "inputs"), full_field(data, "outputs")),)
        media = _media(data.get("image_base64_str"))
        return SourceRecord(
            key=key,
            task=self._params.task,
            language=language,
            turns=place_images(turns, len(media)),
            media=media,
            instruction=optional_field(data, "instruction"),
            split=self._params.split,
        )


def _media(value: object) -> tuple[MediaBlob, ...]:
    encoded = [one for one in as_list(value) if one is not None]
    if not encoded:
        raise BadRecord("missing-image", "image_base64_str")
    return tuple(image_bytes(_decode(one), f"image {n}") for n, one in enumerate(encoded, 1))


def _decode(value: object) -> bytes:
    if not isinstance(value, str):
        raise BadRecord("wrong-type", f"an image is a {type(value).__name__}, not base64 text")
    if value.startswith("data:"):
        value = value.partition(",")[2]
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRecord("bad-base64", str(error)) from None


def _check_meta(meta: object) -> None:
    # M3IT's files hold it as an object or as text; nothing of it is used, so that other types show a broken record.
    if meta is not None and not isinstance(meta, dict | str):
        raise BadRecord("wrong-type", f"meta is a {type(meta).__name__}")
