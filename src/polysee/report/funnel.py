"""Where samples were lost, step by step and language by language."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polysee.evaluation.statistics import wilson
from polysee.report import svg
from polysee.report.data import Material
from polysee.report.words import Tongue, count, percent
from polysee.store.manifest import FunnelRow

SCORE = "score"
ALARM_RATIO = 2.0
ALARM_MARGIN = 0.05
"""A step hits a language far harder than the others if, with 95 % confidence, it takes more than twice their share of
it and at least five points more."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A language that a step takes far more of than of the others. Shares in percent."""

    step: str
    tongue: Tongue
    lost: str
    others: str
    rows: str


@dataclass(frozen=True, slots=True)
class StepView:
    """A step over all languages. ``kept``: rows that are still there, which after a score are all, with ``rated`` those
    that have a value; ``reasons``: why rows went; ``unrated``: why rows have no value."""

    step: str
    verb: str
    in_: str
    kept: str
    rated: str
    made: str
    reasons: tuple[tuple[str, str], ...]
    unrated: tuple[tuple[str, str], ...]
    strip: Markup


@dataclass(frozen=True, slots=True)
class LanguageCell:
    """What of a language a step took. ``loss``: 0-4, for the colour."""

    text: str
    hint: str
    loss: int
    alarm: bool


@dataclass(frozen=True, slots=True)
class FunnelView:
    steps: tuple[StepView, ...]
    names: tuple[str, ...]
    rows: tuple[tuple[Tongue, tuple[LanguageCell | None, ...]], ...]
    alarms: tuple[Alarm, ...]
    missing: str


def funnel(material: Material) -> FunnelView:
    """What each step of the data side kept, by language, and the alarms; says what is missing where nothing has run."""
    rows = material.files.funnel
    if not rows:
        return FunnelView((), (), (), (), "There is no funnel yet: no step of the data side has finished.")
    steps: dict[str, list[FunnelRow]] = defaultdict(list)
    for row in rows:
        steps[row.step].append(row)
    widest = max(sum(max(r.in_, _made(r)) for r in here) for here in steps.values())
    alarms = {(row.step, row.language): others for here in steps.values() for row, others in alarming(here)}
    tongues = material.ordered(r.language for r in rows)
    cells = {(r.step, r.language): _cell(r, (r.step, r.language) in alarms) for r in rows}
    return FunnelView(
        steps=tuple(_step(name, here, widest) for name, here in steps.items()),
        names=tuple(steps),
        rows=tuple((t, tuple(cells.get((name, t.tag)) for name in steps)) for t in tongues),
        alarms=tuple(_alarm(material, r, alarms[r.step, r.language]) for r in rows if (r.step, r.language) in alarms),
        missing="",
    )


def alarming(rows: Sequence[FunnelRow]) -> Iterable[tuple[FunnelRow, float]]:
    """The languages that a step hits far harder than the others, each with the share that the others lose."""
    total, lost = sum(r.in_ for r in rows), sum(_lost(r) for r in rows)
    for row in rows:
        others = total - row.in_
        if not row.in_ or not others:
            continue
        rate = (lost - _lost(row)) / others
        low, _ = wilson(_lost(row), row.in_)
        if low > max(ALARM_RATIO * rate, rate + ALARM_MARGIN):
            yield row, rate


def _lost(row: FunnelRow) -> int:
    """Unknown is no pass: those rows do not reach training either. A score takes nothing: what it cannot rate stays,
    without a value."""
    return 0 if row.verb == SCORE else row.in_ - row.out


def _made(row: FunnelRow) -> int:
    return row.out if row.made is None else row.made


def _alarm(material: Material, row: FunnelRow, others: float) -> Alarm:
    return Alarm(
        row.step, material.tongue(row.language), percent(_lost(row) / row.in_, 0), percent(others, 0), count(row.in_)
    )


def _step(name: str, rows: Sequence[FunnelRow], widest: int) -> StepView:
    in_, out, made = sum(r.in_ for r in rows), sum(r.out for r in rows), sum(map(_made, rows))
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons.update(dict(row.dropped))
    unknown, failed = sum(r.unknown for r in rows), sum(r.failed for r in rows)
    scored = rows[0].verb == SCORE
    parts = [(out, "kept", "rated" if scored else "kept"), (sum(reasons.values()), "dropped", "dropped")]
    parts += [(unknown, "unknown", "unknown"), (failed, "failed", "failed")]
    bars, start = [svg.tag("rect", class_="track", x="0", y="0", width="100%", height="100%", rx="2")], 0.0
    for number, class_, words in parts:
        if number:
            end = start + number / max(1, widest)
            bars.append(svg.bar(start, end, class_, title=f"{words}: {count(number)}"))
            start = end
    listed = [(reason, count(n)) for reason, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))]
    others = [(words, count(number)) for number, _, words in parts[2:] if number]
    return StepView(
        step=name,
        verb=rows[0].verb,
        in_=count(in_),
        kept=count(in_ if scored else out),
        rated=count(out) if scored else "",
        made=count(made) if made != out else "",
        reasons=tuple(listed if scored else listed + others),
        unrated=tuple(others if scored else ()),
        strip=svg.strip(bars),
    )


def _cell(row: FunnelRow, alarm: bool) -> LanguageCell:
    share = _lost(row) / row.in_ if row.in_ else 0.0
    hint = [f"{count(row.in_)} in, {count(row.out)} {'rated' if row.verb == SCORE else 'out'}"]
    hint += [f"{reason}: {count(n)}" for reason, n in row.dropped if n]
    hint += [f"{words}: {count(n)}" for words, n in (("unknown", row.unknown), ("failed", row.failed)) if n]
    level = 0 if not share else next((i for i, edge in enumerate((0.05, 0.15, 0.35), 1) if share < edge), 4)
    if _lost(row):
        text = f"−{percent(share, 0 if share >= 0.01 else 1)} %"
    else:
        text = count(row.in_ if row.verb == SCORE else row.out)
    return LanguageCell(text, "\n".join(hint), level, alarm)
