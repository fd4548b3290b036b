"""The fonts that a language can be written in: the cuts and weights of its script that have all of its letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path

import regex

from polysee.media.fonts import FontFile, covers, main_font
from polysee.schema.errors import BadRecord, UserError

_NAME = regex.compile(
    r"Noto(?:(?:Sans|Serif|Naskh|Kufi|Looped)(?P<script>[A-Za-z]*))-(?P<weight>Regular|Bold)\.(?:ttf|otf|ttc)"
)
_NOT_RUNNING_TEXT = regex.compile(r"Display|Mono|Unjoined|Supplement|Slanted|Symbols|Math|Music|Nastaliq|Rashi")


@lru_cache(maxsize=256)
def typefaces(texts: tuple[str, ...], language: str) -> tuple[FontFile, ...]:
    """Fonts of one script: the one that draws most letters of ``texts``, and others that have all of those letters.

    Raises `UserError` where the fonts are not installed, or none has any of the letters.
    """
    counts = Counter(c for text in texts for c in text if unicodedata.category(c)[0] in "LM")
    by_font: dict[FontFile, dict[str, int]] = {}
    for letter, count in counts.items():
        try:
            by_font.setdefault(main_font(letter, language), {})[letter] = count
        except BadRecord:
            # A letter that no font has: the texts that hold it will be rejects.
            continue
    if not by_font:
        raise UserError(f"no Noto font can write the texts in {language!r}", "check that they are in that language")
    usual = max(by_font, key=lambda font: (sum(by_font[font].values()), font.path.name))
    match = _NAME.fullmatch(usual.path.name)
    if match is None:
        return (usual,)
    others = [FontFile(path, usual.index) for path in _siblings(usual.path.parent, match["script"])]
    return (usual, *(one for one in others if one != usual and covers(one, "".join(by_font[usual]))))


def is_bold(font: FontFile) -> bool:
    """By the name of its file."""
    return "-Bold" in font.path.name


def _siblings(folder: Path, script: str) -> list[Path]:
    found = []
    for path in sorted(folder.glob("Noto*")):
        match = _NAME.fullmatch(path.name)
        if match is not None and match["script"] == script and not _NOT_RUNNING_TEXT.search(path.name):
            found.append(path)
    return found
