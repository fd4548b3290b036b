"""Lines of text, and pages of headings, paragraphs and lists with the place of every line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from polysee.schema.errors import BadRecord
from polysee.sources.render.canvas import SMALLEST, Box, Canvas, Colour, Hand, ink, paper, worn
from polysee.sources.render.texts import Digits, Material, number_text

MAX_SLANT = 4.0
"""Degrees by which a line may be turned."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What there is to write with. ``bold``: for headings; ``side``: the picture's width, pixels; ``noise``: 0 to 1."""

    material: Material
    hand: Hand
    bold: Hand
    side: int
    noise: float
    digits: Digits


@dataclass(frozen=True, slots=True)
class Line:
    """A line on a page, and the box of its ink in pixels."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Page:
    """``text``: in reading order, a block a line. ``lines``: as they stand, in the same order."""

    image: Image.Image
    text: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class _Block:
    text: str
    lines: tuple[str, ...]
    size: int
    hand: Hand


def draw_line(rng: np.random.Generator, sheet: Sheet) -> tuple[Image.Image, str]:
    """A text of one line, or of as many as it needs, on some background: slanted, blurred, grained. And the text."""
    text = _line_text(rng, sheet)
    dark = rng.random() < 0.15
    size = int(rng.integers(sheet.side // 18, sheet.side // 8))
    margin = size
    while size > SMALLEST and not sheet.hand.fits(text, size, sheet.side - 2 * margin):
        size = max(SMALLEST, size - max(1, size // 8))
        if size <= sheet.side // 22:
            break
    lines = sheet.hand.wrapped(text, size, sheet.side - 2 * margin)
    masks = [sheet.hand.mask(line, size) for line in lines]
    width = max(mask.width for mask in masks) + 2 * margin
    block = Image.new("L", (width, sum(mask.height for mask in masks) + 2 * margin), 0)
    top = margin
    for mask in masks:
        block.paste(mask, (width - margin - mask.width if sheet.hand.rtl else margin, top))
        top += mask.height
    slant = float(rng.uniform(-MAX_SLANT, MAX_SLANT)) * sheet.noise
    if rng.random() < 0.5:
        block = block.rotate(slant, Image.Resampling.BICUBIC, expand=True)
    image = paper(rng, block.width, block.height, dark=dark)
    image.paste(ink(rng, dark=dark), (0, 0), block)
    return worn(image, rng, sheet.noise), text


def draw_page(rng: np.random.Generator, sheet: Sheet, *, lines: int) -> Page:
    """A page of about ``lines`` lines in one column or two, read from the script's side."""
    size = max(SMALLEST + 2, sheet.side // int(rng.integers(26, 34)))
    columns = 2 if lines >= 8 and sheet.side >= 400 and rng.random() < 0.25 else 1
    margin, gap = sheet.side // 16, size
    width = (sheet.side - 2 * margin - (columns - 1) * gap) // columns
    blocks = _blocks(rng, sheet, size, width, lines)
    placed: list[list[_Block]] = [[] for _ in range(columns)]
    share = sum(len(b.lines) for b in blocks) / columns
    done = 0
    for block in blocks:
        placed[min(columns - 1, int(done / share))].append(block)
        done += len(block.lines)
    height = 2 * margin + max(sum(_height(b) for b in column) for column in placed)
    canvas = Canvas(sheet.side, height, sheet.hand)
    canvas.image.paste(paper(rng, sheet.side, height))
    colour, found = ink(rng), []
    for number, column in enumerate(placed):
        found += _write(canvas, column, margin + number * (width + gap), margin, colour)
    text = "\n".join(block.text for column in placed for block in column)
    return Page(worn(canvas.image, rng, sheet.noise * 0.7), text, tuple(found))


def _write(canvas: Canvas, column: Sequence[_Block], x: int, y: int, colour: Colour) -> list[Line]:
    found: list[Line] = []
    for block in column:
        step = _step(block)
        writer = canvas if block.hand == canvas.hand else _lend(canvas, block.hand)
        for line in block.lines:
            found.append(Line(line, writer.write(line, (x, y + step / 2), block.size, colour=colour)))
            y += step
        y += step // 2
    return found


def _lend(canvas: Canvas, hand: Hand) -> Canvas:
    """The same picture, written on by another hand."""
    other = Canvas(1, 1, hand)
    other.image = canvas.image
    return other


def _step(block: _Block) -> int:
    # A line's own height, so that stacked scripts (Urdu, Khmer, Tibetan) never run into the next line.
    return max(block.hand.mask(line, block.size).height for line in block.lines)


def _height(block: _Block) -> int:
    step = _step(block)
    return step * len(block.lines) + step // 2


def _blocks(rng: np.random.Generator, sheet: Sheet, size: int, width: int, lines: int) -> list[_Block]:
    blocks = [_block(sheet.material.some(rng, 1)[0], sheet.bold, size + size // 3, width)]
    left = lines - len(blocks[0].lines)
    while left > 0:
        if rng.random() < 0.35:
            made = _list(rng, sheet, size, width, min(left, int(rng.integers(2, 6))))
        else:
            made = [_paragraph(rng, sheet, size, width, min(left, int(rng.integers(2, 6))))]
        blocks += made
        left -= sum(len(block.lines) for block in made)
    return blocks


def _list(rng: np.random.Generator, sheet: Sheet, size: int, width: int, count: int) -> list[_Block]:
    numbered = rng.random() < 0.5
    items = []
    for number, text in enumerate(sheet.material.some(rng, count), 1):
        mark = f"{number_text(number, sheet.material.language, sheet.digits, rng)}." if numbered else "•"
        items.append(_block(f"{mark} {text}", sheet.hand, size, width))
    return items


def _paragraph(rng: np.random.Generator, sheet: Sheet, size: int, width: int, lines: int) -> _Block:
    """Sentences, or lists of names, of about so many lines."""
    parts: list[str] = []
    filled = 0
    for text in sheet.material.some(rng, 12 * lines):
        parts.append(text)
        filled += sheet.hand.width(text + sheet.material.separator, size)
        if filled >= (lines - 0.5) * width:
            break
    return _block(_joined(parts, sheet.material), sheet.hand, size, width)


def _joined(parts: Sequence[str], material: Material) -> str:
    return material.separator.join(parts) + material.stop if material.listed else " ".join(parts)


def _block(text: str, hand: Hand, size: int, width: int) -> _Block:
    lines = hand.wrapped(text, size, width)
    if not lines:
        raise BadRecord("empty-text", repr(text))
    return _Block(text, tuple(lines), size, hand)


def _line_text(rng: np.random.Generator, sheet: Sheet) -> str:
    if not sheet.material.listed:
        return sheet.material.some(rng, 1)[0]
    parts = sheet.material.some(rng, int(rng.integers(1, 4)))
    if rng.random() < 0.25:
        parts.append(number_text(int(rng.integers(1, 10_000)), sheet.material.language, sheet.digits, rng))
    return sheet.material.separator.join(parts)
