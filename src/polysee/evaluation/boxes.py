"""Boxes in answers, and how far two boxes overlap."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from polysee.evaluation.numbers import fold_digits

_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)"
_OFFICIAL = re.compile(r"\[\s*({n})\s*,\s*({n})\s*,\s*({n})\s*,\s*({n})\s*\]".replace("{n}", r"\d+(?:\.\d+)?"))
_BRACKETS = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)")
_SIGNS = str.maketrans({"،": ",", "、": ",", "；": ";", "؛": ";", "【": "[", "】": "]", "〔": "[", "〕": "]"})


def parse_official(text: str) -> list[float]:
    """The first ``[a, b, c, d]`` in ASCII; four zeros where there is none (lmms-eval's RefCOCO reader)."""
    found = _OFFICIAL.search(text)
    return [float(value) for value in found.groups()] if found else [0.0, 0.0, 0.0, 0.0]


def parse_box(text: str) -> list[float] | None:
    """The four numbers of the first box in ``text``, in its own scale (0-1, 0-1000 or pixels), or None.

    Takes one bracket of four numbers, two brackets of two, or four numbers alone; any script's digits, brackets and
    separators. Other counts of numbers are None, never a guess.
    """
    text = fold_digits(text).translate(_SIGNS)
    groups = [_numbers(next(part for part in found if part is not None)) for found in _groups(text)]
    for index, group in enumerate(groups):
        if group is not None and len(group) == 4:
            return group
        following = groups[index + 1] if index + 1 < len(groups) else None
        if group is not None and following is not None and len(group) == len(following) == 2:
            return group + following
    if groups:
        return None
    bare = [float(value) for value in re.findall(rf"(?<![\w.]){_NUMBER}(?![\w])", text)]
    return bare if len(bare) == 4 else None


def _groups(text: str) -> list[tuple[str | None, ...]]:
    return [found.groups() for found in _BRACKETS.finditer(text)]


def _numbers(text: str) -> list[float] | None:
    """Numbers set apart by commas, semicolons or spaces; with semicolons a comma is a decimal mark."""
    if ";" in text:
        text = text.replace(",", ".").replace(";", " ")
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
