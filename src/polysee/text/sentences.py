"""Sentences, as each script ends them, and the white space between them; the pieces that translators take.

Latin, Greek, Cyrillic and their like end a sentence with ``. ! ?`` before a space; Chinese and Japanese with ``。！？``
and no space; Arabic with ``؟ ۔``, Indic scripts with a danda, Ethiopic with ``። ፧ ፨``, Khmer and Burmese with ``។ ။``.
Thai and Lao do not mark the end: there a line break is one, and a long text is cut at a space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import regex

from polysee.text.languages import is_known, language
from polysee.text.segment import graphemes

_CLOSERS = r"""["'”’»)\]）」』】》〉〕]*"""
_END = regex.compile(rf"(?:(?P<strong>[。｡！？؟۔।॥።፧፨។៕။])[。｡！？؟۔।॥።፧፨.!?]*|[.!?…]+){_CLOSERS}")
_QUOTED = regex.compile(r"""["'”’»」』》〉]$""")
# A run of white space that holds a line's end; tried at the beginning of a run alone, or long runs take squared time.
_BREAK = regex.compile(r"(?<!\s)(?=[^\S\n\u2028\u2029\x0b\x0c]*+[\n\u2028\u2029\x0b\x0c])\s++")
_SPACE = regex.compile(r"\s*")
_LOWER = regex.compile(r"""["'“‘«(\[]*\p{Ll}""")
# Abbreviations before whose names and numbers no sentence ends, in the Latin script; single letters count as such, too.
_ABBREVIATION = regex.compile(
    r"(?i:(?<![\p{L}\p{M}])(?:\p{L}|mrs?|ms|messrs|dr|prof|sr|sra|srta|dra|mme|mlle|hr|fr|st|ste|gen|col|capt|sgt|lt|rev|"
    r"hon|pres|gov|no|nos|núm|nr|fig|figs|eq|sec|ch|pp|vol|vs|cf|approx|ca|bzw|usw|evtl|inkl|al|ed|eds|"
    r"e\.g|i\.e|z\.b|d\.h|p\.ex|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec))\.$"
)
# Where a sentence that is too long may be cut, best first: after a clause's punctuation, at a space.
_CLAUSE = regex.compile(r"[,;:،؛、，；：፣፤፥၊–—][”’»)\]）」』】]*(?:\s+|(?<=[、，；：].?)(?=\S))")
_BLANK = regex.compile(r"\s+")
_TIGHT_SCRIPTS = frozenset({"Hans", "Hant", "Hani", "Jpan", "Hrkt", "Hanb"})
_FULL_WIDTH_END = regex.compile(rf"[。｡！？…、，；：]{_CLOSERS}$")


@dataclass(frozen=True, slots=True)
class Sentences:
    """``gaps`` holds the white space before, between and after the ``texts``: one more than there are texts."""

    texts: tuple[str, ...]
    gaps: tuple[str, ...]


def split(text: str, *, longest: int | None = None) -> Sentences:
    """The sentences of a text in any script. Joined with their gaps they are the text again, to the character.

    ``longest``: the most characters of a sentence; a longer one is cut at the end of a clause, at a space or between
    graphemes. A text of white space alone has no sentence and one gap. Raises `ValueError` for ``longest`` below 1.
    """
    if longest is not None and longest < 1:
        raise ValueError(f"no sentence fits into {longest} characters")
    texts: list[str] = []
    gaps: list[str] = []
    done = 0
    for start, end in _spans(text):
        for first, last in [(start, end)] if longest is None else _cut(text, start, end, longest):
            gaps.append(text[done:first])
            texts.append(text[first:last])
            done = last
    return Sentences(tuple(texts), (*gaps, text[done:]))


def join(sentences: Sentences, translations: Sequence[str], *, source: str, target: str) -> str:
    """The translations of the sentences with the white space of the original.

    Line breaks, indents and outer spaces come back as they were. Between two sentences of a line there is what the
    target's script has there: nothing after full-width punctuation in Chinese and Japanese, a space in other scripts.
    Raises `ValueError` where there are not as many translations as sentences.
    """
    if len(translations) != len(sentences.texts):
        raise ValueError(f"{len(translations)} translations for {len(sentences.texts)} sentences")
    was_tight, is_tight = _is_tight(source), _is_tight(target)
    parts = [sentences.gaps[0]]
    for index, (translation, gap) in enumerate(zip(translations, sentences.gaps[1:], strict=True)):
        inner = index < len(translations) - 1
        if inner and was_tight and not is_tight and gap == "":
            gap = " "
        elif inner and is_tight and not was_tight and gap == " " and _FULL_WIDTH_END.search(translation):
            gap = ""
        parts += [translation, gap]
    return "".join(parts)


def _is_tight(tag: str) -> bool:
    return is_known(tag) and language(tag).script in _TIGHT_SCRIPTS


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence, without the white space around it."""
    at = 0
    for match in [*_BREAK.finditer(text), None]:
        end = len(text) if match is None else match.start()
        yield from _line(text, at, end)
        at = len(text) if match is None else match.end()


def _line(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    start = _skip(text, start, end)
    at = start
    for match in _END.finditer(text, start, end):
        if match.end() < end and _ends(text, match, end):
            yield at, match.end()
            at = _skip(text, match.end(), end)
    last = end
    while last > at and text[last - 1].isspace():
        last -= 1
    if last > at:
        yield at, last


def _ends(text: str, match: regex.Match[str], end: int) -> bool:
    """Whether a sentence ends at its punctuation: not in “Dr. Who”, “3.5”, “e.g. this” or “wait... what”."""
    after = _skip(text, match.end(), end)
    if match["strong"] is not None:
        # 「本当？」と言った goes on after its quotation.
        return after > match.end() or not _QUOTED.search(match[0])
    if after == match.end() or after == end or _LOWER.match(text, after, end):
        return False
    return not (match[0] == "." and _ABBREVIATION.search(text, max(0, match.end() - 12), match.end()))


def _skip(text: str, start: int, end: int) -> int:
    match = _SPACE.match(text, start, end)
    return match.end() if match is not None else start


def _cut(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    while end - start > longest:
        stop, following = _best_cut(text, start, start + longest)
        yield start, stop
        start = following
    if end > start:
        yield start, end


def _best_cut(text: str, start: int, limit: int) -> tuple[int, int]:
    """Where a part ends, at ``limit`` at the latest, and where the next one begins."""
    for pattern, least in ((_CLAUSE, start + (limit - start) // 3), (_BLANK, start)):
        found = None
        for match in pattern.finditer(text, start, limit + 1):
            stop = match.start() + len(match[0].rstrip())
            if least < stop <= limit:
                found = stop, match.end()
        if found is not None:
            return found[0], _skip(text, found[1], len(text))
    # A grapheme that is longer than the limit has to be cut all the same: the part would never end.
    stop = start
    for grapheme in graphemes(text[start : limit + 64]):
        if stop + len(grapheme) > limit:
            break
        stop += len(grapheme)
    return (stop, stop) if stop > start else (limit, limit)
