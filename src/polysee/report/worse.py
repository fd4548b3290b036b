"""What worse pictures cost: the change of the score at each level of each distortion, by language and ability."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polysee.evaluation.statistics import LEVEL
from polysee.report.data import Material
from polysee.report.files import Worse
from polysee.report.words import Tongue, count, percent

_ALPHA = 1 - LEVEL


@dataclass(frozen=True, slots=True)
class WorseCell:
    """``change``: in points, with a sign; ``unclear``: it cannot be told from none."""

    change: str
    interval: str
    unclear: bool
    hint: str


@dataclass(frozen=True, slots=True)
class WorseRow:
    """``tongue``: None where the row is not of a language, and ``name`` says of what it is."""

    name: str
    tongue: Tongue | None
    questions: str
    clean: str
    cells: tuple[WorseCell | None, ...]


@dataclass(frozen=True, slots=True)
class WorseKind:
    """A distortion: a row for each ability, and one for each language."""

    name: str
    abilities: tuple[WorseRow, ...]
    languages: tuple[WorseRow, ...]


@dataclass(frozen=True, slots=True)
class WorsePart:
    """One evaluation. ``overall``: a row for each distortion."""

    name: str
    levels: tuple[int, ...]
    overall: tuple[WorseRow, ...]
    kinds: tuple[WorseKind, ...]


def worse(material: Material) -> tuple[WorsePart, ...]:
    """A part for each evaluation that showed worse pictures; mostly none."""
    return tuple(_part(material, one.name, one.worse) for one in material.files.measured if one.worse)


def _part(material: Material, name: str, rows: Sequence[Worse]) -> WorsePart:
    levels = tuple(sorted({row.level for row in rows}))
    found: dict[tuple[str, str | None, str | None], dict[int, Worse]] = defaultdict(dict)
    for row in rows:
        found[row.distortion, row.language, row.ability][row.level] = row
    kinds = list(dict.fromkeys(row.distortion for row in rows))
    tongues = material.ordered(row.language for row in rows if row.language is not None)
    abilities = list(dict.fromkeys(row.ability for row in rows if row.ability is not None))

    def lines(kind: str, keys: Sequence[tuple[str, Tongue | None]]) -> tuple[WorseRow, ...]:
        cells = [
            (title, own, found.get((kind, own.tag if own else None, None if own else title))) for title, own in keys
        ]
        return tuple(_row(title, own, by_level, levels) for title, own, by_level in cells if by_level)

    return WorsePart(
        name=name,
        levels=levels,
        overall=tuple(_row(kind, None, found[kind, None, None], levels) for kind in kinds if found[kind, None, None]),
        kinds=tuple(
            WorseKind(
                kind,
                abilities=lines(kind, [(ability, None) for ability in abilities]),
                languages=lines(kind, [(own.name, own) for own in tongues]),
            )
            for kind in kinds
        ),
    )


def _row(name: str, tongue: Tongue | None, by_level: Mapping[int, Worse], levels: Sequence[int]) -> WorseRow:
    first = next(iter(by_level.values()))
    cells = tuple(_cell(by_level[level]) if level in by_level else None for level in levels)
    return WorseRow(name, tongue, count(first.n), percent(first.clean), cells)


def _cell(row: Worse) -> WorseCell:
    p = f"{row.p:.3f}" if row.p >= 0.001 else "< 0.001"
    return WorseCell(
        change=_points(row.change),
        interval=f"{_points(row.low)} to {_points(row.high)}",
        unclear=row.p >= _ALPHA,
        hint=f"{percent(row.clean)} → {percent(row.value)} %, {row.n} questions, p {p} after correction",
    )


def _points(value: float) -> str:
    return f"{100 * value + 0.0:+.1f}".replace("-", "−")
