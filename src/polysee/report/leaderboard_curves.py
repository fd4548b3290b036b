"""Checkpoints in the order of training: a curve for each language and each ability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polysee.evaluation.items import Cell
from polysee.report import svg
from polysee.report.leaderboard_data import Board, Mark
from polysee.report.words import Tongue, in_order, percent, tongue

_WIDTH, _HEIGHT = 860, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 20, 16, 34
_SMALL = (200, 84)


@dataclass(frozen=True, slots=True)
class SmallCurve:
    """``tongue``: None for an ability. ``first`` and ``last``: percent. ``change``: of the last against the first."""

    tongue: Tongue | None
    name: str
    figure: Markup
    first: str
    last: str
    change: str
    best: str


@dataclass(frozen=True, slots=True)
class CheckpointCurves:
    overall: Markup
    languages: tuple[SmallCurve, ...]
    abilities: tuple[SmallCurve, ...]


def checkpoint_curves(board: Board) -> CheckpointCurves:
    """Of entries that are checkpoints of one training, in their order. Raises `ValueError` for a single one."""
    if len(board.entries) < 2:
        raise ValueError("a curve needs two checkpoints")
    names = [entry.name for entry in board.entries]
    languages = board.marks(board.languages)
    abilities = board.marks(board.abilities)
    seen = {tag: what for entry in board.entries for tag, what in entry.seen.items()}
    tongues = in_order(tongue(tag, seen.get(tag, "none")) for tag in board.languages)
    return CheckpointCurves(
        overall=_overall(names, board.overall, chance_of(board, board.main)),
        languages=tuple(_small(board, names, languages, one.tag, one) for one in tongues),
        abilities=tuple(_small(board, names, abilities, name, None) for name in board.abilities),
    )


def chance_of(board: Board, cells: Sequence[Cell]) -> float | None:
    """Of a right guess, where it is the same in all cells."""
    found = {board.entries[0].chance.get(cell) for cell in cells}
    return found.pop() if len(found) == 1 else None


def _overall(names: Sequence[str], marks: Sequence[Mark], chance: float | None) -> Markup:
    x = svg.Scale(0, len(names) - 1, _LEFT + 10, _WIDTH - _RIGHT - 10)
    y = svg.Scale(0, 1, _HEIGHT - _BOTTOM, _TOP)
    parts = []
    for value in svg.ticks(0, 1):
        parts.append(svg.tag("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(value), y2=y(value)))
        parts.append(svg.label(_LEFT - 8, y(value) + 4, percent(value, 0), anchor="end"))
    step = max(1, -(-len(names) // 8))
    for place in range(0, len(names), step):
        parts.append(svg.label(x(place), _HEIGHT - 12, _short(names[place]), anchor="middle"))
    parts += _line(marks, x, y, chance, "vl")
    first, last = percent(marks[0].value.value), percent(marks[-1].value.value)
    label = f"Overall score over {len(names)} checkpoints: from {first} to {last} percent"
    return svg.drawing(_WIDTH, _HEIGHT, parts, label=label)


def _line(marks: Sequence[Mark], x: svg.Scale, y: svg.Scale, chance: float | None, class_: str) -> list[Markup]:
    """The interval as a band where every checkpoint has one, the line, and chance."""
    parts = []
    values = [mark.value for mark in marks]
    if chance is not None:
        parts.append(svg.tag("line", class_="chance", x1=x.start, x2=x.end, y1=y(chance), y2=y(chance)))
    ends = [(v.low, v.high) for v in values if v.low is not None and v.high is not None]
    if len(ends) == len(values):
        upper = [(x(i), y(high)) for i, (_, high) in enumerate(ends)]
        lower = [(x(i), y(low)) for i, (low, _) in reversed([*enumerate(ends)])]
        parts.append(svg.path([*upper, *lower, upper[0]], f"fill {class_}"))
    parts.append(svg.path([(x(i), y(v.value)) for i, v in enumerate(values)], f"line {class_}"))
    for i, v in enumerate(values):
        parts.append(svg.tag("circle", class_=f"mark {class_} dot", cx=x(i), cy=y(v.value), r=2.5))
    return parts


def _small(
    board: Board, names: Sequence[str], rows: Sequence[Mapping[str, Mark]], key: str, own: Tongue | None
) -> SmallCurve:
    marks = [row[key] for row in rows]
    width, height = _SMALL
    x, y = svg.Scale(0, len(names) - 1, 4, width - 4), svg.Scale(0, 1, height - 4, 4)
    cells = board.languages[key] if own is not None else board.abilities[key]
    class_ = own.seen if own is not None else "vl"
    values = [mark.value.value for mark in marks]
    title = own.name if own is not None else key
    label = f"{title}: from {percent(values[0])} to {percent(values[-1])} percent over {len(names)} checkpoints"
    change = 100 * (values[-1] - values[0])
    return SmallCurve(
        tongue=own,
        name=key,
        figure=svg.drawing(
            width, height, _line(marks, x, y, chance_of(board, cells), class_), label=label, class_="chart small"
        ),
        first=percent(values[0]),
        last=percent(values[-1]),
        change=f"{change:+.1f}".replace("-", "−"),
        best=names[max(range(len(values)), key=values.__getitem__)],
    )


def _short(name: str) -> str:
    return name if len(name) <= 14 else name[:13] + "…"
