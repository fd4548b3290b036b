"""Scores over checkpoints as lines with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from markupsafe import Markup

from polysee.report import svg
from polysee.report.words import Tongue, percent

_WIDTH, _HEIGHT = 860, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 20, 16, 34
_SMALL = (200, 84)
_LABELS = 8


class Spot(Protocol):
    """A mean of 0-1 with the ends of its interval, None where they are not known."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class SmallCurve:
    """``tongue``: None for an ability. ``first`` and ``last``: percent. ``change``: of the last against the first, in
    points."""

    tongue: Tongue | None
    name: str
    figure: Markup
    first: str
    last: str
    change: str
    best: str


def large(spots: Sequence[Spot], places: Sequence[float], names: Sequence[str], chance: float | None) -> Markup:
    """One line as wide as the page. ``places``: of the checkpoints from left to right, rising; ``names``: theirs."""
    x = svg.Scale(places[0], places[-1], _LEFT + 10, _WIDTH - _RIGHT - 10)
    y = svg.Scale(0, 1, _HEIGHT - _BOTTOM, _TOP)
    parts = []
    for value in svg.ticks(0, 1):
        parts.append(svg.tag("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(value), y2=y(value)))
        parts.append(svg.label(_LEFT - 8, y(value) + 4, percent(value, 0), anchor="end"))
    free = float("inf")
    for place, name in zip(reversed(places), reversed(names), strict=True):
        # Where two would touch, the later one stays.
        if free - x(place) >= (_WIDTH - _LEFT - _RIGHT) / _LABELS:
            parts.append(svg.label(x(place), _HEIGHT - 12, _short(name), anchor="middle"))
            free = x(place)
    parts += _line(spots, places, x, y, chance, "vl")
    label = f"Overall score over {len(names)} checkpoints: from {percent(spots[0].value)} to "
    return svg.drawing(_WIDTH, _HEIGHT, parts, label=f"{label}{percent(spots[-1].value)} percent")


def small(spots: Sequence[Spot], places: Sequence[float], chance: float | None, class_: str, title: str) -> Markup:
    """One of many lines. ``class_``: what training had of the language; ``title``: of what it is."""
    width, height = _SMALL
    x, y = svg.Scale(places[0], places[-1], 4, width - 4), svg.Scale(0, 1, height - 4, 4)
    label = f"{title}: from {percent(spots[0].value)} to {percent(spots[-1].value)} percent over "
    return svg.drawing(
        width,
        height,
        _line(spots, places, x, y, chance, class_),
        label=f"{label}{len(spots)} checkpoints",
        class_="chart small",
    )


def change(spots: Sequence[Spot]) -> str:
    """The last against the first, in points."""
    return f"{100 * (spots[-1].value - spots[0].value) + 0.0:+.1f}".replace("-", "−")


def best(spots: Sequence[Spot], names: Sequence[str]) -> str:
    """The name of the checkpoint with the highest score, the first of equals."""
    return names[max(range(len(spots)), key=lambda place: spots[place].value)]


def _line(
    spots: Sequence[Spot], places: Sequence[float], x: svg.Scale, y: svg.Scale, chance: float | None, class_: str
) -> list[Markup]:
    """The interval as a band where every checkpoint has one, the line, and chance."""
    parts = []
    if chance is not None:
        parts.append(svg.tag("line", class_="chance", x1=x.start, x2=x.end, y1=y(chance), y2=y(chance)))
    ends = [(place, one.low, one.high) for place, one in zip(places, spots, strict=True)]
    band = [(x(place), y(low), y(high)) for place, low, high in ends if low is not None and high is not None]
    if len(band) == len(spots):
        upper = [(at, high) for at, _, high in band]
        lower = [(at, low) for at, low, _ in reversed(band)]
        parts.append(svg.path([*upper, *lower, upper[0]], f"fill {class_}"))
    points = [(x(place), y(one.value)) for place, one in zip(places, spots, strict=True)]
    parts.append(svg.path(points, f"line {class_}"))
    parts += [svg.tag("circle", class_=f"mark {class_} dot", cx=at, cy=height, r=2.5) for at, height in points]
    return parts


def _short(name: str) -> str:
    return name if len(name) <= 14 else name[:13] + "…"
