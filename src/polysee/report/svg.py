"""A little SVG: shapes by attribute, colours by class, so that the page's two themes and its policy both hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Point = tuple[float, float]


def number(value: float) -> str:
    """At most two decimals, no trailing zeros, never an exponent."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def tag(name: str, content: str | Markup = "", **attributes: str | float | None) -> Markup:
    """An element. ``class_`` is class; an underscore in a name is a hyphen; None leaves an attribute out."""
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            shown = value if isinstance(value, str) else number(value)
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{escape(shown)}"')
    head = " ".join(parts)
    return Markup(f"<{head}>{escape(content)}</{name}>") if content else Markup(f"<{head}/>")


def join(parts: Sequence[Markup]) -> Markup:
    return Markup("").join(parts)


def drawing(width: float, height: float, parts: Sequence[Markup], *, label: str, class_: str = "chart") -> Markup:
    """A picture of fixed proportions; ``label`` is read out in its place."""
    return tag(
        "svg", join(parts), class_=class_, viewBox=f"0 0 {number(width)} {number(height)}", role="img", aria_label=label
    )


def strip(parts: Sequence[Markup], *, label: str | None = None, class_: str = "strip") -> Markup:
    """A drawing as wide as its place, drawn in percent. Without a label it repeats text that stands beside it."""
    if label is None:
        return tag("svg", join(parts), class_=class_, aria_hidden="true")
    return tag("svg", join(parts), class_=class_, role="img", aria_label=label)


def share(value: float) -> str:
    """A place in a `strip`."""
    return f"{number(100 * min(1.0, max(0.0, value)))}%"


def bar(start: float, end: float, class_: str, *, y: str = "0", height: str = "100%", title: str = "") -> Markup:
    """A part of a `strip`, from one share to another."""
    hint = tag("title", title) if title else Markup("")
    return tag(
        "rect", hint, class_=class_, x=share(start), y=y, width=share(max(0.0, end - start)), height=height, rx="2"
    )


def path(points: Sequence[Point], class_: str, **attributes: str | float | None) -> Markup:
    """A line through points."""
    text = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return tag("path", "", d=text, class_=class_, **attributes)


def area(points: Sequence[Point], base: float, class_: str) -> Markup:
    """The area between a line and the height ``base``."""
    closed = [(points[0][0], base), *points, (points[-1][0], base)]
    return tag("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in closed) + "Z", class_=class_)


def label(x: float, y: float, content: str, *, anchor: str = "start", class_: str = "tick") -> Markup:
    return tag("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, about as many as asked for."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 10) for i in range(int((high - first * step) / step + 1e-9) + 1)]


def tick_text(value: float) -> str:
    if value and abs(value) < 0.01:
        return f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-")
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight map from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return self.start
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
