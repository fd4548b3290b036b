"""Charts whose values can be read exactly: printed, or on a line of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from polysee.schema.errors import BadRecord
from polysee.sources.render.canvas import BLACK, GREY, SMALLEST, Canvas, Colour
from polysee.sources.render.pages import Sheet
from polysee.sources.render.texts import number_text

Kind = Literal["columns", "bars", "line", "pie"]
KINDS: tuple[Kind, ...] = ("columns", "bars", "line", "pie")
STEPS = 5
"""Lines of the grid above zero."""

# Dark enough to be told from white and from each other, also by those who do not see red and green apart.
_PALETTE: tuple[Colour, ...] = (
    (31, 119, 180), (230, 120, 20), (70, 70, 70), (0, 158, 115), (204, 70, 140), (150, 100, 60),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Chart:
    """``labels`` name the values, which all differ. ``shown``: the values as the picture writes them (or its axis
    would)."""

    kind: Kind
    labels: tuple[str, ...]
    values: tuple[int, ...]
    shown: tuple[str, ...]
    image: Image.Image


@dataclass(frozen=True, slots=True)
class _Plot:
    kind: Kind
    labels: tuple[str, ...]
    values: tuple[int, ...]
    shown: tuple[str, ...]
    ticks: tuple[tuple[int, str], ...]
    printed: bool
    colours: tuple[Colour, ...]

    @property
    def top(self) -> int:
        return self.ticks[-1][0]


def draw_chart(rng: np.random.Generator, sheet: Sheet) -> Chart:
    """A chart of four to six values. Its axis, order and legend begin at the side where the script begins.

    Raises `BadRecord` (``labels-too-wide``) where no labels of the language fit.
    """
    kind = KINDS[int(rng.integers(len(KINDS)))]
    count = int(rng.integers(4, 7))
    size = max(SMALLEST, sheet.side // 28)
    room = {"columns": 0.8 * sheet.side / count, "line": 0.8 * sheet.side / count, "bars": 0.28 * sheet.side}
    labels = fitting_labels(rng, sheet, count, size, int(room.get(kind, 0.32 * sheet.side)) - 4)
    step = int(rng.choice([1, 2, 5, 10, 20]))
    printed = kind == "pie" or rng.random() < 0.5
    high = step * STEPS
    # Without a printed number only what lies on a line of the grid can be read for certain.
    candidates = range(1, high + 1) if printed and high >= 10 else range(step, high + 1, step)
    if len(candidates) < count:
        candidates, printed = range(1, high + 1), True
    if len(candidates) < count:
        step, high = 2, 2 * STEPS
        candidates = range(1, high + 1)
    values = tuple(int(candidates[i]) for i in rng.permutation(len(candidates))[:count])
    digits = sheet.digits if sheet.digits != "mixed" else ("native", "latin")[int(rng.integers(2))]
    tag = sheet.material.language

    def written(number: int) -> str:
        return number_text(number, tag, digits, rng)

    plot = _Plot(
        kind=kind,
        labels=labels,
        values=values,
        shown=tuple(map(written, values)),
        ticks=tuple((i * step, written(i * step)) for i in range(STEPS + 1)),
        printed=printed,
        colours=tuple(_PALETTE[i] for i in rng.permutation(len(_PALETTE))[:count]),
    )
    canvas = Canvas(sheet.side, round(sheet.side * 0.75), sheet.hand)
    {"columns": _columns, "bars": _bars, "line": _columns, "pie": _pie}[kind](canvas, plot, size)
    return Chart(kind, labels, values, plot.shown, canvas.image)


def fitting_labels(rng: np.random.Generator, sheet: Sheet, count: int, size: int, width: int) -> tuple[str, ...]:
    """``count`` different labels, each at most ``width`` pixels wide. Raises `BadRecord` (``labels-too-wide``)."""
    labels = sheet.material.labels
    found: list[str] = []
    for i in rng.permutation(len(labels)):
        if sheet.hand.fits(labels[i], size, width):
            found.append(labels[i])
        if len(found) == count:
            return tuple(found)
    raise BadRecord("labels-too-wide", f"{len(found)} of {count} are at most {width} pixels wide at {size}")


def _columns(canvas: Canvas, plot: _Plot, size: int) -> None:
    """Columns that stand, or the points of a line."""
    width, height = canvas.image.size
    left, bottom, top = 0.12 * width, height - 2.4 * size, 1.6 * size
    slot = (width - left - size) / len(plot.values)

    def level(value: int) -> float:
        return bottom - (bottom - top) * value / plot.top

    for value, text in plot.ticks:
        canvas.line([(left, level(value)), (width - size, level(value))], GREY)
        canvas.write(text, (left - 0.4 * size, level(value)), size, side="end")
    middles = [left + (i + 0.5) * slot for i in range(len(plot.values))]
    if plot.kind == "line":
        canvas.line([(x, level(v)) for x, v in zip(middles, plot.values, strict=True)], plot.colours[0], 3)
    for i, (x, value) in enumerate(zip(middles, plot.values, strict=True)):
        if plot.kind == "line":
            canvas.dot(x, level(value), max(3, size // 4), plot.colours[0])
        else:
            canvas.rectangle((x - 0.32 * slot, level(value), x + 0.32 * slot, bottom), plot.colours[i])
        if plot.printed:
            canvas.write(plot.shown[i], (x, level(value) - 0.8 * size), size, side="middle")
        canvas.write(plot.labels[i], (x, bottom + 1.1 * size), size, side="middle")
    canvas.line([(left, bottom), (width - size, bottom)], BLACK, 2)


def _bars(canvas: Canvas, plot: _Plot, size: int) -> None:
    """Bars that lie, from the side where the script begins."""
    width, height = canvas.image.size
    left, right, bottom = 0.32 * width, width - 2.6 * size, height - 2.2 * size
    slot = (bottom - 0.6 * size) / len(plot.values)

    def reach(value: int) -> float:
        return left + (right - left) * value / plot.top

    for value, text in plot.ticks:
        canvas.line([(reach(value), 0.6 * size), (reach(value), bottom)], GREY)
        canvas.write(text, (reach(value), bottom + size), size, side="middle")
    for i, value in enumerate(plot.values):
        y = 0.6 * size + (i + 0.5) * slot
        canvas.rectangle((left, y - 0.32 * slot, reach(value), y + 0.32 * slot), plot.colours[i])
        if plot.printed:
            canvas.write(plot.shown[i], (reach(value) + 0.3 * size, y), size)
        canvas.write(plot.labels[i], (left - 0.4 * size, y), size, side="end")
    canvas.line([(left, 0.6 * size), (left, bottom)], BLACK, 2)


def _pie(canvas: Canvas, plot: _Plot, size: int) -> None:
    """Slices, and a legend with the numbers."""
    width, height = canvas.image.size
    radius = round(0.24 * width)
    centre = (radius + size, height / 2)
    total, done = sum(plot.values), 0
    for value, colour in zip(plot.values, plot.colours, strict=True):
        canvas.slice(centre, radius, (360 * done / total, 360 * (done + value) / total), colour)
        done += value
    for i, label in enumerate(plot.labels):
        y = height / 2 + (i - (len(plot.labels) - 1) / 2) * 2 * size
        canvas.rectangle((0.56 * width, y - 0.4 * size, 0.56 * width + 0.8 * size, y + 0.4 * size), plot.colours[i])
        canvas.write(label, (0.6 * width, y), size)
        canvas.write(plot.shown[i], (width - 0.6 * size, y), size, side="end")
