"""How full the packs of each stage are planned to be, by both of their budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from polysee.report import svg
from polysee.report.data import Material
from polysee.report.files import Plan
from polysee.report.words import count, decimals, percent

BINS = 20


@dataclass(frozen=True, slots=True)
class Budget:
    """Use of one budget. ``mean``, ``median``, ``least``: fill in percent."""

    name: str
    limit: str
    mean: str
    median: str
    least: str
    figure: Markup


@dataclass(frozen=True, slots=True)
class StagePacks:
    stage: str
    packs: str
    samples: str
    each: str
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, slots=True)
class Packs:
    stages: tuple[StagePacks, ...]
    missing: str


def packs(material: Material) -> Packs:
    stages = tuple(_stage(plan) for plan in material.files.plans if plan.rows.num_rows)
    return Packs(stages, "" if stages else "No packs have been planned yet.")


def _stage(plan: Plan) -> StagePacks:
    sums = plan.rows.group_by("pack").aggregate([("tokens", "sum"), ("tiles", "sum"), ([], "count_all")])
    tokens, tiles = (np.asarray(sums.column(f"{name}_sum").to_numpy(), np.float64) for name in ("tokens", "tiles"))
    number = sums.num_rows
    budgets = [_budget("tokens", tokens, plan.max_tokens)]
    if plan.max_tiles:
        budgets.append(_budget("tiles", tiles, plan.max_tiles))
    return StagePacks(
        stage=plan.stage,
        packs=count(number),
        samples=count(plan.rows.num_rows),
        each=decimals(plan.rows.num_rows / number, 1),
        budgets=tuple(budgets),
    )


def _budget(name: str, used: NDArray[np.float64], limit: int) -> Budget:
    fill = used / limit
    bins = np.bincount(np.minimum((fill * BINS).astype(np.int64), BINS - 1), minlength=BINS)
    mean = float(fill.mean())
    return Budget(
        name=name,
        limit=count(limit),
        mean=percent(mean),
        median=percent(float(np.median(fill))),
        least=percent(float(fill.min())),
        figure=_histogram(
            bins.tolist(), mean, f"Fill of the packs' {name}: {percent(mean)} % of {count(limit)} on average"
        ),
    )


def _histogram(bins: Sequence[int], mean: float, label: str) -> Markup:
    width, height, base, top = 360, 170, 138, 12
    x, y = svg.Scale(0, 1, 34, width - 8), svg.Scale(0, max(bins), base, top)
    parts = []
    for value in svg.ticks(0, max(bins), 3):
        parts.append(svg.tag("line", class_="grid", x1=34, x2=width - 8, y1=y(value), y2=y(value)))
        parts.append(svg.label(28, y(value) + 4, svg.tick_text(value), anchor="end"))
    for index, number in enumerate(bins):
        left, right = x(index / len(bins)), x((index + 1) / len(bins))
        hint = svg.tag("title", f"{index * 100 // len(bins)}–{(index + 1) * 100 // len(bins)} %: {count(number)} packs")
        if number:
            parts.append(
                svg.tag(
                    "rect",
                    hint,
                    class_="column",
                    x=left + 1,
                    y=y(number),
                    width=right - left - 2,
                    height=base - y(number),
                    rx=2,
                )
            )
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(svg.label(x(share), base + 18, f"{share * 100:.0f} %", anchor="end" if share == 1 else "middle"))
    parts.append(svg.tag("line", class_="mean", x1=x(mean), x2=x(mean), y1=top - 6, y2=base))
    return svg.drawing(width, height, parts, label=label, class_="chart histogram")
