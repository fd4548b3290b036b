"""Keeps what no translator may touch out of its hands: marks, numbers, boxes, code, formulae, letters, addresses.

`protect` takes such pieces out, `write` puts a numbered placeholder in each one's stead, `restore` puts the pieces back
into the translation. Translators rewrite digits (``[[٣]]``), brackets (``【【3】】``), tags (``< X3 / >``), case and
spacing, and `restore` reads all of these; but each placeholder must be there exactly once, none that was not given, and
no broken part of one, or the translation is refused.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import regex

from polysee.schema.errors import BadRecord

Kind = Literal["image", "code", "formula", "address", "box", "option", "number"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Form = Literal["brackets", "tag", "word"]
"""How a placeholder is written: ``[[1]]``, ``<x1/>`` or ``ZXQ1``."""
FORMS: tuple[Form, ...] = get_args(Form)

LOST = "placeholder-lost"
"""The reason of the `BadRecord` that `restore` raises."""

_WRITTEN: dict[Form, Callable[[int], str]] = {
    "brackets": lambda index: f"[[{index}]]",
    "tag": lambda index: f"<x{index}/>",
    "word": lambda index: f"ZXQ{index}",
}

# How a translator may hand a placeholder back. An index in decimal digits of any script, or in Chinese or Ethiopic
# numerals; invisible characters and spaces anywhere.
_GAP = r"[\s\p{Cf}]{0,6}"  # bounded, as all that may repeat: a text of blanks must not take squared time
_INDEX = r"(?P<index>\p{Nd}{1,5}|[〇零一二三四五六七八九十]{1,4}|[\u1369-\u1371\u1372-\u137a]{1,2})"
_OPEN, _CLOSE = r"[\[({［（｛【〔〖⟦⟨〈「『]", r"[\])}］）｝】〕〗⟧⟩〉」』]"
_LESS, _MORE = r"(?:[<＜〈《‹«⟨]|&lt;)", r"(?:[>＞〉》›»⟩]|&gt;)"
_X = "[xXхХ×ｘＸ]"
_TAG = rf"{_LESS}{_GAP}{_X}{_GAP}{_INDEX}{_GAP}[/／\\]?{_GAP}{_MORE}"
_DOUBLE = rf"{_OPEN}{_GAP}{_OPEN}{_GAP}{_INDEX}{_GAP}{_CLOSE}{_GAP}{_CLOSE}"
_ANY = rf"(?P<o>{_OPEN}){_GAP}(?:(?P=o){_GAP})?{_INDEX}{_GAP}(?P<c>{_CLOSE})(?:{_GAP}(?P=c))?"
_TRIPLE = rf"\[\[\[{_GAP}{_INDEX}{_GAP}\]\]\]"
_WORD = rf"(?i:[zｚ]{_GAP}[xｘ]{_GAP}[qｑ])"
_READ: dict[Form, str] = {
    "brackets": rf"{_TRIPLE}|{_DOUBLE}|{_ANY}",
    "tag": rf"{_TAG}(?:{_LESS}{_GAP}[/／]{_GAP}{_X}{_GAP}\p{{Nd}}*{_GAP}{_MORE})?",
    "word": rf"{_WORD}[\s\p{{Cf}}_-]*{_INDEX}",
}
_READERS = {form: regex.compile(pattern) for form, pattern in _READ.items()}
# What is left of a placeholder that was broken, or taken for a tag that encloses words; and marks of templates.
_BROKEN = regex.compile(
    rf"\[{_GAP}\[|\]{_GAP}\]|［{_GAP}［|］{_GAP}］|【{_GAP}【|】{_GAP}】|{_WORD}|<\|[^|<>\n]{{1,60}}\|>"
    rf"|{_LESS}{_GAP}[/／]?{_GAP}{_X}{_GAP}\p{{Nd}}*{_GAP}[/／]?{_GAP}{_MORE}"
)

_LETTERS = "A-HＡ-Ｈa-hА-ЖΑ-Θא-חأإابتثجحدهوกขคงจฉアイウエオ甲乙丙丁戊कखगघङকখগঘঙકખગઘகஙசஞఅఆఇఈ가나다라마ㄱㄴㄷㄹㅁሀለሐመሠረ"
_ENDING = r"[.)．）:：、]"
_COORDINATE = r"[-+−－]?\p{Nd}+(?:[.٫．]\p{Nd}+)?"
_NUMBER = r"(?>[\u1369-\u137c]+|\p{Nd}+(?:[.,:/٫٬．，：’'·\u00a0\u202f]\p{Nd}+)*+)"
_SIGNED = rf"(?:(?<![\p{{L}}\p{{N}}])[-+−－±])?\p{{Sc}}?{_NUMBER}"
_COMMA = r"\s{0,4}[,，、،;；؛]\s{0,4}"

_PATTERNS: dict[Kind | Literal["literal"], str] = {
    "code": r"(?s:```.*?```|~~~.*?~~~)|(?<!`)(?P<tick>`{1,2})(?!`)[^\n]+?(?<!`)(?P=tick)(?!`)",
    "formula": (
        r"(?s:\\begin\{(?P<env>[A-Za-z]+\*?)\}.*?\\end\{(?P=env)\}|\\\[.*?\\\]|\\\(.*?\\\)|\$\$.+?\$\$)"
        # Pandoc's rule: a dollar that opens has no space after it; one that closes none before it, no digit after it.
        r"|(?<![\\$])\$(?=[^\s$])(?:\\.|[^$\\\n])*?(?<=\S)\$(?![\p{Nd}$])"
        r"|\\[A-Za-z]+(?:\[[^\[\]\n]*\])?(?:\{[^{}\n]*\})+"
    ),
    "image": r"<\|[^|<>\n]{1,60}\|>|</?[A-Za-z][\w:.-]*(?:\s[^<>\n]*)?/?>",
    "address": (
        r"(?i:https?|ftp)://[!#-;=?-_a-z~]*[A-Za-z0-9/#=&_~-]|(?i:www\.)[!#-;=?-_a-z~]*[A-Za-z0-9/]"
        r"|(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]{1,64}+@[A-Za-z0-9-]{1,64}(?:\.[A-Za-z0-9-]+)+"
    ),
    # What reads like a placeholder, or is one of the private characters that templates use, must not be taken for one.
    "literal": "[\U000f0000-\U000ffffd]|" + "|".join(f"(?:{pattern})" for pattern in _READ.values()),
    "box": (
        rf"{_OPEN}\s{{0,4}}(?:{_OPEN}\s{{0,4}})?{_COORDINATE}(?:{_COMMA}{_COORDINATE}){{1,63}}"
        rf"\s{{0,4}}{_CLOSE}(?:\s{{0,4}}{_CLOSE})?"
    ),
    "option": (
        rf"\A\s*[{_LETTERS}]{_ENDING}?\s*\Z"
        rf"|[(（\[［【]\s*[{_LETTERS}]\s*[)）\]］】]"
        rf"|(?<=[:：]\s{{0,4}})[{_LETTERS}](?=\s*[.。]?\s*(?:\n|\Z))"
        rf"|(?<!\S)[{_LETTERS}]{_ENDING}(?=\s|\Z)|(?<!\S)[{_LETTERS}][．）、：]"
        r"|(?<![\p{L}\p{N}_'’&.-])(?:[B-H]|A(?=\s*[,/،、]\s*[B-H](?!\p{L})))"
        r"(?![\p{L}\p{M}\p{N}_'’&-])"
    ),
    "number": (
        r"(?<![A-Za-z0-9])(?:[A-Za-z]+[0-9][A-Za-z0-9]*|(?![0-9]+(?:st|nd|rd|th)(?![A-Za-z0-9]))[0-9]+[A-Za-z][A-Za-z0-9]*)"
        rf"(?![A-Za-z0-9])|{_SIGNED}(?!(?:st|nd|rd|th)(?![A-Za-z]))(?:\s?[%％٪‰]|\p{{Sc}}|°[CF]?)?"
    ),
}
_FIRST_CHARACTER = 0xF0000
_OPENING, _CLOSING = regex.compile(_OPEN), regex.compile(_CLOSE)


@dataclass(frozen=True, slots=True)
class Piece:
    """What must come through a translation untouched. ``literal``: source text that reads like a placeholder."""

    kind: Kind | Literal["literal"]
    text: str


@dataclass(frozen=True, slots=True)
class Protected:
    """``template``: the text with one private-use character for each piece, so that it can be cut without harm."""

    template: str
    pieces: tuple[Piece, ...]

    def part(self, template: str) -> Protected:
        """The pieces of a cut-out of ``template``, numbered anew, so that equal sentences become equal questions."""
        pieces: list[Piece] = []
        characters = []
        for character in template:
            index = ord(character) - _FIRST_CHARACTER
            if 0 <= index < len(self.pieces):
                character = chr(_FIRST_CHARACTER + len(pieces))
                pieces.append(self.pieces[index])
            characters.append(character)
        return Protected("".join(characters), tuple(pieces))

    def original(self) -> str:
        """The text as it was."""
        return self._filled(lambda index: self.pieces[index].text)

    def write(self, form: Form = "brackets") -> str:
        """The text for a translator: a placeholder in place of each piece."""
        return self._filled(lambda index: _WRITTEN[form](index + 1))

    def has_words(self) -> bool:
        """Whether anything is left to translate: a letter outside of the pieces."""
        return any(unicodedata.category(character)[0] == "L" for character in self.template)

    def _filled(self, fill: Callable[[int], str]) -> str:
        indices = ((character, ord(character) - _FIRST_CHARACTER) for character in self.template)
        return "".join(fill(index) if 0 <= index < len(self.pieces) else character for character, index in indices)


def protect(text: str, kinds: Collection[Kind] = KINDS) -> Protected:
    """Take the pieces of some kinds out of a text; text that reads like a placeholder always.

    Numbers: decimal digits of any script with their separators, sign, currency and percent sign, and words of ASCII
    letters and digits (``H2O``); English ordinals (``3rd``) are words, and stay. Brackets that enclose a piece alone
    belong to it. Raises `BadRecord` (``too-many-pieces``) beyond 65,000.
    """
    pieces: list[Piece] = []
    parts: list[str] = []
    done = 0
    for match in _finder(frozenset(kinds)).finditer(text):
        start, end = match.span()
        if start == end or start < done:
            continue
        while start > done and end < len(text) and _OPENING.match(text[start - 1]) and _CLOSING.match(text[end]):
            start, end = start - 1, end + 1
        if len(pieces) >= 65_000:
            raise BadRecord("too-many-pieces", "more than 65,000 numbers, marks and the like in one text")
        parts += [text[done:start], chr(_FIRST_CHARACTER + len(pieces))]
        pieces.append(Piece(_kind(match), text[start:end]))
        done = end
    return Protected("".join(parts) + text[done:], tuple(pieces))


def restore(translation: str, protected: Protected, form: Form = "brackets") -> str:
    """``translation`` of ``protected.write(form)`` with every piece back in its place.

    Raises `BadRecord` (`LOST`) where a placeholder is missing, is there twice, was never given, or left a part behind.
    """
    seen: list[int] = []

    def fill(match: regex.Match[str]) -> str:
        index = _value(match["index"])
        seen.append(index)
        return protected.pieces[index - 1].text if 1 <= index <= len(protected.pieces) else match[0]

    restored = _READERS[form].sub(fill, translation)
    wanted = range(1, len(protected.pieces) + 1)
    if sorted(seen) != list(wanted):
        missing = [protected.pieces[i - 1].text for i in wanted if i not in seen]
        surplus = sorted({i for i in seen if i not in wanted or seen.count(i) > 1})
        told = [f"{piece!r} is missing" for piece in missing] + [f"placeholder {i} is one too many" for i in surplus]
        raise BadRecord(LOST, "; ".join(told))
    broken = [match[0] for match in _BROKEN.finditer(unplaced(translation, form))]
    if len(broken) > sum(1 for _ in _BROKEN.finditer(protected.template)):
        raise BadRecord(LOST, f"{broken[-1]!r} is left over")
    return restored


def unplaced(translation: str, form: Form = "brackets") -> str:
    """A translation without its placeholders, U+FFFC in place of each."""
    return _READERS[form].sub("\ufffc", translation)


@lru_cache(maxsize=128)
def _finder(kinds: frozenset[Kind]) -> regex.Pattern[str]:
    # One search for all kinds: at any place the first pattern that fits wins, and a number in a formula is of it.
    names = [name for name in _PATTERNS if name == "literal" or name in kinds]
    return regex.compile("|".join(f"(?P<{name}>{_PATTERNS[name]})" for name in names))


def _kind(match: regex.Match[str]) -> Kind | Literal["literal"]:
    return next(name for name in _PATTERNS if match.groupdict().get(name) is not None)


def _value(digits: str) -> int:
    """A whole number in decimal digits, or in Chinese or Ethiopic numerals below 100."""
    total, after_ten = 0, False
    for character in digits:
        value = int(unicodedata.numeric(character))
        if character == "十":
            total, after_ten = max(total, 1) * 10, True
        elif value >= 10 or after_ten:
            total, after_ten = total + value, value >= 10
        else:
            total = total * 10 + value
    return total
