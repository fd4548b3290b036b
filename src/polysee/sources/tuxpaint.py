"""Tux Paint's stamps (Debian: tuxpaint-stamps-default): pictures with captions that people wrote in 77 languages."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Turn
from polysee.sources.base import MediaBlob, Params, Reject, SourceRecord
from polysee.sources.fields import LanguageTag, image_bytes
from polysee.store.fingerprint import hash_file
from polysee.text.languages import canonical
from polysee.text.normalise import nfc, squeeze

SYSTEM_ROOT = Path("/usr/share/tuxpaint/stamps")

_CAPTION = re.compile(r"(?P<code>[A-Za-z_]+(?:@[A-Za-z]+)?)\.utf8=(?P<text>.*)")
# POSIX names that mean a script rather than a country, and the two modifiers in use.
_CODES = {"zh_CN": "zh", "zh_TW": "zh-Hant", "sr@latin": "sr-Latn", "ca@valencia": "ca-valencia"}


class TuxPaintParams(Params):
    """Parameters of the Tux Paint source."""

    root: str | None = None
    """The folder of stamps; by default Debian's, or else polysee's cache of it."""
    languages: tuple[LanguageTag, ...] | None = None
    """Only captions in these; all where left out."""
    themes: tuple[str, ...] | None = None
    """Only stamps of these folders (``animals``); all where left out."""
    size: int = Field(default=448, ge=16, le=4096)
    """The longer side, in pixels, to which vector stamps are drawn."""
    held_out: float = Field(default=0.1, ge=0.0, lt=1.0)
    """The share of stamps whose captions, in every language, go to ``held_out_split``."""
    held_out_split: str = "development"


class TuxPaint:
    """One caption of one stamp in one language is a record; the same picture is shared by all its languages."""

    Params: ClassVar[type[TuxPaintParams]] = TuxPaintParams
    version: ClassVar[int] = 1
    licence = "GPL-2.0-or-later"

    def __init__(self, params: TuxPaintParams, *, seed: int = 0) -> None:
        self._params = params
        self._seed = seed
        self._root = _root(params.root)

    def shards(self) -> Sequence[str]:
        """The themes: folders such as ``animals``."""
        found = sorted(p.name for p in self._root.iterdir() if p.is_dir() and any(p.rglob("*.txt")))
        wanted = found if self._params.themes is None else self._params.themes
        unknown = sorted(set(wanted) - set(found))
        if unknown:
            raise UserError(f"there is no theme {unknown[0]!r}", f"the themes are {', '.join(found)}")
        return [name for name in found if name in wanted]

    def fingerprint_inputs(self) -> Sequence[str]:
        """For each theme, a hash over the names and contents of its captions and pictures."""
        hashes = []
        for shard in self.shards():
            total = hashlib.sha256()
            for path in sorted((self._root / shard).rglob("*")):
                if path.suffix in (".txt", ".png", ".svg"):
                    total.update(f"{path.relative_to(self._root).as_posix()}\0{hash_file(path)}\0".encode())
            hashes.append(total.hexdigest())
        return hashes

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """All captions of a theme, by stamp and then by language. A missing translation is not there; no reject."""
        for path in sorted((self._root / shard).rglob("*.txt")):
            yield from self._stamp(path)

    def _stamp(self, path: Path) -> Iterator[SourceRecord | Reject]:
        stem = path.relative_to(self._root).with_suffix("").as_posix()
        try:
            blob = self._picture(path)
        except BadRecord as bad:
            yield Reject(stem, bad.reason, bad.detail)
            return
        captions: dict[str, str] = {}
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                tag, caption = _caption(line, first=number == 1)
                if tag in captions:
                    raise BadRecord("duplicate-language", tag)
                captions[tag] = caption
            except BadRecord as bad:
                yield Reject(f"{stem}:{number}", bad.reason, f"{stem}.txt:{number}: {bad.detail}")
        for tag in sorted(captions):
            if captions[tag] and (self._params.languages is None or tag in self._params.languages):
                yield self._record(stem, tag, captions[tag], blob)

    def _record(self, stem: str, tag: str, caption: str, blob: MediaBlob) -> SourceRecord:
        return SourceRecord(
            key=f"{stem}:{tag}",
            task="caption",
            language=tag,
            turns=(Turn("", caption),),
            media=(blob,),
            split=self._split(stem),
            tags=(f"domain:{stem.split('/')[0]}", f"group:{stem}"),
        )

    def _picture(self, captions: Path) -> MediaBlob:
        # Tux Paint itself prefers the vector picture where a stamp has both.
        vector, raster = captions.with_suffix(".svg"), captions.with_suffix(".png")
        place = captions.relative_to(self._root).as_posix()
        if vector.exists():
            return MediaBlob(_drawn(vector.read_bytes(), self._params.size), place=f"{place[:-4]}.svg")
        if raster.exists():
            return image_bytes(raster.read_bytes(), f"{place[:-4]}.png")
        raise BadRecord("missing-image", f"{place} has no picture beside it")

    def _split(self, stem: str) -> str:
        digest = hashlib.sha256(f"{self._seed}:{stem}".encode()).digest()
        draw = int.from_bytes(digest[:8], "big") / 2**64
        return self._params.held_out_split if draw < self._params.held_out else "train"


def _caption(line: bytes, *, first: bool) -> tuple[str, str]:
    """Tag and caption of one line: the first is English, the others are ``code.utf8=caption``."""
    try:
        text = squeeze(nfc(line.decode("utf-8-sig")))
    except UnicodeDecodeError as error:
        raise BadRecord("invalid-utf8", f"byte {error.start + 1} of the line") from None
    if first:
        return "en", text
    match = _CAPTION.fullmatch(text)
    if match is None:
        raise BadRecord("bad-line", f"{text!r} is not code.utf8=caption")
    tag = _CODES.get(match["code"]) or canonical(match["code"])
    if tag is None:
        raise BadRecord("unknown-language", repr(match["code"]))
    return tag, match["text"].strip()


def _drawn(data: bytes, size: int) -> bytes:
    if not data:
        raise BadRecord("zero-byte-file", "the SVG has no bytes")
    from polysee.media.svg import render_svg

    target = io.BytesIO()
    render_svg(data, size=size).save(target, "PNG")
    return target.getvalue()


def _root(given: str | None) -> Path:
    fix = "run scripts/debian-packages (Debian's tuxpaint-stamps-default), or set `root` to a folder of stamps"
    if given is not None:
        root = Path(given).expanduser()
        if not root.is_dir():
            raise UserError("there is no such folder of stamps", fix, place=str(root))
        return root
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cached = cache / "polysee" / "debian" / SYSTEM_ROOT.relative_to("/")
    for root in (SYSTEM_ROOT, cached):
        if root.is_dir():
            return root
    raise UserError("no Tux Paint stamps are on this machine", fix, place=str(SYSTEM_ROOT))
