"""Draws a red rectangle around the region that a sample asks about (M3IT, section 3).

A vision encoder resizes its picture, and with it every coordinate told in words; a mark in the picture stays right.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterable, Iterator
from typing import ClassVar

from PIL import Image, ImageDraw
from pydantic import Field

from polysee.media.decode import decode
from polysee.schema.errors import BadRecord
from polysee.schema.sample import MediaRef, Sample
from polysee.sources.base import MediaBlob, Params
from polysee.transforms.base import Failed, Made, ReadMedia
from polysee.transforms.forecast import Counts, Forecast
from polysee.transforms.lineage import derive, parameters_hash

RED = (255, 0, 0)


class BoxesParams(Params):
    """Parameters of the transform."""

    width: float = Field(default=0.008, gt=0.0, le=0.2)
    """Of the line, as a share of the picture's longer side; 2 pixels at least."""


class Boxes:
    """Every medium with a ``box`` becomes a new PNG with the box drawn into it, and a reference without one."""

    Params: ClassVar[type[BoxesParams]] = BoxesParams
    version: ClassVar[int] = 1

    def __init__(self, params: BoxesParams, *, seed: int = 0) -> None:
        self._params = params
        self._parameters = parameters_hash(params, self.version)

    @staticmethod
    def forecast(params: BoxesParams, counts: Counts) -> Forecast:
        """As many samples as there are."""
        return Forecast(counts, media=True)

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        """One `Made` or `Failed` for each sample.

        Reasons: ``bad-box`` (not finite, or corners the wrong way round), ``box-outside`` (nothing of it lies on the
        picture), ``box-on-video``, and those of `polysee.media.decode` for a picture that cannot be read.
        """
        for sample in samples:
            if all(ref.box is None for ref in sample.media):
                yield Made(sample)
                continue
            try:
                yield self._drawn(sample, read_media)
            except BadRecord as bad:
                yield Failed(sample, bad.reason, bad.detail)

    def _drawn(self, sample: Sample, read_media: ReadMedia) -> Made:
        refs: list[MediaRef] = []
        blobs: list[MediaBlob] = []
        for ref in sample.media:
            if ref.box is None:
                refs.append(ref)
                continue
            if ref.kind == "video":
                raise BadRecord("box-on-video", "a box can only be drawn on a still")
            data, width, height = self._png(read_media(ref.sha256), ref)
            refs.append(MediaRef(hashlib.sha256(data).hexdigest(), ref.kind, width, height))
            blobs.append(MediaBlob(data, ref.kind, place=f"box on {ref.sha256[:12]}"))
        return Made(derive(sample, step="boxes", parameters=self._parameters, media=tuple(refs)), tuple(blobs))

    def _png(self, data: bytes, ref: MediaRef) -> tuple[bytes, int, int]:
        assert ref.box is not None
        image = decode(data)
        x1, y1, x2, y2 = clamp_box(ref.box, (ref.width, ref.height), image.size)
        line = max(2, round(self._params.width * max(image.size)))
        draw_rectangle(image, (x1, y1, x2, y2), line)
        target = io.BytesIO()
        image.save(target, "PNG")
        return target.getvalue(), image.width, image.height


def clamp_box(
    box: tuple[float, float, float, float], frame: tuple[int, int], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """A box x1, y1, x2, y2 in pixels of ``frame`` (width, height), in whole pixels of a picture of ``size``.

    Rounded outwards, cut off at the edges; x2 and y2 are exclusive. Raises `BadRecord`: ``bad-box``, ``box-outside``.
    """
    if not all(map(math.isfinite, box)) or box[0] >= box[2] or box[1] >= box[3]:
        raise BadRecord("bad-box", f"{box} has no area")
    (width, height), across, down = size, size[0] / frame[0], size[1] / frame[1]
    x1, x2 = max(0, math.floor(box[0] * across)), min(width, math.ceil(box[2] * across))
    y1, y2 = max(0, math.floor(box[1] * down)), min(height, math.ceil(box[3] * down))
    if x1 >= x2 or y1 >= y2:
        raise BadRecord("box-outside", f"{box} lies outside of {frame[0]} x {frame[1]} pixels")
    return x1, y1, x2, y2


def draw_rectangle(image: Image.Image, box: tuple[int, int, int, int], line: int) -> None:
    """Draw the outline into an RGB picture, ``line`` pixels wide, inside the box (exclusive x2, y2)."""
    x1, y1, x2, y2 = box
    ImageDraw.Draw(image).rectangle((x1, y1, x2 - 1, y2 - 1), outline=RED, width=line)
