"""Text and emoji as pixels, held against Pillow's own drawing and against how each script is read."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from polysee.media.draw import MAX_SIDE, draw_text, emoji_sprite
from polysee.media.fonts import font_for, main_font
from polysee.schema import BadRecord

TEXTS = ["hello", "مرحبا بالعالم", "שלום", "नमस्ते", "สวัสดีน้ำ", "こんにちは", "你好，世界", "안녕", "አማርኛ", "ქართ", "བོད"]


def ink(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L")) < 128


def columns(image: Image.Image) -> np.ndarray:
    return np.nonzero(ink(image).any(axis=0))[0]


@pytest.mark.parametrize("text", TEXTS)
def test_ink_fits_inside_the_padding(text: str) -> None:
    image = draw_text(text, size=40, padding=6)
    dark = np.asarray(image.convert("L")) < 255
    assert dark.sum() > 200
    assert not dark[:5].any()
    assert not dark[-5:].any()
    assert not dark[:, :5].any()
    assert not dark[:, -5:].any()
    assert image.tobytes() == draw_text(text, size=40, padding=6).tobytes()


@pytest.mark.parametrize("text", ["hello", "مرحبا", "नमस्ते", "สวัสดี"])
def test_one_line_is_what_pillow_draws_in_that_font(text: str) -> None:
    font = font_for(text, 32)
    ours = draw_text(text, size=32)
    direct = Image.new("RGB", (600, 120), "white")
    ImageDraw.Draw(direct).text((20, 80), text, fill="black", font=font, anchor="ls")
    where = np.argwhere(ink(direct))
    there = np.argwhere(ink(ours))
    assert np.array_equal(where - where.min(axis=0), there - there.min(axis=0))


def test_composed_and_decomposed_text_look_alike() -> None:
    assert draw_text("é", size=30).tobytes() == draw_text("e\u0301", size=30).tobytes()


def test_arabic_letters_are_joined() -> None:
    isolated = sum(draw_text(letter, size=40).width for letter in "سبس")
    assert draw_text("سبس", size=40).width < 0.8 * isolated


def test_mixed_directions_run_as_readers_expect() -> None:
    """In a Hebrew line the first word stands at the right; in an English one the Chinese word stands at the end."""
    hebrew = draw_text("אבג 猫", size=40)
    lone = columns(draw_text("猫", size=40))
    assert abs(np.ptp(columns(hebrew.crop((0, 0, 44, hebrew.height)))) - np.ptp(lone)) <= 8
    first = ink(draw_text("אבג", size=40))
    tail = ink(hebrew)[:, -first.shape[1] :]
    # Where the word starts decides how its edges are smoothed: a column more or less.
    assert abs(int(tail.any(axis=0).sum()) - int(first.any(axis=0).sum())) <= 2
    english = draw_text("abc 猫", size=40)
    head = ink(draw_text("abc", size=40))
    assert abs(int(ink(english)[:, : head.shape[1]].any(axis=0).sum()) - int(head.any(axis=0).sum())) <= 2


def test_right_to_left_lines_align_right() -> None:
    image = draw_text("מילה ארוכה מאוד\nאב", size=30)
    half = image.height // 2
    upper, lower = image.crop((0, 0, image.width, half)), image.crop((0, half, image.width, image.height))
    assert abs(columns(upper).max() - columns(lower).max()) <= 4
    assert columns(lower).min() > columns(upper).min() + 50
    left = draw_text("a long word here\nab", size=30)
    assert columns(left.crop((0, left.height // 2, left.width, left.height))).min() < 6


@pytest.mark.parametrize(
    "text",
    [
        "The quick brown fox jumps over the lazy dog",
        "吾輩は猫である。名前はまだ無い。",
        "สวัสดีชาวโลกสวัสดีชาวโลก",
        "الثعلب البني السريع يقفز فوق الكلب الكسول",
        "Donaudampfschifffahrtsgesellschaftskapitän",
    ],
)
def test_long_text_is_wrapped(text: str) -> None:
    wide = draw_text(text, size=24)
    image = draw_text(text, size=24, max_width=200)
    assert image.width <= 200 < wide.width
    assert image.height >= 2 * wide.height
    # Nothing is lost: about as much ink as on one line.
    assert ink(image).sum() == pytest.approx(ink(wide).sum(), rel=0.06)


def test_a_closing_sign_does_not_begin_a_line() -> None:
    for width in range(40, 140, 5):
        image = draw_text("吾輩は猫である。", size=20, max_width=width)
        last = image.crop((0, image.height - 29, image.width, image.height))
        assert np.ptp(columns(last)) > 10, width


def test_a_line_narrower_than_a_letter_still_ends() -> None:
    assert draw_text("猫です", size=30, max_width=1).height >= 3 * 30


def test_colours() -> None:
    image = draw_text("x", size=60, colour=(200, 0, 0), background="#000080")
    assert image.getpixel((0, 0)) == (0, 0, 128)
    assert (200, 0, 0) in [colour for _, colour in image.getcolors(10_000)]


def test_faults() -> None:
    with pytest.raises(BadRecord, match="empty-text"):
        draw_text(" \n", size=20)
    with pytest.raises(BadRecord, match="no-glyph"):
        draw_text("\ue000", size=20)
    with pytest.raises(BadRecord, match="too-many-pixels"):
        draw_text("long " * 100, size=MAX_SIDE // 100)


@pytest.mark.parametrize("emoji", ["🐱", "👨‍👩‍👧", "❤️", "❤", "🇫🇷", "1️⃣", "👍🏽", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🧑‍🚀"])
@pytest.mark.parametrize("size", [7, 64, 200])
def test_sprites(emoji: str, size: int) -> None:
    sprite = emoji_sprite(emoji, size)
    assert (sprite.mode, sprite.size) == ("RGBA", (size, size))
    left, top, right, bottom = sprite.getchannel("A").getbbox()
    assert max(right - left, bottom - top) == size
    assert abs(left - (size - right)) <= 1
    assert abs(top - (size - bottom)) <= 1


def test_sprites_are_coloured_and_their_own() -> None:
    heart = emoji_sprite("❤️", 64)
    red, green, blue, alpha = heart.getpixel((32, 32))
    assert red > 200 > 100 > max(green, blue)
    assert alpha == 255
    heart.paste((0, 0, 0, 0), (0, 0, 64, 64))
    assert emoji_sprite("❤️", 64).getpixel((32, 32))[0] == red


@pytest.mark.parametrize("text", ["A", "", " ", "\ue000", "🐱🐶", "👨‍👩‍🐱", "\u200d"])
def test_what_is_not_one_emoji_is_refused(text: str) -> None:
    with pytest.raises(BadRecord, match="no-emoji"):
        emoji_sprite(text, 32)


def test_sprite_sizes() -> None:
    with pytest.raises(ValueError, match="size"):
        emoji_sprite("🐱", 0)


def test_fonts_keep_their_size() -> None:
    font = font_for("a", 33)
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert font.path == str(main_font("a").path)
