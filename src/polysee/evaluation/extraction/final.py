"""The part of an answer that holds its result: after the reasoning, in a box, behind the words that announce it."""

from __future__ import annotations

from functools import lru_cache

import regex

from polysee.evaluation.extraction.lexicon import FALLBACK, lexicon, lower, phrases, prepare

_NAMES = "think|thinking|thought|thoughts|reasoning"
_OPEN = regex.compile(rf"<(?:{_NAMES})>|<\|begin_of_thought\|>|\[think\]|◁think▷", regex.IGNORECASE)
_CLOSE = regex.compile(rf"</(?:{_NAMES})>|<\|end_of_thought\|>|\[/think\]|◁/think▷", regex.IGNORECASE)
_TAG = regex.compile(r"<(answer|final|final_answer|solution)>(.*?)(?:</\1>|$)", regex.IGNORECASE | regex.DOTALL)
_BOXED = regex.compile(r"\\(?:boxed|fbox)\s*\{")
_TEX = regex.compile(r"\\(?:text|textbf|mathrm|mathbf|textit|operatorname)\s*\{([^{}]*)\}")
_HASHES = regex.compile(r"^\s*####\s*(.+)$", regex.MULTILINE)
# A few words and a colon between the announcement and the result: "the final result of that is: 5".
_COPULA = regex.compile(r"[^\p{N}:：\n]{0,15}[:：]\s*(?=\S)")
_LEAD = regex.compile(r"^[\s:=\-–—>*_\"'،,؛]+")


def after_reasoning(text: str) -> str:
    """Without the reasoning between think marks. Reasoning that never ends holds no answer: the result is empty."""
    ends = list(_CLOSE.finditer(text))
    if ends:
        return text[ends[-1].end() :]
    start = _OPEN.search(text)
    return text[: start.start()] if start else text


def marked(text: str) -> str | None:
    r"""What stands in the last ``<answer>``, ``\boxed{}`` or behind the last ``####``; None where there is none."""
    tags = _TAG.findall(text)
    if tags:
        inner: str = tags[-1][1]
        return (boxed(inner) or inner).strip()
    found = boxed(text)
    if found is not None:
        return found
    hashes = _HASHES.findall(text)
    return hashes[-1].strip() if hashes else None


def boxed(text: str) -> str | None:
    r"""The contents of the last ``\boxed{}`` that closes, TeX's text commands taken off."""
    for found in reversed(list(_BOXED.finditer(text))):
        depth = 1
        for place in range(found.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                return _TEX.sub(r"\1", text[found.end() : place]).strip().strip("$")
    return None


def body(text: str) -> str:
    """The answer without its reasoning, and of that only what is marked as the result where anything is."""
    rest = after_reasoning(text)
    inner = marked(rest)
    return rest if inner is None else inner


def announced(text: str, language: str) -> str | None:
    """What follows the last words such as "the answer is" up to the end of the line, or None where they are missing."""
    ready = prepare(text)
    found = list(_final(language).finditer(lower(ready, language)))
    if not found:
        return None
    # Of cues that follow one another ("so the answer is"), the last one is nearest to the result.
    for match in reversed(found):
        rest = ready[match.end() :]
        line = _LEAD.sub("", rest).split("\n", 1)[0].strip()
        if line.strip(" .*_:。"):
            copula = _COPULA.match(line)
            return line[copula.end() :] if copula else line
    return None


def final_answer(text: str, *, language: str = "en") -> str:
    """The result of a long answer as text; the answer itself where nothing marks a part of it.

    Takes off reasoning, then the last of: an answer tag or box, words such as "final answer" in the language or in
    English, the last line of several. Reasoning that was never closed leaves an empty text.
    """
    rest = after_reasoning(text)
    inner = marked(rest)
    if inner is not None:
        return inner
    found = announced(rest, language)
    if found is not None:
        return found.strip("*_ ")
    lines = [line.strip() for line in rest.splitlines() if line.strip()]
    return lines[-1].strip("*_ ") if lines else ""


@lru_cache(maxsize=256)
def _final(language: str) -> regex.Pattern[str]:
    words: list[str] = []
    for table in (lexicon(language), lexicon(FALLBACK)):
        words += table.final if table is not None else ()
    return phrases(words, language)
