"""Media as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from PIL import Image

from polysee.media.decode import decode_at_least
from polysee.report import svg
from polysee.schema.errors import BadRecord, MissingExtra
from polysee.schema.sample import MediaRef

SIDE = 256
"""The longest side of a picture on the page, in pixels."""
MOST = 4
"""Pictures shown of one sample, and frames of one video."""
_LOSSLESS = 160


@dataclass(frozen=True, slots=True)
class Picture:
    """``source``: a data URI, "" where the medium cannot be shown. ``text``: what is read out, or why it is missing."""

    source: str
    width: int
    height: int
    text: str
    boxes: Markup | None = None


def pictures(
    media: Sequence[MediaRef],
    data: Mapping[str, bytes],
    text: str,
    boxes: Sequence[tuple[str, Sequence[float]]] = (),
) -> tuple[tuple[Picture, ...], int]:
    """Pictures of a sample's media, and the number left out. ``boxes``: class and shares of the first picture."""
    shown: list[Picture] = []
    left_out = 0
    for ref in media:
        for number, found in enumerate(_frames(ref, data.get(ref.sha256))):
            if len(shown) >= MOST:
                left_out += 1
            elif isinstance(found, str):
                shown.append(Picture("", 0, 0, found))
            else:
                part = f", frame {number + 1}" if ref.kind == "video" else ""
                place = f"Picture {len(shown) + 1}{part}" if len(media) > 1 or part else "Picture"
                drawn = _outline(ref, boxes if not shown else ())
                shown.append(Picture(_uri(found), *found.size, f"{place}{text}", drawn))
    return tuple(shown), left_out


def in_shares(box: Sequence[float] | None, ref: MediaRef) -> tuple[float, ...] | None:
    """A box in shares of the picture; None where its scale could be meant in two ways.

    Numbers up to 1 are shares. Numbers up to 1000 that leave the picture are thousandths. Others may be pixels or
    thousandths, and a box at the wrong place would be worse than none.
    """
    if box is None or len(box) != 4 or min(box) < 0:
        return None
    if max(box) <= 1:
        return tuple(box)
    outside = max(box[0], box[2]) > ref.width or max(box[1], box[3]) > ref.height
    return tuple(v / 1000 for v in box) if outside and max(box) <= 1000 else None


def _frames(ref: MediaRef, data: bytes | None) -> list[Image.Image | str]:
    if data is None:
        return ["the run does not hold this medium"]
    try:
        if ref.kind == "video":
            from polysee.media.frames import sample_frames

            return [_shrunk(frame) for frame in sample_frames(data, MOST, span=ref.span)]
        return [_shrunk(decode_at_least(data, SIDE, SIDE))]
    except BadRecord as error:
        return [f"this {ref.kind} cannot be shown: {error.reason}"]
    except MissingExtra as error:
        return [f"this {ref.kind} cannot be shown: {error.fix}"]


def _shrunk(image: Image.Image) -> Image.Image:
    small = image.copy()
    small.thumbnail((SIDE, SIDE))
    return small


def _uri(image: Image.Image) -> str:
    buffer = io.BytesIO()
    if max(image.size) <= _LOSSLESS:
        image.save(buffer, "WEBP", lossless=True, quality=60, method=4)
    else:
        image.save(buffer, "WEBP", quality=82, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _outline(ref: MediaRef, boxes: Sequence[tuple[str, Sequence[float]]]) -> Markup | None:
    parts = []
    if ref.box is not None and ref.width and ref.height:
        x1, y1, x2, y2 = ref.box
        boxes = [("region", (x1 / ref.width, y1 / ref.height, x2 / ref.width, y2 / ref.height)), *boxes]
    for class_, (x1, y1, x2, y2) in boxes:
        left, right = sorted((x1, x2))
        top, bottom = sorted((y1, y2))
        parts.append(
            svg.tag(
                "rect",
                class_=f"box {class_}",
                x=svg.share(left),
                y=svg.share(top),
                width=svg.share(right - left),
                height=svg.share(bottom - top),
            )
        )
    return svg.strip(parts, class_="boxes") if parts else None
