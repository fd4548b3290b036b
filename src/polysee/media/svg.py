"""Drawing SVG with resvg, in a process of its own: nothing outside the file is read, nothing in it is run.

Faults are `BadRecord`s; the reason is one of `zero-byte-file`, `too-many-bytes`, `not-an-svg`, `corrupt-svg`,
`svg-external-resource`, `svg-entity-bomb`, `svg-too-complex`.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import signal
import subprocess
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote_to_bytes
from xml.parsers import expat

import regex
from PIL import Image

from polysee.media import svg_worker
from polysee.media.decode import probe
from polysee.schema import BadRecord, MissingExtra

MAX_SVG_BYTES = 8 * 2**20
MAX_SIZE = 4096
MAX_ELEMENTS = 100_000
MAX_DEPTH = 256
MAX_ENTITIES = 64
MAX_ENTITY_LENGTH = 128
MAX_EMBEDDED_PIXELS = 40_000_000
MAX_SECONDS = 20

_FAMILIES = ("font_", "serif_", "sans_serif_", "cursive_", "fantasy_", "monospace_")
_EXHAUSTED = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL})
_EMBEDDED = regex.compile(r"\s*data:image/(?:png|jpe?g|gif|webp)\s*(?:;[^,;]*)*?(;base64)?\s*,", regex.IGNORECASE)
_URL = regex.compile(r"url\(\s*['\"]?\s*([^'\")\s]*)", regex.IGNORECASE)
_IMPORT = regex.compile(r"@import", regex.IGNORECASE)


def render_svg(data: bytes, *, size: int) -> Image.Image:
    """The drawing as RGBA, its longer side ``size`` pixels, its proportions kept. SVGZ is unpacked.

    Scripts are never run. References to anything but the file itself or small embedded pictures are refused, as are
    entities that grow and drawings beyond the module's caps. Text is drawn in Noto fonts (`polysee.media.fonts`), not
    in whatever the machine has. A drawing has `MAX_SECONDS`. Raises
    `BadRecord`; `ValueError` for a size outside 1 to `MAX_SIZE`.
    """
    if not 1 <= size <= MAX_SIZE:
        raise ValueError(f"size must be 1 to {MAX_SIZE}, got {size}")
    if find_spec("resvg_py") is None:
        raise MissingExtra("resvg_py", "data")
    data = _unpacked(data)
    checker = _Checker()
    checker.check(data)
    arguments = {
        "dpi": 96,
        "width": size,
        "height": size,
        "skip_system_fonts": True,
        "font_files": _fonts(checker.text),
        **{f"{kind}family": "Noto Sans" for kind in _FAMILIES},
    }
    png = _run_worker(json.dumps(arguments).encode() + b"\n" + _text(data, checker.encoding).encode())
    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return image.convert("RGBA")


def _run_worker(request: bytes) -> bytes:
    """The worker's PNG. Exhausted stack, memory or time are the drawing's fault: the worker does nothing else."""
    # -P keeps the current folder off the import path.
    command = [sys.executable, "-P", str(Path(svg_worker.__file__))]
    try:
        done = subprocess.run(command, input=request, capture_output=True, timeout=MAX_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise BadRecord("svg-too-complex", f"not drawn within {MAX_SECONDS} s") from error
    message = done.stderr.decode(errors="replace").strip()
    if done.returncode == svg_worker.NOT_DRAWABLE:
        raise BadRecord("svg-too-complex" if "nodes limit" in message else "corrupt-svg", message)
    if -done.returncode in _EXHAUSTED:
        raise BadRecord("svg-too-complex", f"the renderer died of signal {-done.returncode}")
    if done.returncode != 0:
        raise RuntimeError(f"the SVG worker ended with {done.returncode}: {message}")
    return done.stdout


class _Checker:
    """One pass over the XML that refuses what must not reach the renderer."""

    def __init__(self) -> None:
        self.encoding: str | None = None
        self.text = ""
        self._elements = 0
        self._entities = 0
        self._stack: list[str] = []

    def check(self, data: bytes) -> None:
        """Read the whole drawing once; afterwards ``text`` and ``encoding`` are known. ``data``: unpacked SVG.

        Raises `BadRecord`: ``not-an-svg``, ``corrupt-svg``, ``svg-external-resource``, ``svg-entity-bomb``,
        ``svg-too-complex``.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            if self._elements == 0:
                raise BadRecord("not-an-svg", str(error)) from error
            # expat's own guard against growing entities reports itself by message only.
            reason = "svg-entity-bomb" if "amplification" in str(error) else "corrupt-svg"
            raise BadRecord(reason, str(error)) from error

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        self.encoding = encoding

    def _entity(
        self,
        name: str,
        is_parameter: bool,
        value: str | None,
        base: str | None,
        system: str | None,
        public: str | None,
        notation: str | None,
    ) -> None:
        if value is None:
            raise BadRecord("svg-external-resource", f"entity {name!r} is read from {system!r}")
        self._entities += 1
        if self._entities > MAX_ENTITIES or len(value) > MAX_ENTITY_LENGTH or "&" in value or is_parameter:
            raise BadRecord("svg-entity-bomb", f"entity {name!r}")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if not self._elements and local != "svg":
            raise BadRecord("not-an-svg", f"the root is {local!r}")
        self._elements += 1
        self._stack.append(local)
        if self._elements > MAX_ELEMENTS or len(self._stack) > MAX_DEPTH:
            raise BadRecord("svg-too-complex", f"more than {MAX_ELEMENTS} elements or {MAX_DEPTH} levels")
        for key, value in attributes.items():
            self._attribute(local, key.rpartition(" ")[2], value)

    def _end(self, name: str) -> None:
        self._stack.pop()

    def _characters(self, text: str) -> None:
        if "style" in self._stack:
            _check_style(text)
        if "text" in self._stack and len(self.text) < 10_000:
            self.text += text

    def _attribute(self, element: str, key: str, value: str) -> None:
        if key == "href" and element not in ("a", "script"):
            _check_reference(element, value)
        else:
            _check_style(value)


def _check_reference(element: str, value: str) -> None:
    value = value.strip()
    if value.startswith("#") or not value:
        return
    embedded = _EMBEDDED.match(value)
    if embedded is None:
        raise BadRecord("svg-external-resource", f"{element}: {value[:80]}")
    body = unquote_to_bytes(value[embedded.end() :])
    if embedded[1]:
        try:
            body = base64.b64decode(body)
        except binascii.Error as error:
            raise BadRecord("corrupt-svg", f"{element}: {error}") from error
    info = probe(body)
    if info.width * info.height > MAX_EMBEDDED_PIXELS:
        raise BadRecord("too-many-pixels", f"an embedded picture of {info.width}x{info.height}")


def _check_style(value: str) -> None:
    if _IMPORT.search(value):
        raise BadRecord("svg-external-resource", "a style sheet imports another")
    for match in _URL.finditer(value):
        if not match[1].startswith("#"):
            raise BadRecord("svg-external-resource", match[0][:80])


def _unpacked(data: bytes) -> bytes:
    if not data:
        raise BadRecord("zero-byte-file")
    if data[:2] == b"\x1f\x8b":
        try:
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(MAX_SVG_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise BadRecord("corrupt-svg", str(error)) from error
    if len(data) > MAX_SVG_BYTES:
        raise BadRecord("too-many-bytes", f"more than {MAX_SVG_BYTES:,} bytes of SVG")
    return data


def _text(data: bytes, encoding: str | None) -> str:
    """As expat read it; resvg ignores the declared encoding of a string."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif encoding is None or encoding.lower() in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise BadRecord("corrupt-svg", str(error)) from error


def _fonts(text: str) -> list[str]:
    if not text.strip():
        return []
    from polysee.media.fonts import font_files

    # The renderer looks for a missing glyph in other fonts only after it has found the family that it was given.
    return [str(path) for path in dict.fromkeys([*font_files("x"), *font_files(" ".join(text.split()))])]
