"""Characters as readers see them, and words that are counted as the script writes them."""

from __future__ import annotations

from functools import lru_cache

import regex

# fmt: off
_UNSPACED_SCRIPTS = (
    "Hani", "Hira", "Kana", "Bopo", "Thai", "Laoo", "Khmr", "Mymr", "Lana", "Talu", "Tale", "Java", "Bali",
)
# fmt: on
_UNSPACED = "[ー" + "".join(rf"\p{{Script={s}}}" for s in _UNSPACED_SCRIPTS) + r"]--\p{Nd}"
_CHARACTER = r"\p{L}\p{N}\p{M}"
_SPACED = f"[{_CHARACTER}]--[{_UNSPACED}]"
_WORD = regex.compile(rf"(?V1)(?=[[{_UNSPACED}]&&[{_CHARACTER}]])\X|[{_SPACED}]+(?:['’ʼ׳״.,\u200c\u200d][{_SPACED}]+)*")
_LETTER = regex.compile(r"\p{L}")
_GRAPHEME = regex.compile(r"\X")
_READABLE, _BLANK = regex.compile(rf"[{_CHARACTER}]"), regex.compile(r"[\s\p{C}\ufffc]")

_COMPOUND = {
    "Hans": ("Hani", "Bopo"),
    "Hant": ("Hani", "Bopo"),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
    "Hanb": ("Hani", "Bopo"),
    "Hrkt": ("Hira", "Kana"),
    "Aran": ("Arab",),
    "Jamo": ("Hang",),
}


def graphemes(text: str) -> list[str]:
    """The extended grapheme clusters (UAX 29): what a reader calls characters."""
    return _GRAPHEME.findall(text)


def count_graphemes(text: str) -> int:
    """How many characters a reader sees: ``हिन्दी`` has 2 or 3 by the Unicode version, never 6."""
    return len(_GRAPHEME.findall(text))


def words(text: str) -> list[str]:
    """Words where the script separates them; elsewhere each character is one.

    Runs of letters, marks and digits are words in scripts with spaces. Han, kana, Thai, Lao, Khmer, Burmese and their
    kin count each grapheme. Punctuation and symbols are no words.
    """
    return _WORD.findall(text)


def count_words(text: str) -> int:
    """The number of `words`."""
    return len(_WORD.findall(text))


def is_legible(text: str, share: float = 1 / 3) -> bool:
    """Whether ``share`` of the visible characters are letters, their marks or digits, one at least, and none is U+FFFD.

    Punctuation alone and broken bytes are not; words, numbers, boxes (``[1, 2]``) and formulae are.
    """
    shown, read = len(text) - len(_BLANK.findall(text)), len(_READABLE.findall(text))
    return read > 0 and read >= share * shown and "\ufffd" not in text


def script_share(text: str, script: str) -> float | None:
    """The share of the letters that belong to a script (ISO 15924), in 0–1; None where there is no letter.

    Compound scripts hold their parts: ``Jpan`` is Han and kana, ``Kore`` is Hangul and Han. Raises `ValueError` for a
    script that Unicode does not have.
    """
    letters = len(_LETTER.findall(text))
    if letters == 0:
        return None
    return len(_script_letters(script).findall(text)) / letters


@lru_cache(maxsize=256)
def _script_letters(script: str) -> regex.Pattern[str]:
    parts = "".join(rf"\p{{Script_Extensions={s}}}" for s in _COMPOUND.get(script, (script,)))
    try:
        return regex.compile(rf"(?V1)[[{parts}]&&\p{{L}}]")
    except regex.error:
        raise ValueError(f"Unicode has no script {script!r}") from None
