"""What the benchmarks' own parsers do, told in our words: for ``official`` mode alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

_MINUS, _PLUS = "-−﹣－负負", "+＋﹢正"
_GROUPING = ",，﹐、٬ \u00a0\u202f\u2009\u2007\u2008'’ʼ＇"
_DIGITS = dict(
    zip(
        "零〇○一二三四五六七八九壹贰貳叁參肆伍陆陸柒捌玖两兩幺",
        (0, 0, 0, *range(1, 10), 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 2, 2, 1),
        strict=True,
    )
)
_TENS = {"廿": 20, "卅": 30, "卌": 40}
_SMALL = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_LARGE = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8, "兆": 10**12}
_POWER = re.compile("([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)$")
_FROM_POWER = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "+-0123456789")


def inspect_number(text: str) -> float | None:
    """As inspect_ai's ``unicode_number_to_float``; None where that raises. A comma before one to three last digits is
    a decimal mark in every language, and of ``12万`` only the last digit counts."""
    text, negative = text.strip(), False
    while text and text[0] in _MINUS + _PLUS:
        negative ^= text[0] in _MINUS
        text = text[1:].lstrip()
    sign = -1.0 if negative else 1.0
    if len(text) == 1:
        single = unicodedata.numeric(text, None)
        if single is not None:
            return sign * single
    text = text.rstrip(_GROUPING) if _POWER.search(text.rstrip(_GROUPING)) else text
    power = _POWER.search(text)
    head = text[: power.start()].rstrip() if power else ""
    try:
        base = _with_fraction(head or text)
        if base is None:
            return None
        return float((sign * base) ** int(power[1].translate(_FROM_POWER)) if power and head else sign * base)
    except (ValueError, OverflowError, ZeroDivisionError):
        return None


def _with_fraction(text: str) -> float | None:
    hits = [i for i, char in enumerate(text) if 0 < unicodedata.numeric(char, 0) < 1]
    if not hits:
        return _core(text.strip())
    if len(hits) > 1 or text[hits[0] + 1 :].strip(_GROUPING):
        return None
    head = text[: hits[0]].strip()
    whole = _core(head) if head else 0.0
    return None if whole is None else whole + unicodedata.numeric(text[hits[0]])


def _core(text: str) -> float | None:
    signs = {*_DIGITS, *_TENS, *_SMALL, *_LARGE, *"点點负負正"}
    if any(char in signs for char in text):
        value = _chinese(text)
        if value is not None:
            return value
    value = _generic(text)
    return unicodedata.numeric(text, None) if value is None and len(text) == 1 else value


def _chinese(text: str) -> float | None:
    mark = next((mark for mark in "点點．." if mark in text), None)
    whole, _, digits = text.partition(mark) if mark else (text, "", "")
    units = {**_TENS, **_SMALL, **_LARGE}
    value = _with_units(whole) if any(char in units for char in whole) else _positional(whole)
    fraction = _positional(digits) if digits.strip() else 0
    if value is None or fraction is None:
        return None
    return float(value + fraction / 10 ** len("".join(digits.split())))


def _positional(text: str) -> float | None:
    digits = [_digit(char) for char in text if not char.isspace()]
    if any(digit is None for digit in digits):
        return None
    return float("".join(map(str, digits)) or "0")


def _with_units(text: str) -> float | None:
    total = section = number = 0
    for char in text:
        digit = _digit(char)
        if char.isspace() or char in "零〇○":
            continue
        if char in _TENS:
            section += _TENS[char]
        elif digit is not None:
            number = digit
        elif char in _SMALL:
            section, number = section + (number or 1) * _SMALL[char], 0
        elif char in _LARGE:
            total, section, number = total + (section + number) * _LARGE[char], 0, 0
        else:
            return None
    return float(total + section + number)


def _digit(char: str) -> int | None:
    return _DIGITS.get(char, unicodedata.digit(char, None))


def _generic(text: str) -> float | None:
    mark = _decimal_mark(text)
    out = ""
    for place, char in enumerate(text):
        digit = _digit(char)
        if char in "eE" and out and "e" not in out:
            out += "e"
        elif char in _MINUS[:4] + _PLUS[:3] and text[place - 1 : place] in ("e", "E"):
            out += "-" if char in _MINUS else "+"
        elif char in ("٫", "．") or char == mark:
            if "." in out:
                return None
            out += "."
        elif digit is not None:
            out += str(digit)
        elif not (char in _GROUPING or char.isspace() or (mark and char in ",.")):
            return None
    return float(out) if any(char.isdigit() for char in out) else None


def _decimal_mark(text: str) -> str | None:
    if "." in text:
        return "." if text.rfind(".") > text.rfind(",") else ","
    behind = sum(_digit(char) is not None for char in text[text.rfind(",") + 1 :])
    return "," if "," in text and 1 <= behind <= 3 else None


def mmmu_choice(response: str, options: Sequence[str]) -> str | None:
    """As MMMU's ``parse_multi_choice_response``; None where that draws a letter by chance."""
    letters = [chr(ord("A") + i) for i in range(len(options))]
    for char in ",.!?;:'":
        response = response.strip(char)
    response = f" {response} "
    for frame in ("({})", " {} "):
        found = [letter for letter in letters if frame.format(letter) in response]
        if found:
            return max(found, key=lambda letter: (response.rfind(frame.format(letter)), -ord(letter)))
    if len(response.split()) <= 5:
        return None
    text = response.lower()
    named = [(text.rfind(option.lower()), -i) for i, option in enumerate(options) if option.lower() in text]
    return letters[-max(named)[1]] if named else None


def pope_answer(text: str) -> str:
    """As POPE's evaluate.py: of the first sentence, "No", "no" or "not" among the words is no, all else is yes."""
    words = text.split(".")[0].replace(",", "").split(" ")
    return "no" if {"No", "not", "no"} & set(words) else "yes"


_VLMEVAL = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"<answer>\s*([A-Z])\s*</answer>",
        r"\\boxed\s*\{\s*([A-Z])\s*\}",
        r"answer\s*(?:is|:)\s*([A-Z])(?:\s|$|[.,])",
        r"\*\*([A-Z])\*\*",
    )
)


def vlmeval_choice(answer: str, options: Mapping[str, str]) -> str | None:
    """As VLMEvalKit's ``can_infer``, without the judge that it would call next."""
    for pattern in _VLMEVAL:
        said = pattern.search(answer)
        if said is not None and said[1].upper() in options:
            return said[1].upper()
    words = re.sub(r"[.()\[\],:;!*#{}]", " ", answer).split()
    found = [letter for letter in options if letter in words]
    if len(found) == 1 and words.index(found[0]) > len(words) - 5:
        return found[0]
    if not found and "Z" in words:
        return None
    text = answer.lower()
    if len(text) > 2 * sum(len(str(option)) for option in options.values()):
        return None
    named = [letter for letter, option in options.items() if str(option).lower() in text]
    return named[0] if len(named) == 1 else None
