"""Reads scores and rankings out of a judge's words, in any script: native digits, full-width colons, ``8/10``.

Nothing is guessed: what is not clearly a verdict is None.
"""

from __future__ import annotations

import unicodedata

import regex

from polysee.text.digits import to_ascii
from polysee.text.normalise import strip_invisible

Scale = tuple[float, float]
"""The least and the greatest score that counts, both included."""

_COLONS = str.maketrans(dict.fromkeys("∶꞉˸፡፦։", ":"))
_ORNAMENT = regex.compile(r"[*_`#\[\](){}<>\"'“”„«»「」『』【】]")
_NUMERALS = str.maketrans({"一": "1", "二": "2"})
_ETHIOPIC = regex.compile("(?<![፩-፼])[፩-፲](?![፩-፼])")
# A score in Chinese numerals: alone behind a colon, for elsewhere they are words.
_HAN = "〇一二三四五六七八九十"
_HAN_SCORE = regex.compile(rf"(?<=[:=]\s*)[{_HAN}](?=(?:分|点|點)?[\s。.,，;；]*(?:\n|$))", regex.MULTILINE)
# "8 out of 10", in the languages in which a judge is likely to add it.
_OUT_OF = (
    r"(?:/|out\s+of|of|sur|de|di|da|von|aus|van|av|af|из|із|z|ze|από|στα|من|از|מתוך|में\s*से|में|満点中|分之|중"
    r"|üzerinden|dari|trên)"
)
_NUMBER = r"(?P<score>[-\u2212]?[0-9]+(?:[.,][0-9]+)?)"
_END = rf"\s*(?:{_OUT_OF}\s*(?P<of>[0-9]+))?(?P<tail>[^0-9:]{{0,16}})$"
_LABELLED = regex.compile(rf"^(?P<label>[^:=]*?)\s*[:=]\s*{_NUMBER}{_END}")
_BARE = regex.compile(rf"^{_NUMBER}{_END}")
_OVER = regex.compile(r"(?<![0-9.,/])(?P<score>[0-9]+(?:[.,][0-9]+)?)\s*/\s*(?P<of>[0-9]+)(?![0-9/])")
_TWO = regex.compile(rf"^{_NUMBER}(?:\s*/\s*(?P<of>[0-9]+))?\s*(?:[,;،、]\s+|\s+)(?P<rest>\S.*)$")
_PARTS = regex.compile(r"\n|(?:[,;،؛、，；]|(?<=[0-9])。)\s*(?=[^\s0-9])")
_WHO = regex.compile(r"(?<![0-9])[12](?![0-9])")
_MARKS = regex.compile(r"\s*(?:>|=|,|;|、|،|≻|→|›|≥|\s)\s*")


def parse_pair(text: str, scale: Scale | None = None) -> tuple[float, float] | None:
    """The scores of answers 1 and 2, or None.

    Each is the last line of its kind: a label that holds the answer's number, a colon, a score. Where no labels hold
    numbers, the last two lines must both be a label and a score; else the last line of two bare scores counts. With a
    ``scale``, a score beyond it, or one "out of" another maximum, makes the whole unreadable. Of a model that thinks
    aloud, only what follows its thoughts is read.
    """
    lines = _lines(text)
    found: dict[str, float | None] = {}
    for line in lines:
        match = _LABELLED.match(line)
        who = set(_WHO.findall(match["label"].translate(_NUMERALS))) if match else set()
        if match is not None and len(who) == 1:
            found[who.pop()] = _value(match, scale)
    if not found:
        return _positional(lines, scale)
    first, second = found.get("1"), found.get("2")
    return None if first is None or second is None else (first, second)


def parse_score(text: str, scale: Scale | None = None) -> float | None:
    """The one score of an answer, or None: the last labelled line, the whole text, or the last ``8/10`` in it."""
    lines = _lines(text)
    for line in reversed(lines):
        match = _LABELLED.match(line)
        if match is not None:
            return _value(match, scale)
    bare = _BARE.match(lines[-1]) if lines else None
    if bare is not None and (len(lines) == 1 or not bare["tail"].strip(" .。।")):
        return _value(bare, scale)
    over = [*_OVER.finditer("\n".join(lines))]
    return _value(over[-1], scale) if over else None


def parse_ranking(text: str, count: int) -> tuple[tuple[int, ...], ...] | None:
    """Answers 1 to ``count`` from the best to the worst, equal ones together, or None: ``2 > 1 = 3`` is ((2,), (1, 3)).

    The last line counts whose end is each number once and nothing else; ``=`` joins equal ones.
    """
    for line in reversed(_plain(text, keep=">").split("\n")):
        order = line.rsplit(":", 1)[-1].strip(" .。।")
        numbers = regex.findall(r"[0-9]+", order)
        if sorted(numbers) != sorted(str(n + 1) for n in range(count)):
            continue
        between = regex.split(r"[0-9]+", order)
        if between[0].strip() or between[-1].strip() or not all(_MARKS.fullmatch(mark) for mark in between[1:-1]):
            continue
        groups = [[int(numbers[0])]]
        for mark, number in zip(between[1:-1], numbers[1:], strict=True):
            if "=" in mark:
                groups[-1].append(int(number))
            else:
                groups.append([int(number)])
        return tuple(tuple(sorted(group)) for group in groups)
    return None


def _positional(lines: list[str], scale: Scale | None) -> tuple[float, float] | None:
    if len(lines) >= 2:
        matches = [_LABELLED.match(line) for line in lines[-2:]]
        values = [_value(match, scale) if match else None for match in matches]
        if values[0] is not None and values[1] is not None:
            return values[0], values[1]
        if matches[0] or matches[1]:
            return None
    for line in reversed(lines):
        two = _TWO.match(line)
        second = _BARE.match(two["rest"]) if two else None
        if two is None or second is None or second["tail"].strip(" .。।"):
            continue
        first_value, second_value = _value(two, scale), _value(second, scale)
        return None if first_value is None or second_value is None else (first_value, second_value)
    return None


def _value(match: regex.Match[str], scale: Scale | None) -> float | None:
    value = float(match["score"].replace("\u2212", "-").replace(",", "."))
    if scale is None:
        return value
    if match["of"] is not None and float(match["of"]) != scale[1]:
        return None
    return value if scale[0] <= value <= scale[1] else None


def _plain(text: str, keep: str = "") -> str:
    said = strip_invisible(text).rpartition("</think>")[2]
    folded = to_ascii(unicodedata.normalize("NFKC", to_ascii(said))).translate(_COLONS)
    folded = _ETHIOPIC.sub(lambda m: f"{unicodedata.numeric(m[0]):.0f}", folded)
    folded = _HAN_SCORE.sub(lambda m: str(_HAN.index(m[0])), folded)
    return _ORNAMENT.sub(lambda m: m[0] if m[0] in keep else "", folded.replace("\r", "\n"))


def _lines(text: str) -> list[str]:
    return [line for part in _PARTS.split(_plain(text)) if (line := part.strip(" \t-•|"))]
