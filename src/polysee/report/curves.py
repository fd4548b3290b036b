"""Loss over the steps, for all and by language; what each language puts into a step."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from polysee.report import svg
from polysee.report.data import Material
from polysee.report.files import LogLine
from polysee.report.words import Tongue, compact, count, decimals, percent

POINTS = 240
"""Points of a curve: more than that are averaged in equal parts."""
_WIDTH, _HEIGHT = 860, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 26, 30


@dataclass(frozen=True, slots=True)
class Small:
    """One language's curve. ``first`` and ``last``: smoothed loss in nats a token. ``rate``: answer tokens a step."""

    tongue: Tongue
    figure: Markup
    first: str
    last: str
    tokens: str
    rate: str
    share: str
    strip: Markup


@dataclass(frozen=True, slots=True)
class StageLine:
    """A stage in figures. ``rates``: part and peak learning rate."""

    stage: str
    steps: str
    loss: str
    tokens: str
    answer_tokens: str
    tiles: str
    rates: str


@dataclass(frozen=True, slots=True)
class Curves:
    """``parts``: of the model, in the order of their colours in ``learning_rates``."""

    overview: Markup
    learning_rates: Markup
    parts: tuple[str, ...]
    stages: tuple[StageLine, ...]
    small: tuple[Small, ...]
    missing: str


@dataclass(frozen=True, slots=True)
class _Span:
    """A stage between two positions on the axis, which counts the steps of all stages."""

    stage: str
    start: int
    end: int


def curves(material: Material) -> Curves:
    log = material.files.log
    if not log:
        why = "This run has not been trained yet." if material.files.stages else "The recipe trains no model."
        return Curves(Markup(""), Markup(""), (), (), (), why)
    spans = _spans(log)
    return Curves(
        overview=_overview(material, log, spans),
        learning_rates=_rates(log, spans),
        parts=_parts(log),
        stages=tuple(_stage_line(material, log, span) for span in spans),
        small=tuple(_smalls(material, log, spans)),
        missing="",
    )


def smooth(values: Sequence[float], weights: Sequence[float], span: float) -> list[float]:
    """Exponential mean over about ``span`` steps, each step by its weight, started without bias.

    ``values`` and ``weights``: one a step, weights not negative. Before the first positive weight: the first value.
    """
    decay = math.exp(-1 / max(1.0, span))
    total = mass = 0.0
    out = []
    for value, weight in zip(values, weights, strict=True):
        total, mass = total * decay + value * weight, mass * decay + weight
        out.append(total / mass if mass > 0 else value)
    return out


def thin(points: Sequence[svg.Point], most: int = POINTS) -> list[svg.Point]:
    """At most ``most`` points, the means of equal parts; the last point stays as it is."""
    if len(points) <= most:
        return list(points)
    edges = [round(i * (len(points) - 1) / (most - 1)) for i in range(most)]
    parts = [points[a:b] for a, b in pairwise(edges)]
    means = [(sum(x for x, _ in p) / len(p), sum(y for _, y in p) / len(p)) for p in parts if p]
    return [*means, points[-1]]


def _spans(log: Sequence[LogLine]) -> list[_Span]:
    spans: list[_Span] = []
    for index, line in enumerate(log):
        if spans and spans[-1].stage == line.stage:
            spans[-1] = _Span(line.stage, spans[-1].start, index + 1)
        else:
            spans.append(_Span(line.stage, index, index + 1))
    return spans


def _by_language(log: Sequence[LogLine]) -> dict[str, list[tuple[int, float, float]]]:
    """Position, loss and tokens by language."""
    found: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    for index, line in enumerate(log):
        for tag, part in line.languages.items():
            if part.tokens > 0 and math.isfinite(part.loss):
                found[tag].append((index, part.loss, part.tokens))
    return found


def _smoothed(rows: Sequence[tuple[int, float, float]], spans: Sequence[_Span]) -> list[svg.Point]:
    """Smoothed within each stage: another stage has other data and other losses."""
    points: list[svg.Point] = []
    for span in spans:
        here = [row for row in rows if span.start <= row[0] < span.end]
        values = smooth([r[1] for r in here], [r[2] for r in here], max(4.0, len(here) / 25))
        points += [(row[0], value) for row, value in zip(here, values, strict=True)]
    return points


def _overview(material: Material, log: Sequence[LogLine], spans: Sequence[_Span]) -> Markup:
    raw = [(float(i), line.loss) for i, line in enumerate(log)]
    mean = _smoothed([(i, line.loss, max(1, line.answer_tokens)) for i, line in enumerate(log)], spans)
    each = {tag: _smoothed(rows, spans) for tag, rows in _by_language(log).items()}
    ceiling = max([y for _, y in mean] + [y for points in each.values() for _, y in points] + [1e-9]) * 1.06
    x = svg.Scale(0, max(1, len(log) - 1), _LEFT, _WIDTH - _RIGHT)
    y = svg.Scale(0, ceiling, _HEIGHT - _BOTTOM, _TOP)
    parts = _frame(x, y, spans, len(log))
    for tongue in material.ordered(each):
        points = [(x(a), y(b)) for a, b in thin(each[tongue.tag])]
        line = svg.path(points, f"line thin {tongue.seen}", data_language=tongue.tag)
        parts.append(svg.tag("g", svg.tag("title", tongue.name) + line))
    parts.append(svg.path([(x(a), y(min(b, ceiling))) for a, b in thin(raw)], "line raw"))
    parts.append(svg.path([(x(a), y(b)) for a, b in thin(mean)], "line bold"))
    label = (
        f"Loss in nats per answer token over {len(log)} steps: from {decimals(mean[0][1])} to {decimals(mean[-1][1])}, "
        f"{len(each)} languages as thin lines"
    )
    return svg.drawing(_WIDTH, _HEIGHT, parts, label=label)


def _frame(x: svg.Scale, y: svg.Scale, spans: Sequence[_Span], steps: int) -> list[Markup]:
    """Grid, axes and stages."""
    parts = []
    for index, span in enumerate(spans):
        left, right = x(span.start), x(min(span.end, steps - 1))
        if index % 2:
            parts.append(
                svg.tag("rect", class_="band", x=left, y=_TOP, width=max(0, right - left), height=y.start - _TOP)
            )
        if index:
            parts.append(svg.tag("line", class_="stage", x1=left, x2=left, y1=_TOP - 18, y2=y.start))
        parts.append(svg.label(left + 6, _TOP - 8, span.stage, class_="stage-name"))
    for value in svg.ticks(y.low, y.high):
        parts.append(svg.tag("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(value), y2=y(value)))
        parts.append(svg.label(_LEFT - 8, y(value) + 4, svg.tick_text(value), anchor="end"))
    for value in svg.ticks(0, 0.95 * max(1, steps - 1), 8):
        parts.append(svg.label(x(value), y.start + 18, svg.tick_text(value), anchor="middle"))
    parts.append(svg.label(x.end, y.start + 18, "step", anchor="end"))
    return parts


def _rates(log: Sequence[LogLine], spans: Sequence[_Span]) -> Markup:
    """The learning rates of the parts, each a line."""
    parts_of_model = _parts(log)
    peak = max([rate for line in log for rate in line.learning_rate.values()], default=0.0)
    if not parts_of_model or not peak:
        return Markup("")
    height = 150
    x = svg.Scale(0, max(1, len(log) - 1), _LEFT, _WIDTH - _RIGHT)
    y = svg.Scale(0, peak * 1.08, height - _BOTTOM, _TOP)
    parts = _frame(x, y, spans, len(log))
    for number, part in enumerate(parts_of_model):
        for span in spans:
            rows = [(i, log[i].learning_rate.get(part)) for i in range(span.start, span.end)]
            points = [(x(i), y(rate)) for i, rate in rows if rate is not None]
            if points:
                line = svg.path(thin(points, 160), f"line part{number % 4}")
                parts.append(svg.tag("g", svg.tag("title", part) + line))
    legend = ", ".join(f"{part} at most {_peak(log, part):.1e}" for part in parts_of_model)
    return svg.drawing(_WIDTH, height, parts, label=f"Learning rate over the steps: {legend}")


def _parts(log: Sequence[LogLine]) -> tuple[str, ...]:
    """Parts of the model that have a learning rate, in the order in which they appear."""
    return tuple(dict.fromkeys(part for line in log for part in line.learning_rate))


def _peak(log: Sequence[LogLine], part: str) -> float:
    return max(line.learning_rate.get(part, 0.0) for line in log)


def _stage_line(material: Material, log: Sequence[LogLine], span: _Span) -> StageLine:
    here = log[span.start : span.end]
    points = _smoothed(
        [(i, line.loss, max(1, line.answer_tokens)) for i, line in enumerate(here)], [_Span("", 0, len(here))]
    )
    return StageLine(
        stage=span.stage,
        steps=count(len(here)),
        loss=f"{decimals(points[0][1])} → {decimals(points[-1][1])}",
        tokens=compact(sum(line.tokens for line in here)),
        answer_tokens=compact(sum(line.answer_tokens for line in here)),
        tiles=compact(sum(line.tiles for line in here)),
        rates=", ".join(f"{part} {rate:.1e}" for part, rate in _peaks(material, here, span.stage).items() if rate),
    )


def _peaks(material: Material, log: Sequence[LogLine], stage: str) -> dict[str, float]:
    """Highest learning rate of each part: as logged, or else as the recipe has it for the parts that it trains."""
    if _parts(log):
        return {part: _peak(log, part) for part in _parts(log)}
    entry = next((entry for entry in material.files.entries("stages") if entry.get("name") == stage), {})
    rates, trained = entry.get("learning_rate"), entry.get("train")
    if not isinstance(rates, dict) or not isinstance(trained, list):
        return {}
    return {str(part): float(rate) for part, rate in rates.items() if part in trained and isinstance(rate, int | float)}


def _smalls(material: Material, log: Sequence[LogLine], spans: Sequence[_Span]) -> list[Small]:
    found = {tag: (rows, _smoothed(rows, spans)) for tag, rows in _by_language(log).items()}
    mean = _smoothed([(i, line.loss, max(1, line.answer_tokens)) for i, line in enumerate(log)], spans)
    ceiling = max([y for _, y in mean] + [y for _, points in found.values() for _, y in points]) * 1.05
    total = sum(tokens for rows, _ in found.values() for _, _, tokens in rows)
    sums = {tag: sum(tokens for _, _, tokens in rows) for tag, (rows, _) in found.items()}
    x, y = svg.Scale(0, max(1, len(log) - 1), 2, 198), svg.Scale(0, ceiling, 70, 4)
    context = thin([(x(a), y(b)) for a, b in mean], 90)
    small = []
    for tongue in material.ordered(found):
        points = found[tongue.tag][1]
        line = thin([(x(a), y(b)) for a, b in points], 90)
        parts = [svg.path(context, "line context"), svg.area(line, 70, f"fill {tongue.seen}")]
        parts.append(svg.path(line, f"line {tongue.seen}"))
        first, last = decimals(points[0][1]), decimals(points[-1][1])
        label = f"Loss of {tongue.name}: from {first} to {last} nats per answer token"
        small.append(
            Small(
                tongue=tongue,
                figure=svg.drawing(200, 72, parts, label=label, class_="chart small"),
                first=first,
                last=last,
                tokens=compact(sums[tongue.tag]),
                rate=decimals(sums[tongue.tag] / len(log), 1),
                share=percent(sums[tongue.tag] / total),
                strip=svg.strip([svg.bar(0, sums[tongue.tag] / max(sums.values()), tongue.seen)]),
            )
        )
    return small
