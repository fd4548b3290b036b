"""Every kind of good picture comes back as displayed; every kind of bad one is a `BadRecord` with its reason."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from polysee.media import decode as decoding
from polysee.media.decode import decode, decode_at_least, probe, to_displayed_size, verify
from polysee.schema import BadRecord

# Red, green / blue, white quadrants: no turn or flip leaves them in place.
QUADRANTS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))


def quadrants(width: int = 48, height: int = 32) -> Image.Image:
    image = Image.new("RGB", (width, height))
    for i, colour in enumerate(QUADRANTS):
        x, y = (i % 2) * width // 2, (i // 2) * height // 2
        image.paste(colour, (x, y, x + width // 2, y + height // 2))
    return image


def save(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b""))
        + png_chunk(b"IEND", b"")
    )


def flipped_bit(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def gif_with_wild_frame() -> bytes:
    """A 1x1 screen with a first frame of 20,000x20,000."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 20000, 20000, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\x00\x00\x00\xff\xff\xff" + frame + b";"


PNG = save(noise(64, 48), "PNG")
JPEG = save(noise(64, 48), "JPEG", quality=90)
WEBP = save(noise(64, 48), "WEBP", lossless=True)
GIF = save(noise(64, 48).quantize(64), "GIF")
IDAT_CRC = PNG.index(b"IEND") - 5

BAD = {
    "zero bytes": (b"", "zero-byte-file"),
    "text": ("kein Bild, nur Text: مرحبا".encode(), "not-an-image"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "not-an-image"),
    "text that starts like a BMP": (b"BMW is a maker of cars and motor cycles", "not-an-image"),
    "one byte": (b"\xff", "not-an-image"),
    "PDF": (b"%PDF-1.7\n" + bytes(100), "unknown-format"),
    "HEIC": (b"\x00\x00\x00\x18ftypheic" + bytes(100), "unknown-format"),
    "AVI given as picture": (b"RIFF\x00\x00\x00\x00AVI LIST", "unknown-format"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unknown-format"),
    "icon": (save(noise(16, 16), "ICO"), "unknown-format"),
    "truncated JPEG": (JPEG[: len(JPEG) // 2], "truncated-image"),
    "JPEG of a few bytes": (JPEG[:20], "truncated-image"),
    "truncated PNG": (PNG[: len(PNG) // 2], "truncated-image"),
    "PNG cut inside its header": (PNG[:20], "truncated-image"),
    "truncated WebP": (WEBP[: len(WEBP) // 2], "truncated-image"),
    "WebP of its magic only": (WEBP[:12], "truncated-image"),
    "truncated GIF": (GIF[: len(GIF) // 2], "truncated-image"),
    "truncated BMP": (save(noise(64, 48), "BMP")[:2000], "truncated-image"),
    "truncated TIFF": (save(noise(64, 48), "TIFF")[:-4000], "truncated-image"),
    "PNG with a wrong checksum in its header": (flipped_bit(PNG, 29), "corrupt-image"),
    "PNG with a wrong checksum in its pixels": (flipped_bit(PNG, IDAT_CRC), "corrupt-image"),
    "PNG with damaged pixels": (PNG[:60] + bytes(40) + PNG[100:], "corrupt-image"),
    "PNG of 60,000x60,000": (png_header(60_000, 60_000), "too-many-pixels"),
    "GIF that outgrows its screen": (gif_with_wild_frame(), "too-many-pixels"),
    "floating point": (save(Image.new("F", (8, 8), 0.5), "TIFF"), "unsupported-mode"),
    "CIELAB": (save(Image.new("LAB", (8, 8)), "TIFF"), "unsupported-mode"),
    "32-bit values": (save(Image.fromarray(np.full((8, 8), 1 << 20, np.int32)), "TIFF"), "unsupported-mode"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_refused_with_their_reason(name: str) -> None:
    data, reason = BAD[name]
    with pytest.raises(BadRecord) as caught:
        verify(data)
    assert caught.value.reason == reason, str(caught.value)


def test_the_pixel_cap_holds_before_anything_is_decoded() -> None:
    for refuse in (probe, decode):
        with pytest.raises(BadRecord, match="60000x60000"):
            refuse(png_header(60_000, 60_000))


def test_a_picture_between_pillows_warning_and_the_cap_is_taken_without_a_warning() -> None:
    data = png_header(12_000, 10_000)
    assert Image.MAX_IMAGE_PIXELS < 12_000 * 10_000
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert probe(data).width == 12_000
    assert not seen


def test_the_byte_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_IMAGE_BYTES", 100)
    with pytest.raises(BadRecord, match="too-many-bytes"):
        probe(PNG)


@pytest.mark.parametrize(
    ("format", "options"),
    [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}), ("GIF", {}), ("BMP", {}), ("TIFF", {})],
)
def test_formats(format: str, options: dict[str, object]) -> None:
    data = save(quadrants(), format, **options)
    assert probe(data) == verify(data) == decoding.MediaInfo(format, 48, 32, 1)
    image = decode(data)
    assert (image.mode, image.size) == ("RGB", (48, 32))
    difference = np.abs(np.asarray(image, dtype=int) - np.asarray(quadrants(), dtype=int))
    assert np.median(difference) <= (2 if format == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientations(orientation: int, format: str) -> None:
    stored = quadrants()
    exif = Image.Exif()
    exif[decoding.ORIENTATION_TAG] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    data = save(stored, format, exif=exif, **options)
    stored.getexif()[decoding.ORIENTATION_TAG] = orientation
    expected = ImageOps.exif_transpose(stored)
    image = decode(data)
    info = probe(data)
    assert image.size == expected.size == (info.width, info.height) == to_displayed_size(48, 32, orientation)
    assert np.abs(np.asarray(image, dtype=int) - np.asarray(expected, dtype=int)).max() <= 3


def test_damaged_exif_counts_as_none() -> None:
    data = save(quadrants(), "JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\xff\xff junk")
    assert decode(data).size == (48, 32)


def test_cmyk_jpeg() -> None:
    # 20% cyan ink, 60% magenta, no yellow, no black.
    data = save(Image.new("CMYK", (16, 16), (51, 153, 0, 0)), "JPEG", quality=100)
    assert np.abs(np.array(decode(data).getpixel((8, 8))) - (204, 102, 255)).max() <= 3


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    values = np.linspace(0, 65535, 256).reshape(16, 16).astype(np.uint16)
    for format in ("PNG", "TIFF"):
        grey = np.asarray(decode(save(Image.fromarray(values), format)))
        assert np.array_equal(grey[..., 0].ravel(), np.arange(256))
        assert np.array_equal(grey[..., 0], grey[..., 2])
    clear = np.asarray(decode(save(Image.fromarray(values), "PNG", transparency=int(values[0, 3]))))
    assert clear[0, :5, 0].tolist() == [0, 1, 2, 255, 4]


def test_transparency_is_laid_over_white() -> None:
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    assert decode(save(half, "PNG")).getpixel((0, 0)) == (255, 127, 127)
    assert decode(save(Image.new("LA", (4, 4), (0, 0)), "PNG")).getpixel((0, 0)) == (255, 255, 255)
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0, 0, 0, 200])
    palette.putpixel((0, 0), 2)
    for transparency in (1, b"\xff\x00\xff"):
        image = decode(save(palette, "PNG", transparency=transparency))
        assert image.getpixel((3, 3)) == (255, 255, 255)
        assert image.getpixel((0, 0)) == (0, 0, 200)
    key = save(quadrants(), "PNG", transparency=(255, 0, 0))
    assert decode(key).getpixel((0, 0)) == (255, 255, 255)


def test_one_bit() -> None:
    image = Image.new("1", (9, 3), 1)
    image.putpixel((4, 1), 0)
    for format in ("PNG", "TIFF", "BMP"):
        pixels = np.asarray(decode(save(image, format)))
        assert pixels[1, 4].tolist() == [0, 0, 0]
        assert pixels.sum() == 255 * 3 * 26


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animations_give_their_first_frame(format: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in QUADRANTS]
    options = {"lossless": True} if format == "WEBP" else {}
    data = save(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert probe(data).frames == 4
    assert decode(data).getpixel((3, 3)) == (255, 0, 0)


def test_a_multi_picture_jpeg_is_its_first_picture() -> None:
    data = save(quadrants(), "MPO", save_all=True, append_images=[noise(48, 32)])
    assert probe(data) == decoding.MediaInfo("JPEG", 48, 32, 1)


def test_decoded_jpegs_outlive_their_bytes_and_can_be_worked_on() -> None:
    image = decode(JPEG)
    assert image.info == {}
    assert image.crop((1, 1, 5, 5)).size == (4, 4)
    assert image.copy().tobytes() == image.tobytes()


@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    least=st.tuples(st.integers(1, 800), st.integers(1, 800)),
    orientation=st.sampled_from([1, 3, 6, 8]),
)
@settings(max_examples=40, deadline=None)
def test_reduced_decoding_never_goes_below_what_is_asked(
    width: int, height: int, least: tuple[int, int], orientation: int
) -> None:
    exif = Image.Exif()
    exif[decoding.ORIENTATION_TAG] = orientation
    data = save(Image.new("RGB", (width, height), "teal"), "JPEG", exif=exif)
    shown = to_displayed_size(width, height, orientation)
    got = decode_at_least(data, *least).size
    assert all(g >= min(a, s) for g, a, s in zip(got, least, shown, strict=True))
    assert all(g <= s for g, s in zip(got, shown, strict=True))
    if min(shown[0] // least[0], shown[1] // least[1]) >= 2:
        assert got[0] * 2 <= shown[0] + 1


def test_reduced_decoding_knows_which_side_is_which() -> None:
    exif = Image.Exif()
    exif[decoding.ORIENTATION_TAG] = 6
    data = save(Image.new("RGB", (800, 100), "teal"), "JPEG", exif=exif)
    assert decode_at_least(data, 50, 400).size == (50, 400)
    assert decode_at_least(data, 51, 300).size == (100, 800)


@given(st.sampled_from([PNG, JPEG, WEBP, GIF]), st.data())
@settings(max_examples=150, deadline=None)
def test_damage_gives_a_picture_or_a_bad_record_and_nothing_else(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 6))):
        damaged[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    end = draw.draw(st.integers(0, len(data)))
    try:
        info = probe(bytes(damaged[:end]))
        if info.width * info.height < 1_000_000:
            assert decode(bytes(damaged[:end])).size == (info.width, info.height)
    except BadRecord:
        return


def test_threads_leave_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    workers = [threading.Thread(target=lambda: [decode(WEBP) for _ in range(20)]) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert list(warnings.filters) == before
