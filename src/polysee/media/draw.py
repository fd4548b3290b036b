"""Drawing text in any script, and emoji as sprites. Equal fonts give equal pixels."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import regex
from PIL import Image, ImageDraw, ImageFont

from polysee.media.bidi import base_level, levels_of
from polysee.media.fonts import FontFile, emoji_font, font_runs, load
from polysee.schema import BadRecord

Colour = str | tuple[int, int, int]

MAX_SIDE = 16384
EMOJI_STRIKE = 109
"""The only size, in pixels, at which Noto Color Emoji holds its bitmaps."""
# Places where a line may end besides after white space: between ideographs and kana, which have no spaces.
_BREAKABLE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]")
_CLOSING = regex.compile(r"[\p{Pe}\p{Pf}\p{Po}ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々〜]")
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class _Run:
    text: str
    font: ImageFont.FreeTypeFont
    direction: str


@dataclass(frozen=True, slots=True)
class _Line:
    """Runs from left to right; ``left`` is how far ink reaches left of the start, ``width`` from there to the end."""

    runs: tuple[_Run, ...]
    left: float
    width: float
    ascent: int
    descent: int
    right_to_left: bool


def draw_text(
    text: str,
    *,
    size: int,
    colour: Colour = "black",
    background: Colour = "white",
    padding: int = 0,
    max_width: int | None = None,
    language: str = "",
) -> Image.Image:
    """An RGB picture just large enough for ``text``, with ``padding`` pixels around it.

    ``size``: pixels to the em. Lines end at line feeds and, where ``max_width`` (pixels of text, without padding) is
    given, after white space, between ideographs, or else (a long word; Thai, Lao, Khmer, whose words only a dictionary
    finds) between grapheme clusters. Right-to-left paragraphs run and align from the right. Fonts are chosen by
    `polysee.media.fonts`, and ``language`` with them. Raises `UserError` for missing fonts, `BadRecord` for a
    character that no font has (`no-glyph`), for no visible text (`empty-text`) and for a picture with a side over
    `MAX_SIDE` pixels (`too-many-pixels`).
    """
    text = unicodedata.normalize("NFC", text)
    if not text.strip():
        raise BadRecord("empty-text")
    lines: list[_Line] = []
    for paragraph in text.splitlines():
        rtl = base_level(paragraph) == 1
        lines += [_line(part, size, language, rtl) for part in _wrap(paragraph, size, max_width, language)]
    width = math.ceil(max(line.width for line in lines))
    height = sum(line.ascent + line.descent for line in lines)
    if max(width, height) + 2 * padding > MAX_SIDE:
        raise BadRecord("too-many-pixels", f"a text of {width}x{height}")
    image = Image.new("RGB", (max(1, width) + 2 * padding, height + 2 * padding), background)
    pen = ImageDraw.Draw(image)
    top = padding
    for line in lines:
        x = padding + (width - line.width if line.right_to_left else 0) + line.left
        for run in line.runs:
            at = (round(x), top + line.ascent)
            pen.text(
                at,
                run.text,
                fill=colour,
                font=run.font,
                anchor="ls",
                direction=run.direction,
                language=language or None,
            )
            x += run.font.getlength(run.text, direction=run.direction, language=language or None)
        top += line.ascent + line.descent
    return image


def emoji_sprite(emoji: str, size: int) -> Image.Image:
    """One emoji as RGBA, ``size`` x ``size`` pixels, the picture centred and as large as fits.

    Joined sequences, flags, key caps and variation selectors are one emoji. Raises `BadRecord` (`no-emoji`) where
    the font lacks it or draws it as several, `UserError` where the font is missing, `ValueError` for a size below 1.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    return _sprite(emoji, size, emoji_font()).copy()


@lru_cache(maxsize=4096)
def _sprite(emoji: str, size: int, file: FontFile) -> Image.Image:
    font = load(file, EMOJI_STRIKE)
    # All glyphs of this font have one width, so a sequence that it cannot join is a multiple of that of one emoji.
    if not emoji or font.getlength(emoji) > 1.5 * font.getlength("\U0001f600"):
        raise BadRecord("no-emoji", f"the font has no single glyph for {emoji!r}")
    left, top, right, bottom = (round(v) for v in font.getbbox(emoji))
    if right <= left or bottom <= top:
        raise BadRecord("no-emoji", f"the font has no glyph for {emoji!r}")
    glyph = Image.new("RGBA", (right - left, bottom - top), (0, 0, 0, 0))
    ImageDraw.Draw(glyph).text((-left, -top), emoji, font=font, embedded_color=True)
    ink = glyph.getchannel("A").getbbox()
    if ink is None:
        raise BadRecord("no-emoji", f"the font draws nothing for {emoji!r}")
    glyph = glyph.crop(ink)
    scale = size / max(glyph.size)
    fitted = (max(1, round(glyph.width * scale)), max(1, round(glyph.height * scale)))
    sprite = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    place = ((size - fitted[0]) // 2, (size - fitted[1]) // 2)
    sprite.paste(glyph.resize(fitted, Image.Resampling.LANCZOS), place)
    return sprite


def _wrap(paragraph: str, size: int, max_width: int | None, language: str) -> list[str]:
    """The paragraph in pieces that fit, each at least one grapheme cluster."""
    if max_width is None:
        return [paragraph]
    lines: list[str] = []
    line = ""
    for word in _words(paragraph):
        if not line or _length(line + word.rstrip(), size, language) <= max_width:
            line += word
        else:
            lines.append(line.rstrip())
            line = word
        while _length(line.rstrip(), size, language) > max_width:
            head = _fitting(line, size, max_width, language)
            if head == line.rstrip():
                break
            lines.append(head)
            line = line[len(head) :].lstrip()
    return [*lines, line.rstrip()]


def _words(paragraph: str) -> list[str]:
    """Stretches that a line may end after, each with its white space."""
    words: list[str] = []
    for cluster in _CLUSTER.findall(paragraph):
        last = words[-1][-1] if words else ""
        fresh = not words or (last.isspace() and not cluster.isspace())
        between = bool(last) and bool(_BREAKABLE.match(cluster) or _BREAKABLE.match(last))
        if fresh or (between and not cluster.isspace() and not _CLOSING.match(cluster)):
            words.append(cluster)
        else:
            words[-1] += cluster
    return words


def _fitting(line: str, size: int, max_width: int, language: str) -> str:
    """The longest start of ``line`` that fits, by halving: a longer start is never narrower by more than a cluster."""
    clusters = _CLUSTER.findall(line.rstrip())
    low, high = 1, len(clusters)
    while low < high:
        middle = (low + high + 1) // 2
        if _length("".join(clusters[:middle]), size, language) <= max_width:
            low = middle
        else:
            high = middle - 1
    return "".join(clusters[:low])


def _length(text: str, size: int, language: str) -> float:
    return _line(text, size, language, False).width if text else 0.0


def _line(text: str, size: int, language: str, right_to_left: bool) -> _Line:
    runs = _visual_runs(text, size, language, right_to_left)
    x, left, right = 0.0, 0.0, 0.0
    ascent, descent = load(font_runs("x")[0][1], size).getmetrics()
    for run in runs:
        box = run.font.getbbox(run.text, anchor="ls", direction=run.direction, language=language or None)
        left, right = max(left, -(x + box[0])), max(right, x + box[2])
        x += run.font.getlength(run.text, direction=run.direction, language=language or None)
        # Ink beyond a font's own metrics is rare (stacked Tibetan, Urdu), but must not be cut off.
        ascent = max(ascent, run.font.getmetrics()[0], math.ceil(-box[1]))
        descent = max(descent, run.font.getmetrics()[1], math.ceil(box[3]))
    return _Line(tuple(runs), math.ceil(left), math.ceil(left) + max(x, right), ascent, descent, right_to_left)


def _visual_runs(text: str, size: int, language: str, right_to_left: bool) -> list[_Run]:
    """Stretches of one font and one direction, from left to right."""
    stretches = font_runs(text, language) if text else []
    if len(stretches) == 1:
        # FriBiDi, inside the shaping library, orders a stretch of one font by the full algorithm.
        direction = "rtl" if right_to_left else "ltr"
        return [_Run(text, load(stretches[0][1], size), direction)]
    levels = levels_of(text, int(right_to_left))
    pieces: list[tuple[int, _Run]] = []
    at = 0
    for stretch, file in stretches:
        start = at
        while at < start + len(stretch):
            end = at + 1
            while end < start + len(stretch) and levels[end] == levels[at]:
                end += 1
            direction = "rtl" if levels[at] % 2 else "ltr"
            pieces.append((levels[at], _Run(text[at:end], load(file, size), direction)))
            at = end
    return _reordered(pieces)


def _reordered(pieces: list[tuple[int, _Run]]) -> list[_Run]:
    """Rule L2 of the Unicode Bidirectional Algorithm (UAX 9): reverse what is at each level or above, highest first."""
    for level in range(max((at for at, _ in pieces), default=0), 0, -1):
        start = 0
        while start < len(pieces):
            end = start
            while end < len(pieces) and pieces[end][0] >= level:
                end += 1
            pieces[start:end] = pieces[start:end][::-1]
            start = max(end, start + 1)
    return [run for _, run in pieces]
