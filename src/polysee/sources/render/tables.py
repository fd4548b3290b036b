"""Tables of numbers with named rows and columns; the first column stands where the script begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from polysee.sources.render.canvas import BLACK, GREY, SMALLEST, Canvas
from polysee.sources.render.charts import fitting_labels
from polysee.sources.render.pages import Sheet
from polysee.sources.render.texts import number_text


@dataclass(frozen=True, slots=True)
class Table:
    """``values[row][column]``, all different within a column; ``shown``: as they are written."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    shown: tuple[tuple[str, ...], ...]
    image: Image.Image


def draw_table(rng: np.random.Generator, sheet: Sheet) -> Table:
    """A table of four to six rows and two to four columns. Raises `BadRecord` (``labels-too-wide``)."""
    rows, columns = int(rng.integers(4, 7)), int(rng.integers(2, 5))
    size = max(SMALLEST, sheet.side // 26)
    cell = (sheet.side - size) / (columns + 1)
    labels = fitting_labels(rng, sheet, rows + columns, size, int(cell - size))
    digits = sheet.digits if sheet.digits != "mixed" else ("native", "latin")[int(rng.integers(2))]
    most = int(rng.choice([20, 100, 1000]))
    by_column = [1 + rng.permutation(most)[:rows] for _ in range(columns)]
    values = tuple(tuple(int(by_column[c][r]) for c in range(columns)) for r in range(rows))
    shown = tuple(tuple(number_text(v, sheet.material.language, digits, rng) for v in row) for row in values)
    table = Table(labels[:rows], labels[rows:], values, shown, Image.new("RGB", (1, 1)))
    return Table(table.rows, table.columns, values, shown, _drawn(rng, sheet, table, size))


def _drawn(rng: np.random.Generator, sheet: Sheet, table: Table, size: int) -> Image.Image:
    height, edge = 2 * size, size / 2
    canvas = Canvas(sheet.side, round(height * (len(table.rows) + 1) + 2 * edge), sheet.hand)
    cell = (sheet.side - 2 * edge) / (len(table.columns) + 1)
    ruled, striped = bool(rng.integers(2)), bool(rng.integers(2))
    tint = int(rng.integers(205, 240))
    for number in range(len(table.rows) + 1):
        y = edge + number * height
        if number == 0 or (striped and number % 2 == 0):
            fill = (tint, tint, 250) if number == 0 else (242, 242, 242)
            canvas.rectangle((edge, y, sheet.side - edge, y + height), fill)
        canvas.line([(edge, y), (sheet.side - edge, y)], BLACK if number < 2 else GREY)
    bottom = edge + height * (len(table.rows) + 1)
    canvas.line([(edge, bottom), (sheet.side - edge, bottom)], BLACK)
    for number in range(len(table.columns) + 2) if ruled else ():
        canvas.line([(edge + number * cell, edge), (edge + number * cell, bottom)], GREY)
    for c, name in enumerate(table.columns, 1):
        canvas.write(name, (edge + (c + 0.5) * cell, edge + height / 2), size, side="middle")
    for r, name in enumerate(table.rows, 1):
        y = edge + (r + 0.5) * height
        canvas.write(name, (edge + size / 2, y), size)
        for c, text in enumerate(table.shown[r - 1], 1):
            canvas.write(text, (edge + (c + 0.5) * cell, y), size, side="middle")
    return canvas.image
