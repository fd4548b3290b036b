"""Drawing with exact places: text by one hand, shapes on a canvas that turns over for right-to-left scripts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import regex
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from polysee.media.bidi import base_level
from polysee.media.draw import draw_text
from polysee.media.fonts import FontFile, covers, load
from polysee.schema.errors import BadRecord
from polysee.text.languages import direction
from polysee.text.segment import graphemes

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels; x2 and y2 are exclusive."""
Side = Literal["start", "middle", "end"]

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (20, 20, 20)
GREY: Colour = (190, 190, 190)
SMALLEST = 9
"""Pixels to the em below which nobody reads."""

_PIECE = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}][\p{P}ーぁぃぅぇぉっゃゅょァィゥェォッャュョ々]*\s*"
    r"|[^\s\p{Han}\p{Hiragana}\p{Katakana}]+\s*|\s+"
)


@dataclass(frozen=True, slots=True)
class Hand:
    """How one picture is written: ``font`` for all that it has, other Noto fonts for the rest."""

    font: FontFile
    language: str

    @property
    def rtl(self) -> bool:
        return direction(self.language) == "rtl"

    def mask(self, text: str, size: int) -> Image.Image:
        """One line as the coverage of its ink, mode L, just wide enough, as high as the font's line.

        ``size``: pixels to the em. Raises `BadRecord` (``no-glyph``) where no font has a character.
        """
        if not covers(self.font, text):
            drawn = draw_text(text, size=size, colour="black", background="white", language=self.language)
            return ImageOps.invert(drawn.convert("L"))
        face = load(self.font, size)
        way = "rtl" if base_level(text) else "ltr"
        left, top, right, bottom = face.getbbox(text, anchor="ls", direction=way, language=self.language)
        ascent, descent = face.getmetrics()
        above, below = max(ascent, math.ceil(-top)), max(descent, math.ceil(bottom))
        mask = Image.new("L", (max(1, math.ceil(right) - math.floor(left)), above + below), 0)
        at = (-math.floor(left), above)
        ImageDraw.Draw(mask).text(at, text, 255, face, anchor="ls", direction=way, language=self.language)
        return mask

    def width(self, text: str, size: int) -> int:
        """Pixels of a line."""
        if not text.strip():
            return 0
        if not covers(self.font, text):
            return self.mask(text, size).width
        way = "rtl" if base_level(text) else "ltr"
        left, _, right, _ = load(self.font, size).getbbox(text, anchor="ls", direction=way, language=self.language)
        return max(1, math.ceil(right) - math.floor(left))

    def fits(self, text: str, size: int, width: int) -> bool:
        """Whether a line is at most ``width`` pixels wide."""
        return self.width(text, size) <= width

    def wrapped(self, text: str, size: int, width: int) -> list[str]:
        """The text in lines of at most ``width`` pixels: ended after white space, between ideographs and kana, or, in a
        word that is too long, between grapheme clusters."""
        lines: list[str] = []
        line = ""
        for piece in _PIECE.findall(text):
            for part in self._parts(piece, size, width):
                if line and not self.fits((line + part).rstrip(), size, width):
                    lines.append(line.rstrip())
                    line = ""
                line += part
        return [*lines, line.rstrip()] if line.strip() else lines

    def _parts(self, piece: str, size: int, width: int) -> list[str]:
        if self.fits(piece.rstrip(), size, width):
            return [piece]
        parts = [""]
        for cluster in graphemes(piece):
            if parts[-1] and not self.fits(parts[-1] + cluster, size, width):
                parts.append("")
            parts[-1] += cluster
        return parts


class Canvas:
    """A picture whose x axis begins at the side where reading begins: all x are turned over if ``hand`` reads
    from the right."""

    def __init__(self, width: int, height: int, hand: Hand, background: Colour = WHITE) -> None:
        self.image = Image.new("RGB", (width, height), background)
        self.hand = hand
        self._pen = ImageDraw.Draw(self.image)

    def rectangle(self, box: tuple[float, float, float, float], fill: Colour, outline: Colour | None = None) -> None:
        """A filled rectangle: x1, y1, x2, y2, with x counted from the reading side."""
        x1, x2 = sorted((self._x(box[0]), self._x(box[2])))
        y1, y2 = sorted((round(box[1]), round(box[3])))
        self._pen.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), fill=fill, outline=outline)

    def line(self, points: list[tuple[float, float]], colour: Colour, width: int = 1) -> None:
        """A line through points."""
        self._pen.line([(self._x(x), round(y)) for x, y in points], fill=colour, width=width)

    def dot(self, x: float, y: float, radius: int, colour: Colour) -> None:
        """A filled circle."""
        centre = self._x(x)
        self._pen.ellipse((centre - radius, round(y) - radius, centre + radius, round(y) + radius), fill=colour)

    def slice(self, centre: tuple[float, float], radius: int, angles: tuple[float, float], colour: Colour) -> None:
        """A slice of a pie, its angles in degrees clockwise from the top (anticlockwise from the right-hand side)."""
        x, y = self._x(centre[0]), round(centre[1])
        first, last = (a - 90 for a in angles)
        if self.hand.rtl:
            first, last = 180 - last, 180 - first
        self._pen.pieslice((x - radius, y - radius, x + radius, y + radius), first, last, fill=colour, outline=WHITE)

    def write(self, text: str, at: tuple[float, float], size: int, *, side: Side = "start",
              colour: Colour = BLACK) -> Box:  # fmt: skip
        """One line, its middle at height y and its start, middle or end at x. Returns where its ink lies.

        Raises `BadRecord`: ``no-glyph``; ``text-outside`` where it does not fit into the picture.
        """
        mask = self.hand.mask(text, size)
        ink = mask.getbbox()
        if ink is None:
            raise BadRecord("empty-text", f"{text!r} leaves no ink")
        share = {"start": 0.0, "middle": 0.5, "end": 1.0}[side]
        left = self._x(at[0]) - round(mask.width * (1 - share if self.hand.rtl else share))
        top = round(at[1] - mask.height / 2)
        box = (left + ink[0], top + ink[1], left + ink[2], top + ink[3])
        if box[0] < 0 or box[1] < 0 or box[2] > self.image.width or box[3] > self.image.height:
            raise BadRecord("text-outside", f"{text!r} at {size} pixels")
        self.image.paste(colour, (left, top), mask)
        return box

    def _x(self, x: float) -> int:
        return round(self.image.width - x) if self.hand.rtl else round(x)


def paper(rng: np.random.Generator, width: int, height: int, *, dark: bool = False) -> Image.Image:
    """A background, RGB: plain, shaded, grained or ruled; light, or dark where light letters come on it."""
    base = rng.integers(205, 256, size=3).astype(np.float64)
    kind = int(rng.integers(4))
    grid = np.broadcast_to(base, (height, width, 3)).copy()
    if kind == 1:
        slope = float(rng.uniform(-30, 0))
        grid += (np.linspace(0, 1, width)[None, :, None] if rng.integers(2) else
                 np.linspace(0, 1, height)[:, None, None]) * slope  # fmt: skip
    elif kind == 2:
        grid += rng.normal(0, 4, size=(height, width, 1))
    elif kind == 3:
        grid[:: int(rng.integers(12, 28))] -= 25
    pixels = np.clip(grid, 0, 255).astype(np.uint8)
    return Image.fromarray(255 - pixels if dark else pixels)


def ink(rng: np.random.Generator, *, dark: bool = False) -> Colour:
    """A colour for letters on light `paper`, or on dark."""
    red, green, blue = (int(v) for v in rng.integers(0, 81, size=3))
    return (255 - red, 255 - green, 255 - blue) if dark else (red, green, blue)


def worn(image: Image.Image, rng: np.random.Generator, strength: float) -> Image.Image:
    """The picture a little blurred and grained. ``strength``: 0 (as it is) to 1."""
    if strength <= 0:
        return image
    blurred = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.8)) * strength))
    grain = rng.normal(0, float(rng.uniform(0, 9)) * strength, size=(image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(blurred, np.float64) + grain, 0, 255).astype(np.uint8))


def thousandths(box: Box, width: int, height: int) -> str:
    """``[x1, y1, x2, y2]`` in thousandths of the picture's sides, rounded."""
    edges = zip(box, (width, height, width, height), strict=True)
    return "[" + ", ".join(str(round(1000 * edge / whole)) for edge, whole in edges) + "]"
