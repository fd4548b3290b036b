"""What is written in the pictures: names from the Unicode CLDR, or the lines of a file that the user gives."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from polysee.schema.errors import UserError
from polysee.sources.microworld import cldr
from polysee.text.digits import to_native, to_system
from polysee.text.languages import base_language, default_numbering, language
from polysee.text.normalise import key, nfc, squeeze, strip_invisible
from polysee.text.segment import count_graphemes

Digits = Literal["default", "native", "latin", "mixed"]

HELD_OUT_SHARE = 10
"""One word or line of so many is kept for the held-out splits."""
LABEL_GRAPHEMES = 14
_LINE_GRAPHEMES = 400
_FEWEST = 24

# What stands between the items of a list and at the end of a sentence, by script (ISO 15924).
_SEPARATORS = {"Jpan": "、", "Hans": "、", "Hant": "、", "Arab": "، ", "Ethi": "፣ "}
_STOPS = {
    "Jpan": "。", "Hans": "。", "Hant": "。", "Deva": "।", "Beng": "।", "Ethi": "።", "Armn": "։", "Khmr": "។",
    "Thai": "", "Laoo": "", "Mymr": "။",
}  # fmt: skip
# A script's own digits, where the CLDR's default for its languages is another.
_OWN_DIGITS = {
    "Arab": "arab", "Deva": "deva", "Beng": "beng", "Gujr": "gujr", "Guru": "guru", "Knda": "knda", "Khmr": "khmr",
    "Laoo": "laoo", "Mlym": "mlym", "Mymr": "mymr", "Orya": "orya", "Taml": "tamldec", "Telu": "telu", "Thai": "thai",
    "Tibt": "tibt",
}  # fmt: skip
_EASTERN_ARABIC = ("fa", "ur", "ps", "ckb", "sd", "ug", "ks", "uz", "mzn", "lrc")


@dataclass(frozen=True, slots=True)
class Material:
    """``lines``: what pages and lines are made of. ``labels``: short ones that name a bar, a row or a column.

    ``listed``: whether several lines are joined to a longer text (names), or each stands by itself (a user's lines).
    """

    language: str
    lines: tuple[str, ...]
    labels: tuple[str, ...]
    listed: bool
    separator: str
    stop: str

    def some(self, rng: np.random.Generator, count: int) -> list[str]:
        """``count`` different lines, or all where there are not so many."""
        return [self.lines[i] for i in rng.permutation(len(self.lines))[:count]]


@lru_cache(maxsize=256)
def material(tag: str, file: Path | None, held_out: bool) -> Material:
    """The texts of a language for training, or those that no training picture shows.

    ``file``: UTF-8, a text a line. Raises `UserError` where there is neither a file nor the CLDR's names, or too little
    in them.
    """
    texts = _from_file(file) if file is not None else _names(tag)
    mine = tuple(text for text in texts if _is_held_out(text) == held_out)
    script = language(tag).script
    if len(mine) < _FEWEST:
        share = f"the tenth that is held out has {len(mine)}" if held_out else f"training has {len(mine)}"
        fix = "give `texts` a file of at least some 500 different lines for it"
        raise UserError(f"too few texts in {tag!r}: {share}, and {_FEWEST} are needed", fix, place=_place(file))
    return Material(
        language=tag,
        lines=mine,
        labels=tuple(text for text in mine if count_graphemes(text) <= LABEL_GRAPHEMES),
        listed=file is None,
        separator=_SEPARATORS.get(script, ", "),
        stop="۔" if base_language(tag) == "ur" else _STOPS.get(script, "."),
    )


def source_files(tag: str, file: Path | None) -> list[Path]:
    """The files that `material` reads for a language."""
    return [file if file is not None else cldr.root() / "annotations" / f"{tag.replace('-', '_')}.xml"]


def number_text(number: int, tag: str, digits: Digits, rng: np.random.Generator) -> str:
    """A number in digits: the CLDR's default for the language, the script's own, ASCII, or one of the two at random."""
    if digits == "mixed":
        digits = ("native", "latin")[int(rng.integers(2))]
    if digits == "latin":
        return str(number)
    return to_native(str(number), tag) if digits == "default" else to_system(str(number), own_digits(tag))


def own_digits(tag: str) -> str:
    """The CLDR numbering system of the script's own digits; ``latn`` where it has none in use."""
    script = language(tag).script
    if script == "Arab" and base_language(tag) in _EASTERN_ARABIC:
        return "arabext"
    return _OWN_DIGITS.get(script, default_numbering(tag))


def _names(tag: str) -> list[str]:
    names = (cldr.emoji_name(emoji, tag) for emoji in sorted(cldr.emoji_names(tag)))
    return _distinct([name for name in names if name], tag)


def _from_file(file: Path) -> list[str]:
    try:
        raw = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"byte {error.start} is not UTF-8", "save the file as UTF-8", place=str(file)) from None
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise UserError(f"no texts: {reason}", "set `texts` to a readable file", place=str(file)) from None
    lines = raw.splitlines()
    for number, line in enumerate(lines, 1):
        if count_graphemes(line) > _LINE_GRAPHEMES:
            cause = f"the line has over {_LINE_GRAPHEMES} characters"
            raise UserError(cause, "break it into sentences, one a line", place=f"{file}:{number}")
    return _distinct(lines, "")


def _distinct(texts: list[str], tag: str) -> list[str]:
    """NFC, without marks that cannot be seen, each text once."""
    found: dict[str, str] = {}
    for text in texts:
        clean = squeeze(strip_invisible(nfc(text)))
        if clean:
            found.setdefault(key(clean, tag), clean)
    return list(found.values())


def _is_held_out(text: str) -> bool:
    # By the text alone, so that no seed moves a word from a measured split to training.
    return int.from_bytes(hashlib.sha256(key(text).encode()).digest()[:4], "big") % HELD_OUT_SHARE == 0


def _place(file: Path | None) -> str | None:
    return None if file is None else str(file)
