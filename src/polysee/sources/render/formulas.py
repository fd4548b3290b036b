"""Formulas in LaTeX, made by a small grammar and set by matplotlib's mathtext."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import numpy as np
from PIL import Image

from polysee.schema.errors import MissingExtra
from polysee.sources.render.canvas import Colour

_LETTERS = tuple("abcdfghkmnpqrstuvxyz")
_GREEK = (
    r"\alpha", r"\beta", r"\gamma", r"\delta", r"\theta", r"\lambda", r"\mu", r"\pi", r"\sigma", r"\phi", r"\omega",
)  # fmt: skip
_FUNCTIONS = (r"\sin", r"\cos", r"\tan", r"\log", r"\ln", r"\exp")
_RELATIONS = ("=", "<", r"\leq", r"\geq", r"\neq", r"\approx")
_SETS = ("cm", "stix", "dejavusans")


def formula(rng: np.random.Generator) -> str:
    """LaTeX of a relation between two terms, in one fixed way of writing (spaces around signs, braces everywhere)."""
    relation = _RELATIONS[int(rng.choice(len(_RELATIONS), p=[0.65, 0.07, 0.07, 0.07, 0.07, 0.07]))]
    return f"{_term(rng, int(rng.integers(1, 3)))} {relation} {_term(rng, int(rng.integers(1, 3)))}"


def draw_formula(latex: str, rng: np.random.Generator, *, height: int, colour: Colour) -> Image.Image:
    """A formula on white, RGB, at ``height`` pixels to the em. Raises `MissingExtra` without matplotlib."""
    require()
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    fonts = _SETS[int(rng.integers(len(_SETS)))]
    with matplotlib.rc_context({"mathtext.fontset": fonts}):
        # 72 dots an inch: a point is a pixel.
        parsed = MathTextParser("agg").parse(f"${latex}$", 72, FontProperties(size=height))
    mask = Image.fromarray(np.array(parsed.image, dtype=np.uint8))
    edge = height // 2
    image = Image.new("RGB", (mask.width + 2 * edge, mask.height + 2 * edge), (255, 255, 255))
    image.paste(colour, (edge, edge), mask)
    return image


def require() -> str:
    """The version of matplotlib. Raises `MissingExtra`."""
    try:
        return version("matplotlib")
    except PackageNotFoundError:
        raise MissingExtra("matplotlib", "render") from None


def _term(rng: np.random.Generator, depth: int) -> str:
    if depth == 0:
        return _atom(rng)
    kind = int(rng.integers(9))
    inner = _term(rng, depth - 1)
    if kind == 0:
        return rf"\frac{{{inner}}}{{{_term(rng, depth - 1)}}}"
    if kind == 1:
        return rf"\sqrt{{{inner}}}"
    if kind == 2:
        return rf"\sum_{{i=1}}^{{{_letter(rng)}}} {_letter(rng)}_{{i}}"
    if kind == 3:
        return rf"\int_{{{int(rng.integers(0, 3))}}}^{{{_letter(rng)}}} {inner} \, d{_letter(rng)}"
    if kind == 4:
        return rf"{_FUNCTIONS[int(rng.integers(len(_FUNCTIONS)))]} \left( {inner} \right)"
    if kind == 5:
        return rf"\left( {inner} + {_atom(rng)} \right)^{{{int(rng.integers(2, 6))}}}"
    sign = ("+", "-", r"\cdot")[kind - 6]
    return f"{inner} {sign} {_term(rng, depth - 1)}"


def _atom(rng: np.random.Generator) -> str:
    kind = int(rng.integers(5))
    if kind == 0:
        return str(int(rng.integers(1, 100)))
    if kind == 1:
        return f"{_letter(rng)}^{{{int(rng.integers(2, 10))}}}"
    if kind == 2:
        return f"{_letter(rng)}_{{{int(rng.integers(0, 10))}}}"
    return _letter(rng)


def _letter(rng: np.random.Generator) -> str:
    letters = _GREEK if rng.random() < 0.25 else _LETTERS
    return letters[int(rng.integers(len(letters)))]
