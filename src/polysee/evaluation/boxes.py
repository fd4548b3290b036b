"""Boxes in answers, and how far two boxes overlap."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from polysee.evaluation.extraction.final import after_reasoning
from polysee.evaluation.numbers import fold_digits

_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3})?"
_PIXELS = re.compile(r"(?<=\d)\s?(?:px|pixels?)\b", re.IGNORECASE)
_OFFICIAL = re.compile(r"\[\s*({n}),\s*({n}),\s*({n}),\s*({n})\s*\]".replace("{n}", r"-?\d+(?:\.\d+)?"))
_BRACKETS = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)|<([^<>/]*\d[^<>]*)>|\{([^{}\w]*\d[^{}:]*)\}")
_TAGGED = re.compile(r"<\|?(?:box|bbox|box_start|b)\|?>(.*?)(?:<(?:/|\|)|$)", re.DOTALL | re.IGNORECASE)
_LOCATIONS = re.compile(r"<loc_?(\d{1,4})>\s*<loc_?(\d{1,4})>\s*<loc_?(\d{1,4})>\s*<loc_?(\d{1,4})>")
_NAMED = re.compile(
    r"[\"']?\b(x_?(?:min|1)|left|y_?(?:min|1)|top|x_?(?:max|2)|right|y_?(?:max|2)|bottom)\b[\"']?\s*[:=]\s*[\"']?"
    rf"({_NUMBER})",
    re.IGNORECASE,
)
_CORNERS = {"left": 0, "top": 1, "right": 2, "bottom": 3, "x1": 0, "xmin": 0, "y1": 1, "ymin": 1}
_CORNERS |= {"x2": 2, "xmax": 2, "y2": 3, "ymax": 3}
_SIGNS = str.maketrans({"،": ",", "、": ",", "；": ";", "؛": ";", "【": "[", "】": "]", "〔": "[", "〕": "]"})
_DECIMAL_COMMAS = re.compile(r"[+-]?\d+,\d+")


def parse_official(text: str) -> list[float]:
    """The first ``[a, b, c, d]`` in ASCII; four zeros where there is none (lmms-eval's RefCOCO reader)."""
    found = _OFFICIAL.search(text)
    return [float(value) for value in found.groups()] if found else [0.0, 0.0, 0.0, 0.0]


def parse_box(text: str) -> list[float] | None:
    """The four numbers of the first box in ``text``, in its own scale (0-1, 0-1000 or pixels), or None.

    Takes one bracket of four numbers, two brackets of two, corners by name (``x1``, ``xmin``, ``left`` ...; JSON or
    not), box tags, or four numbers alone; any script's digits, brackets and separators. The order is x1, y1, x2, y2
    as written; only ``<loc....>`` tokens, which PaliGemma writes y first, are put in that order. Other counts of
    numbers are None, never a guess. Reasoning between think marks is left out.
    """
    text = _PIXELS.sub("", fold_digits(after_reasoning(text)).translate(_SIGNS))
    located = _LOCATIONS.search(text)
    if located is not None:
        y1, x1, y2, x2 = (float(value) for value in located.groups())
        return [x1, y1, x2, y2]
    named = _by_name(text)
    if named is not None:
        return named
    tagged = _TAGGED.search(text)
    if tagged is not None:
        text = tagged[1]
    groups = [_numbers(next(part for part in found if part is not None)) for found in _groups(text)]
    for index, group in enumerate(groups):
        if group is not None and len(group) == 4:
            return group
        following = groups[index + 1] if index + 1 < len(groups) else None
        if group is not None and following is not None and len(group) == len(following) == 2:
            return group + following
    if groups and tagged is None:
        return None
    alone = _numbers(text) if tagged is not None else None
    if alone is not None and len(alone) == 4:
        return alone
    bare = [float(value) for value in re.findall(rf"(?<![\w.]){_NUMBER}(?![\w])", text)]
    return bare if len(bare) == 4 else None


def _by_name(text: str) -> list[float] | None:
    """The first four named corners; None unless all four are there."""
    corners: dict[int, float] = {}
    for name, value in _NAMED.findall(text):
        corners.setdefault(_CORNERS[name.lower().replace("_", "")], float(value))
        if len(corners) == 4:
            return [corners[place] for place in range(4)]
    return None


def _groups(text: str) -> list[tuple[str | None, ...]]:
    return [found.groups() for found in _BRACKETS.finditer(text)]


def _numbers(text: str) -> list[float] | None:
    """Numbers set apart by commas, semicolons or spaces; with semicolons a comma is a decimal mark."""
    if ";" in text:
        text = text.replace(",", ".").replace(";", " ")
    spaced = [part.rstrip(",") for part in text.split()]
    if len(spaced) == 4 and all(_DECIMAL_COMMAS.fullmatch(part) for part in spaced):
        text = " ".join(part.replace(",", ".") for part in spaced)
    parts = text.replace(",", " ").split()
    if not parts or not all(re.fullmatch(_NUMBER, part) for part in parts):
        return None
    return [float(part) for part in parts]


def iou(first: Sequence[float], second: Sequence[float]) -> float:
    """Area of the intersection over area of the union of two boxes (x1, y1, x2, y2), 0-1.

    A box without area overlaps nothing. Raises `ValueError` unless both have four finite numbers.
    """
    for box in (first, second):
        if len(box) != 4 or not all(math.isfinite(value) for value in box):
            raise ValueError(f"a box is four finite numbers x1, y1, x2, y2, not {list(box)!r}")
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    areas = [max(0.0, b[2] - b[0]) * max(0.0, b[3] - b[1]) for b in (first, second)]
    if width <= 0 or height <= 0 or not all(areas):
        return 0.0
    inter = width * height
    return inter / (sum(areas) - inter)


def iou_official(first: Sequence[float], second: Sequence[float]) -> float:
    """lmms-eval's: areas may come out of swapped corners. 0 where the union has no area, at which the peer fails."""
    width = max(0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0, min(first[3], second[3]) - max(first[1], second[1]))
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)) - width * height
    return width * height / union if union else 0.0
