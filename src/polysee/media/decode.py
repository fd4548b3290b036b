"""Decoding pictures from bytes of unknown worth: a format allow-list, caps read from the header, one colour space.

Every fault of the bytes is a `BadRecord`; its reason is one of `zero-byte-file`, `too-many-bytes`, `too-many-pixels`,
`not-an-image`, `unknown-format`, `truncated-image`, `corrupt-image`, `unsupported-mode` (videos: see
`polysee.media.frames`).
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from polysee.schema import BadRecord
from polysee.schema.sample import MediaKind

MAX_PIXELS = 178_956_970
"""Width x height above which a picture is refused before it is decoded (twice Pillow's own warning level)."""
MAX_IMAGE_BYTES = 256 * 2**20

_READERS: dict[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
IMAGE_FORMATS: tuple[str, ...] = tuple(_READERS)

_OTHER_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "an ISO media file (HEIC, AVIF, MP4)"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (8, b"AVI ", "an AVI video"),
    (0, b"%PDF", "a PDF"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\x00\x00\x01\x00", "an icon"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x1f\x8b", "gzip"),
)

# "BM" alone would also match text; the size of the second header is one of these.
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

ORIENTATION_TAG = 0x0112
_TRANSPOSE: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PLAIN_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"})
# What Pillow's readers raise on damaged bytes; EXIF, XMP and ICC parsing add the rarer ones.
_PILLOW_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the header says. ``format``: a name in `IMAGE_FORMATS`, or mp4, webm, mkv, avi for a video.

    ``width`` and ``height``: pixels as displayed, after rotation. ``frames``: 1 for a still.
    """

    format: str
    width: int
    height: int
    frames: int


def probe(data: bytes, kind: MediaKind = "image") -> MediaInfo:
    """Format, displayed size and number of frames, without decoding a picture. Raises `BadRecord`.

    A video (``kind="video"``) has its first frame decoded, because its rotation is known only then.
    """
    if kind == "video":
        from polysee.media.frames import video_info

        video = video_info(data)
        return MediaInfo(video.format, video.width, video.height, video.frames)
    name, image = _open(data)
    with _faults(name, data):
        frames = int(getattr(image, "n_frames", 1))
    width, height = to_displayed_size(*image.size, _orientation(name, image))
    return MediaInfo(name, width, height, frames)


def decode(data: bytes) -> Image.Image:
    """The picture as displayed: RGB, 8 bits, rotated as EXIF says, transparency over white, first frame.

    Raises `BadRecord`.
    """
    return _decode(data, None)


def decode_at_least(data: bytes, width: int, height: int) -> Image.Image:
    """Like `decode`, but a JPEG may come back at a half, a quarter or an eighth of its size.

    The result is never smaller than ``width`` x ``height`` (as displayed) unless the picture itself is. libjpeg
    leaves out the high frequencies inside its inverse transform, which costs less than decoding and shrinking.
    """
    return _decode(data, (width, height))


def verify(data: bytes, kind: MediaKind = "image") -> MediaInfo:
    """Decode everything that is ever used of the medium, check PNG checksums, and return its `MediaInfo`.

    Raises `BadRecord`, also where `probe` does not: truncated or corrupt pixel data.
    """
    info = probe(data, kind)
    if kind == "video":
        from polysee.media.frames import verify_video

        verify_video(data)
        return info
    if info.format == "PNG":
        name, image = _open(data)
        with _faults(name, data):
            image.verify()
    decode(data)
    return info


def to_displayed_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height after EXIF ``orientation`` (1 to 8; anything else counts as 1) is applied."""
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB with 8 bits a channel. Transparency is laid over white; 16-bit values are scaled, never clipped.

    Raises `BadRecord` (`unsupported-mode`) for floating point, 32-bit and CIELAB pictures, whose range is unknown.
    """
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _from_16_bit(image)
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.mode not in _PLAIN_MODES:
        raise BadRecord("unsupported-mode", f"pixels of mode {image.mode}")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _decode(data: bytes, at_least: tuple[int, int] | None) -> Image.Image:
    name, image = _open(data)
    orientation = _orientation(name, image)
    with _faults(name, data):
        if at_least is not None and name == "JPEG":
            image.draft(None, to_displayed_size(*at_least, orientation))
        image.load()
        # Some readers (GIF, TIFF) know the true extent only now.
        _check_pixels(image)
        rgb = to_rgb(image)
        method = _TRANSPOSE.get(orientation)
        rgb = rgb.transpose(method) if method is not None else rgb
    if name == "JPEG":
        # A loaded JPEG needs its file no more, and a copy of its pixels would cost a tenth of the tiling.
        image.fp = None
    elif rgb is image:
        rgb = rgb.copy()
    rgb.info = {}
    return rgb


def _open(data: bytes) -> tuple[str, ImageFile]:
    """The reader of the allow-list that fits, with its header read and its size checked."""
    if not data:
        raise BadRecord("zero-byte-file")
    if len(data) > MAX_IMAGE_BYTES:
        raise BadRecord("too-many-bytes", f"{len(data):,} bytes; the cap is {MAX_IMAGE_BYTES:,}")
    name = _sniff(data)
    with _faults(name, data):
        # The class itself, not Image.open: that would try further formats, and has its own ideas of what is too big.
        image = _READERS[name](io.BytesIO(data), "")
    _check_pixels(image)
    return name, image


def _check_pixels(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadRecord("too-many-pixels", f"{width}x{height}; the cap is {MAX_PIXELS:,} pixels")


def _sniff(data: bytes) -> str:
    head = data[:32]
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "TIFF"
    if (
        head.startswith(b"BM")
        and len(data) >= 26
        and struct.unpack_from("<I", head, 14)[0] in (12, 16, 40, 52, 56, 64, 108, 124)
    ):
        return "BMP"
    for offset, magic, what in _OTHER_MAGIC:
        if head[offset : offset + len(magic)] == magic:
            raise BadRecord("unknown-format", f"{what} is none of {', '.join(IMAGE_FORMATS)}")
    if b"<svg" in data[:4096].lower():
        raise BadRecord("unknown-format", "SVG is drawn by polysee.media.svg, not decoded")
    raise BadRecord("not-an-image", f"starts with {head[:12]!r}")


def _orientation(name: str, image: ImageFile) -> int:
    """The EXIF orientation still to be applied. A damaged EXIF block counts as none: the pixels are still good."""
    if name == "TIFF":
        # Pillow turns a TIFF by itself when it loads the pixels, and gives the turned size from the start.
        return 1
    try:
        with _quiet():
            value = image.getexif().get(ORIENTATION_TAG, 1)
    except _PILLOW_FAULTS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _from_16_bit(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    if values.size and (values.min() < 0 or values.max() > 65535):
        raise BadRecord("unsupported-mode", "32-bit values, whose range is unknown")
    grey = ((values * 255 + 32767) // 65535).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey).convert("RGB")


@contextmanager
def _faults(name: str, data: bytes) -> Iterator[None]:
    """Turns whatever Pillow raises on bad bytes into `BadRecord`."""
    try:
        with _quiet():
            yield
    except Image.DecompressionBombError as error:
        raise BadRecord("too-many-pixels", str(error)) from error
    except _PILLOW_FAULTS as error:
        reason = "truncated-image" if "truncated" in str(error).lower() or _cut_short(name, data) else "corrupt-image"
        raise BadRecord(reason, f"{name}: {error}") from error


def _cut_short(name: str, data: bytes) -> bool:
    """Whether the container itself shows that its end is missing."""
    if name == "WEBP":
        return len(data) < 12 or len(data) < 8 + cast(int, struct.unpack_from("<I", data, 4)[0])
    if name == "PNG":
        return b"IEND" not in data[-64:]
    if name == "GIF":
        return not data.rstrip(b"\x00").endswith(b";")
    if name == "JPEG":
        return b"\xff\xd9" not in data[-64:]
    if name == "BMP":
        return len(data) < cast(int, struct.unpack_from("<I", data, 2)[0])
    return False


class _Silence:
    """Hides Pillow's warnings (bomb levels that we check ourselves, odd metadata) while any thread decodes.

    `warnings.catch_warnings` alone restores the wrong filters when threads overlap; the first one in saves them and
    the last one out puts them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._saved = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            self._depth += 1

    def leave(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._saved.__exit__(None, None, None)


_SILENCE = _Silence()


@contextmanager
def _quiet() -> Iterator[None]:
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()
