"""Which Noto font draws a text. Fonts come from Debian's packages, by their own tables, not by the machine's set-up.

Searched in order: the folder named by ``POLYSEE_FONTS``; ``$XDG_CACHE_HOME/polysee/debian/usr/share/fonts``, where
``scripts/debian-packages`` unpacks them without root; ``/usr/share/fonts``.
"""

from __future__ import annotations

import os
import struct
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import regex
from PIL import ImageFont, features

from polysee.schema import BadRecord, UserError

PACKAGES = ("fonts-noto-core", "fonts-noto-cjk", "fonts-noto-color-emoji")
EMOJI_FONT = "NotoColorEmoji.ttf"
_GENERAL_FONT = "NotoSans-Regular.ttf"
_CJK_FONT = "NotoSansCJK-Regular.ttc"
_FIX = f"run scripts/debian-packages, or: apt-get install --no-install-recommends {' '.join(PACKAGES)}"

# Letters that the general font is made for, and the signs that all scripts share; others go to their script's font,
# which shapes them better even where the general one has them (Devanagari).
_GENERAL = regex.compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}\p{Common}\p{Inherited}]")
_HAN = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hangul}\u3000-\u303f\uff00-\uffef]")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_HANGUL = regex.compile(r"\p{Hangul}")
_CLUSTER = regex.compile(r"\X")
# Scripts of many languages first, so that few files need to be opened.
_COMMON_SCRIPTS = (
    "Arabic",
    "Hebrew",
    "Devanagari",
    "Thai",
    "Ethiopic",
    "Georgian",
    "Armenian",
    "Bengali",
    "Gujarati",
    "Gurmukhi",
    "Kannada",
    "Khmer",
    "Lao",
    "Malayalam",
    "Myanmar",
    "Oriya",
    "Sinhala",
    "Tamil",
    "Telugu",
)
# Cuts of a font that repeat the characters of another.
_LAST = regex.compile(
    r"Display|Unjoined|Supplement|Slanted|Looped|Tifinagh[A-Z]|Symbols|Math|Music|Kufi|Nastaliq|Rashi"
)


@dataclass(frozen=True, slots=True)
class FontFile:
    """A font; ``index`` picks one out of a collection (.ttc)."""

    path: Path
    index: int = 0


def font_for(text: str, size: int, *, language: str = "") -> ImageFont.FreeTypeFont:
    """The one font that draws all of ``text``, or else most of its letters, at ``size`` pixels to the em.

    ``language`` (BCP-47) picks among the Chinese, Japanese and Korean shapes of a Han character. Raises `UserError`
    where the fonts (or the text-shaping library) are not installed, and `BadRecord` (`no-glyph`) where they are but
    none has a character. Text that needs several fonts is drawn by `polysee.media.draw`.
    """
    return load(main_font(_nfc(text), language), size)


def font_files(text: str) -> list[Path]:
    """The files that together draw ``text``, the main one first, each once. Raises as `font_for` does."""
    return list(dict.fromkeys(file.path for _, file in font_runs(_nfc(text))))


def font_runs(text: str, language: str = "") -> list[tuple[str, FontFile]]:
    """``text`` in stretches of one font each, never cutting a grapheme cluster. Raises as `font_for` does."""
    main = main_font(text, language)
    runs: list[tuple[str, FontFile]] = []
    for cluster in _CLUSTER.findall(text):
        visible = [c for c in cluster if _visible(c)]
        if not visible:
            file = runs[-1][1] if runs else main
        elif covers(main, cluster):
            file = main
        elif runs and covers(runs[-1][1], cluster):
            file = runs[-1][1]
        else:
            file = _first_with(cluster, language, text)
        if runs and runs[-1][1] == file:
            runs[-1] = (runs[-1][0] + cluster, file)
        else:
            runs.append((cluster, file))
    return runs


def main_font(text: str, language: str = "") -> FontFile:
    """See `font_for`."""
    clusters = [c for c in _CLUSTER.findall(text) if any(_visible(x) for x in c)]
    if not clusters:
        return FontFile(_need(_GENERAL_FONT))
    votes: Counter[FontFile] = Counter()
    for cluster in clusters:
        # A letter outweighs any number of digits and signs, which every font can share.
        letter = unicodedata.category(cluster[0])[0] == "L"
        votes[_first_with(cluster, language, text)] += len(clusters) + 1 if letter else 1
    ranked = sorted(votes, key=lambda f: (-votes[f], str(f.path), f.index))
    return next((f for f in ranked if all(covers(f, c) for c in clusters)), ranked[0])


def covers(file: FontFile, text: str) -> bool:
    """Whether the font has every visible character of ``text``."""
    known = _coverage(file.path, file.index)
    return all(ord(c) in known for c in text if _visible(c))


@lru_cache(maxsize=256)
def load(file: FontFile, size: int) -> ImageFont.FreeTypeFont:
    """The font with complex shaping. Raises `UserError` where the FriBiDi library is missing."""
    if not features.check("raqm"):
        raise UserError(
            "Pillow cannot shape Arabic, Hindi or Thai here: the FriBiDi library is missing",
            "run scripts/debian-packages, or: apt-get install --no-install-recommends libfribidi0",
        )
    return ImageFont.truetype(str(file.path), size, index=file.index, layout_engine=ImageFont.Layout.RAQM)


def emoji_font() -> FontFile:
    """Noto Color Emoji. Raises `UserError` where it is not installed."""
    return FontFile(_need(EMOJI_FONT))


def roots() -> tuple[Path, ...]:
    """The folders that are searched for fonts, in order."""
    named = os.environ.get("POLYSEE_FONTS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    unpacked = cache / "polysee" / "debian" / "usr" / "share" / "fonts"
    return (*([Path(named)] if named else []), unpacked, Path("/usr/share/fonts"))


@lru_cache(maxsize=8)
def _index(folders: tuple[Path, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("Noto*")):
            if path.suffix in (".ttf", ".otf", ".ttc"):
                found.setdefault(path.name, path)
    return found


def _need(name: str) -> Path:
    path = _index(roots()).get(name)
    if path is None:
        raise UserError(f"the font {name} is not installed", _FIX)
    return path


def _first_with(cluster: str, language: str, context: str) -> FontFile:
    base = next(c for c in cluster if _visible(c))
    for file in _candidates(base, language, context):
        if covers(file, cluster):
            return file
    for name in (_GENERAL_FONT, _CJK_FONT):
        _need(name)
    names = ", ".join(f"U+{ord(c):04X}" for c in cluster)
    raise BadRecord("no-glyph", f"no Noto font has {cluster!r} ({names})")


def _candidates(base: str, language: str, context: str) -> Iterator[FontFile]:
    general = FontFile(_need(_GENERAL_FONT))
    if _HAN.match(base):
        yield FontFile(_need(_CJK_FONT), _cjk_index(context, language))
    if _GENERAL.match(base):
        yield general
    for path in _script_fonts(roots()):
        yield FontFile(path)
    yield general
    cjk = _index(roots()).get(_CJK_FONT)
    if cjk is not None:
        yield FontFile(cjk, _cjk_index(context, language))


@lru_cache(maxsize=8)
def _script_fonts(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Regular cuts: common scripts, other sans, serif, and at the end those that repeat another."""
    found = _index(folders)
    common = [f"NotoSans{script}-Regular.ttf" for script in _COMMON_SCRIPTS]
    rest = [n for n in found if n.endswith(("-Regular.ttf", "-Regular.otf")) and n not in (*common, _GENERAL_FONT)]
    rest.sort(key=lambda n: (bool(_LAST.search(n)), not n.startswith("NotoSans"), n))
    return tuple(found[name] for name in (*common, *rest) if name in found)


def _cjk_index(text: str, language: str) -> int:
    """The face of NotoSansCJK: 0 Japanese, 1 Korean, 2 and 3 Chinese (simplified, traditional), 4 Hong Kong."""
    tag = language.lower()
    if tag.split("-")[0] in ("ja", "ko", "zh", "yue"):
        if tag.startswith(("ja", "ko")):
            return 0 if tag.startswith("ja") else 1
        if tag.endswith("-hk") or tag.startswith("yue"):
            return 4
        return 3 if "hant" in tag or tag.endswith(("-tw", "-mo")) else 2
    if _HANGUL.search(text):
        return 1
    return 0 if _KANA.search(text) else 2


def _visible(character: str) -> bool:
    """Whether a font needs a glyph for it: not white space, not a control or format sign, not a variation selector."""
    if "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef":
        return False
    return unicodedata.category(character) not in ("Cc", "Cf", "Zs", "Zl", "Zp")


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@cache
def _coverage(path: Path, index: int) -> frozenset[int]:
    """The characters that the font's ``cmap`` table maps to a glyph (OpenType specification, formats 4 and 12)."""
    data = path.read_bytes()
    start = struct.unpack_from(">I", data, 12 + 4 * index)[0] if data[:4] == b"ttcf" else 0
    (count,) = struct.unpack_from(">H", data, start + 4)
    for i in range(count):
        tag, _, offset, _ = struct.unpack_from(">4sIII", data, start + 12 + 16 * i)
        if tag == b"cmap":
            return _cmap(data, offset)
    raise ValueError(f"{path} has no cmap table")


def _cmap(data: bytes, table: int) -> frozenset[int]:
    (count,) = struct.unpack_from(">H", data, table + 2)
    found: dict[int, int] = {}
    for i in range(count):
        platform, encoding, offset = struct.unpack_from(">HHI", data, table + 4 + 8 * i)
        if platform == 0 or (platform == 3 and encoding in (1, 10)):
            found.setdefault(struct.unpack_from(">H", data, table + offset)[0], table + offset)
    if 12 in found:
        at = found[12]
        (groups,) = struct.unpack_from(">I", data, at + 12)
        ranges = np.frombuffer(data, dtype=">u4", count=3 * groups, offset=at + 16).reshape(-1, 3)
        return frozenset(c for first, last, _ in ranges.tolist() for c in range(first, last + 1))
    return _cmap_4(data, found[4])


def _cmap_4(data: bytes, at: int) -> frozenset[int]:
    segments = struct.unpack_from(">H", data, at + 6)[0] // 2
    columns = [
        np.frombuffer(data, dtype=">u2", count=segments, offset=at + 14 + 2 * (k * segments + (k > 0))).tolist()
        for k in range(4)
    ]
    codes: set[int] = set()
    for i, (last, first, delta, shift) in enumerate(zip(*columns, strict=True)):
        for code in range(first, min(last, 0xFFFE) + 1):
            glyph = (code + delta) & 0xFFFF
            if shift:
                place = at + 16 + 2 * (3 * segments + i) + shift + 2 * (code - first)
                glyph = struct.unpack_from(">H", data, place)[0]
            if glyph:
                codes.add(code)
    return frozenset(codes)
