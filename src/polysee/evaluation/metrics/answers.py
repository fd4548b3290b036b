"""Short answers to questions about pictures, documents and charts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import regex

from polysee.evaluation.extraction.choice import option_letter
from polysee.evaluation.extraction.lexicon import FALLBACK, lexicon, lower, phrases, prepare
from polysee.evaluation.extraction.number import number
from polysee.evaluation.metrics.base import Call, Metric, texts
from polysee.evaluation.metrics.forms import answer_key, holds, narrow, plain, same
from polysee.evaluation.metrics.peers import inspect_number
from polysee.evaluation.numbers import fold_digits, parse_number
from polysee.schema.errors import MissingExtra

THRESHOLD = 0.5
TOLERANCE = 0.05
_LIST = re.compile(r"\s*\[([^\[\]]+)\]\s*")
YEARS = range(1800, 2101)
"""Plain four-digit numbers in this range are taken for years, which are right or wrong."""

_FORMULA = re.compile(r"[\\^{}]|_\s*\{")
_PERCENT = "%٪％﹪"
_CURRENCY_SIGN = regex.compile(r"\p{Sc}")
_CURRENCY = regex.compile(r"(?<=^[-−]?)\p{Sc}\s*|\s*\p{Sc}$")


def levenshtein(first: str, second: str) -> int:
    """Edit distance in code points, by rapidfuzz."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ImportError as error:
        raise MissingExtra("rapidfuzz", "eval") from error
    return int(Levenshtein.distance(first, second))


def exact_match(prediction: str, references: Any, call: Call) -> float:
    """1 if the answer is one of the golds; official: to the letter."""
    if call.official:
        return float(prediction in texts(references))
    return float(any(same(prediction, reference, call.language) for reference in texts(references)))


def anls(prediction: str, references: Any, call: Call) -> float:
    """Average normalised Levenshtein similarity of one question (Biten et al., ICCV 2019): 1 - NL if NL < 0.5, else 0.

    Official: distances of lower-cased, squeezed texts over the length of the raw ones, and NL = 0.5 keeps its half.
    """
    distances = []
    for reference in texts(references):
        if call.official:
            gold, answer = (" ".join(text.lower().split()) for text in (reference, prediction))
            length = max(len(reference.upper()), len(prediction.upper()))
        else:
            gold, answer = plain(reference, call.language), plain(prediction, call.language)
            length = max(len(gold), len(answer))
        distances.append(levenshtein(gold, answer) / length if length else 0.0)
    nearest = min(distances, default=1.0)
    kept = nearest <= THRESHOLD if call.official else nearest < THRESHOLD
    return 1.0 - nearest if kept else 0.0


def relaxed_accuracy(prediction: str, references: Any, call: Call) -> bool:
    """Within 5% of a numeric gold, else equal (ChartQA, section 5.1). Multilingual: years must be equal."""
    judge = _relaxed_official if call.official else _relaxed
    return any(judge(prediction, reference, call.language) for reference in texts(references))


def _relaxed_official(prediction: str, gold: str, language: str) -> bool:
    found, target = _python_float(prediction), _python_float(gold)
    if found is not None and target:
        return abs(found - target) / abs(target) <= TOLERANCE
    return prediction.lower() == gold.lower()


def _python_float(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        return None


def _relaxed(prediction: str, gold: str, language: str) -> bool:
    prediction, gold = (
        _percent_words(language).sub("%", lower(prepare(text), language).strip(" .。।")) for text in (prediction, gold)
    )
    signs = [{*_CURRENCY_SIGN.findall(fold_digits(text))} for text in (prediction, gold)]
    if all(signs) and signs[0] != signs[1]:
        return False
    years = _year(prediction), _year(gold)
    if None not in years:
        return years[0] == years[1]
    # The gold may be in the notation of machines though the answer is in the language's: 3,5 and 3.5.
    for ours, theirs in ((language, language), (language, "en"), ("en", "en")):
        found, target = _quantity(prediction, ours), _quantity(gold, theirs)
        if found is not None and target is not None:
            close = found == target if target == 0 else abs(found - target) <= TOLERANCE * abs(target) * (1 + 1e-9)
            if close:
                return True
    wanted = answer_key(gold, language)
    return bool(wanted) and answer_key(prediction, language) == wanted and _percent(prediction) == _percent(gold)


def _year(text: str) -> int | None:
    folded = fold_digits(text).strip(" .。।").removesuffix("年").removesuffix("년")
    return int(folded) if len(folded) == 4 and folded.isdigit() and int(folded) in YEARS else None


@lru_cache(maxsize=256)
def _percent_words(language: str) -> regex.Pattern[str]:
    words = [w for table in (lexicon(language), lexicon(FALLBACK)) if table is not None for w in table.percent]
    return regex.compile(rf"(?<=\p{{N}}\s?)(?:{phrases(words, language, start=False).pattern})$")


def _percent(text: str) -> bool:
    return any(sign in text for sign in _PERCENT)


def _quantity(text: str, language: str) -> float | None:
    text = text.strip().strip("。।!！؟")
    bare = _CURRENCY.sub("", text.strip(_PERCENT + " \u00a0\u202f"))
    value = parse_number(bare, language=language)
    return value / 100.0 if value is not None and _percent(text) else value


def ocrbench(prediction: str, references: Any, call: Call) -> float:
    """1 if a gold stands in the answer. Golds with TeX signs are formulas and compared without spaces, case kept.

    Official: as lmms-eval has it, where any substring will do.
    """
    for gold in texts(references):
        if call.official:
            if _FORMULA.search(gold):
                answer, wanted = (re.sub(r"[ \n]", "", text.strip()) for text in (prediction, gold))
            else:
                answer, wanted = (narrow(text).lower().strip().replace("\n", " ") for text in (prediction, gold))
            found = wanted in answer
        elif _FORMULA.search(gold):
            found = re.sub(r"\s", "", fold_digits(gold)) in re.sub(r"\s", "", fold_digits(prediction))
        else:
            found = holds(prediction, gold, call.language)
        if found:
            return 1.0
    return 0.0


def mtvqa(prediction: str, references: Any, call: Call) -> float:
    """1 if a gold stands in the answer. Official: full stops leave the answer but not the gold (MTVQA's acc.py)."""
    if call.official:
        answer = prediction.strip().lower().replace(".", "")
        return float(any(gold.strip().lower() in answer for gold in texts(references)))
    return float(any(holds(prediction, gold, call.language) for gold in texts(references)))


def mathvista_match(prediction: str, references: Any, call: Call) -> bool:
    """MathVista: an option by letter or nearest text, else an integer, or a float to the gold's digits.

    Official: whole part of any number counts for an integer, and any text falls to the nearest option. Multilingual:
    the nearest option must be the only nearest one and share half of its characters.
    """
    golds = texts(references)
    if call.options:
        options = [str(option) for option in call.options]
        chosen = _nearest_official(prediction, options) if call.official else _option(prediction, options, call)
        return chosen is not None and any(chosen.strip() == gold.strip() for gold in golds)
    judge = _typed_official if call.official else _typed
    return any(judge(prediction, gold, call.language) for gold in golds)


def _nearest_official(prediction: str, options: Sequence[str]) -> str:
    answer = prediction.strip()
    letters = re.findall(r"\(([a-zA-Z])\)", answer)
    if letters:
        answer = letters[0].upper()
    place = ord(answer) - ord("A") if len(answer) == 1 else -1
    if 0 <= place < len(options):
        return options[place]
    return min(options, key=lambda option: levenshtein(answer, option))


def _option(prediction: str, options: Sequence[str], call: Call) -> str | None:
    letter = option_letter(prediction, options, language=call.language)
    if letter is not None:
        return options[ord(letter) - ord("A")]
    answer = plain(prediction, call.language)
    equal = [option for option in options if same(prediction, option, call.language)]
    if len(equal) == 1:
        return equal[0]
    near = sorted((levenshtein(answer, plain(option, call.language)), option) for option in options)
    length = max(len(answer), len(near[0][1]))
    alone = len(near) == 1 or near[0][0] < near[1][0]
    return near[0][1] if answer and alone and 2 * near[0][0] < length else None


def _typed_official(prediction: str, gold: str, language: str) -> bool:
    if re.fullmatch(r"\s*-?\d+\s*", gold):
        value = _python_float(prediction) if not prediction.endswith("%") else None
        return value is not None and abs(value) < float("inf") and str(int(value)) == gold.strip()
    decimals = re.fullmatch(r"\s*-?\d*\.(\d+)\s*", gold)
    if decimals:
        value = _python_float(prediction) if not prediction.endswith("%") else None
        return value is not None and str(round(value, len(decimals[1]))) == gold.strip()
    return prediction.strip() == gold.strip()


def _typed(prediction: str, gold: str, language: str) -> bool:
    wanted, given = _members(gold), _members(prediction)
    if wanted and given:
        return len(wanted) == len(given) and all(same(a, b, "en") for a, b in zip(given, wanted, strict=True))
    target = parse_number(gold, language="en")
    if target is None:
        return same(prediction, gold, language)
    decimals = regex.fullmatch(r".*\.(\d+)", fold_digits(gold).strip())
    found = number(prediction, language=language)
    digits = len(decimals[1]) if decimals else 0
    return found is not None and (found == target or (digits > 0 and round(found, digits) == round(target, digits)))


def _members(text: str) -> list[str]:
    """What stands in the brackets of a list; nothing where the text is none."""
    found = _LIST.fullmatch(fold_digits(text))
    return [member.strip(" '\"") for member in found[1].split(",")] if found else []


def unicode_number(prediction: str, references: object, call: Call) -> float | None:
    """The number that a text is. Official: as inspect_ai reads it."""
    return inspect_number(prediction) if call.official else parse_number(prediction, language=call.language)


METRICS: dict[str, Metric] = {
    "anls": anls,
    "exact_match": exact_match,
    "mathvista_match": mathvista_match,
    "mtvqa": mtvqa,
    "ocrbench": ocrbench,
    "relaxed_accuracy": relaxed_accuracy,
    "unicode_number": unicode_number,
}
