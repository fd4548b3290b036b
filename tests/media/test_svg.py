"""Drawings come out right; hostile ones are refused and touch nothing."""

from __future__ import annotations

import base64
import gzip
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from polysee.media import svg
from polysee.media.svg import render_svg
from polysee.schema import BadRecord

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
RED = '<rect width="200" height="100" fill="red"/>'


def drawing(body: str, attributes: str = 'viewBox="0 0 200 100"', prologue: str = "") -> bytes:
    return f"{prologue}{HEAD}{attributes}>{body}</svg>".encode()


def data_url(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def use_bomb() -> str:
    levels = "".join(f'<g id="l{i}">' + f'<use xlink:href="#l{i - 1}"/>' * 10 + "</g>" for i in range(1, 10))
    return f'<defs><g id="l0">{RED}</g>{levels}</defs><use xlink:href="#l9"/>'


ENTITY_BOMB = (
    '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{("&" + chr(97 + i) + ";") * 10}">' for i in range(9))
    + "]>"
)
BOMB_HEADER = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
BOMB_PNG = (
    "data:image/png;base64,"
    + base64.b64encode(
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\r"
        + BOMB_HEADER
        + struct.pack(">I", zlib.crc32(BOMB_HEADER))
        + bytes(4)
        + b"IDAT"
    ).decode()
)

BAD = {
    "zero bytes": (b"", "zero-byte-file"),
    "text": (b"hello", "not-an-svg"),
    "other XML": (b"<html><body/></html>", "not-an-svg"),
    "cut short": (drawing(RED)[:-20], "corrupt-svg"),
    "not UTF-8": (drawing("<desc>\xe9</desc>").decode().encode("latin-1"), "corrupt-svg"),
    "damaged SVGZ": (gzip.compress(drawing(RED))[:-12], "corrupt-svg"),
    "file": (drawing('<image xlink:href="/etc/hostname" width="9" height="9"/>'), "svg-external-resource"),
    "file by URL": (drawing('<image href="file:///etc/hostname" width="9" height="9"/>'), "svg-external-resource"),
    "web": (drawing('<image href="https://example.org/a.png" width="9" height="9"/>'), "svg-external-resource"),
    "use of another file": (drawing('<use href="other.svg#a"/>'), "svg-external-resource"),
    "style with a URL": (drawing('<rect style="fill:url(http://example.org/a)"/>'), "svg-external-resource"),
    "style sheet with a URL": (drawing("<style>a{fill:url('//x/y')}</style>"), "svg-external-resource"),
    "style sheet that imports": (drawing('<style>@import "a.css";</style>'), "svg-external-resource"),
    "nested SVG by data URL": (drawing('<image href="data:image/svg+xml,%3Csvg/%3E"/>'), "svg-external-resource"),
    "external entity": (
        drawing("<text>&x;</text>", prologue='<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
        "svg-external-resource",
    ),
    "entity bomb": (drawing("<text>&j;</text>", prologue=ENTITY_BOMB), "svg-entity-bomb"),
    "long entity": (drawing("", prologue=f'<!DOCTYPE svg [<!ENTITY x "{"y" * 200}">]>'), "svg-entity-bomb"),
    "use bomb": (drawing(use_bomb()), "svg-too-complex"),
    "too deep": (drawing("<g>" * 300 + RED + "</g>" * 300), "svg-too-complex"),
    "too many elements": (drawing("<g/>" * (svg.MAX_ELEMENTS + 1)), "svg-too-complex"),
    "embedded bomb": (drawing(f'<image href="{BOMB_PNG}" width="9" height="9"/>'), "too-many-pixels"),
    "embedded text": (drawing('<image href="data:image/png;base64,aGVsbG8=" width="9"/>'), "not-an-image"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_drawings_are_refused_with_their_reason(name: str) -> None:
    data, reason = BAD[name]
    with pytest.raises(BadRecord) as caught:
        render_svg(data, size=32)
    assert caught.value.reason == reason, str(caught.value)


def test_the_byte_cap_holds_for_unpacked_bytes() -> None:
    packed = gzip.compress(drawing(" " * (svg.MAX_SVG_BYTES + 1)))
    assert len(packed) < 100_000
    with pytest.raises(BadRecord, match="too-many-bytes"):
        render_svg(packed, size=32)


@pytest.mark.parametrize(("box", "size"), [("0 0 200 100", (64, 32)), ("0 0 100 200", (32, 64)), ("0 0 9 9", (64, 64))])
def test_the_longer_side_is_the_size(box: str, size: tuple[int, int]) -> None:
    image = render_svg(drawing('<rect width="999" height="999" fill="red"/>', f'viewBox="{box}"'), size=64)
    assert (image.mode, image.size) == ("RGBA", size)
    assert image.getpixel((10, 10)) == (255, 0, 0, 255)


def test_what_is_not_drawn_is_transparent() -> None:
    image = render_svg(drawing('<rect width="100" height="100" fill="blue"/>'), size=200)
    assert image.getpixel((20, 50)) == (0, 0, 255, 255)
    assert image.getpixel((180, 50))[3] == 0


def test_harmless_parts_are_drawn() -> None:
    prologue = (
        '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" '
        '"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [<!ENTITY colour "red">]>'
    )
    body = '<script>alert(1)</script><a href="https://example.org"><rect width="200" height="100" fill="&colour;"/></a>'
    assert render_svg(drawing(body, prologue=prologue), size=20).getpixel((5, 5)) == (255, 0, 0, 255)
    assert render_svg(gzip.compress(drawing(RED)), size=20).getpixel((5, 5)) == (255, 0, 0, 255)
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?>' + drawing("<desc>\xe9</desc>" + RED).decode()
    assert render_svg(latin.encode("latin-1"), size=20).getpixel((5, 5)) == (255, 0, 0, 255)
    embedded = f'<image href="{data_url(Image.new("RGB", (4, 4), "lime"))}" width="200" height="200"/>'
    assert render_svg(drawing(embedded), size=20).getpixel((5, 5)) == (0, 255, 0, 255)


def test_groups_may_nest_deeper_than_the_usual_stack_allows() -> None:
    body = '<g opacity="0.999">' * 240 + RED + "</g>" * 240
    assert render_svg(drawing(body), size=20).getpixel((5, 5))[0] == 255


@pytest.mark.parametrize("text", ["hello", "مرحبا", "猫です", "สวัสดี", "नमस्ते", "አማርኛ"])
def test_text_is_drawn_in_the_font_of_its_script(text: str) -> None:
    image = render_svg(drawing(f'<text x="10" y="60" font-size="40">{text}</text>'), size=200)
    ink = np.asarray(image)[..., 3] > 128
    assert ink.sum() > 100
    assert np.ptp(np.nonzero(ink.any(axis=0))[0]) > 30


def test_a_drawing_has_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svg, "MAX_SECONDS", 1)
    costly = (
        '<filter id="f"><feTurbulence numOctaves="99999999"/></filter><rect filter="url(#f)" width="9" height="9"/>'
    )
    with pytest.raises(BadRecord, match="not drawn within 1 s"):
        render_svg(drawing(costly), size=20)


@pytest.mark.parametrize("size", [0, svg.MAX_SIZE + 1])
def test_sizes_out_of_range(size: int) -> None:
    with pytest.raises(ValueError, match="size must be"):
        render_svg(drawing(RED), size=size)
