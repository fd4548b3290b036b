"""Checkpoints in the order of training: a curve for each language and each ability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from polysee.evaluation.items import Cell
from polysee.report import lines
from polysee.report.leaderboard_data import Board, Mark
from polysee.report.lines import SmallCurve
from polysee.report.words import Tongue, in_order, percent, tongue


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
    overall = [mark.value for mark in board.overall]
    return CheckpointCurves(
        overall=lines.large(overall, range(len(names)), names, chance_of(board, board.main)),
        languages=tuple(_small(board, names, languages, one.tag, one) for one in tongues),
        abilities=tuple(_small(board, names, abilities, name, None) for name in board.abilities),
    )


def chance_of(board: Board, cells: Sequence[Cell]) -> float | None:
    """Of a right guess, where it is the same in all cells."""
    found = {board.entries[0].chance.get(cell) for cell in cells}
    return found.pop() if len(found) == 1 else None


def _small(
    board: Board, names: Sequence[str], rows: Sequence[Mapping[str, Mark]], key: str, own: Tongue | None
) -> SmallCurve:
    values = [row[key].value for row in rows]
    chance = chance_of(board, board.languages[key] if own is not None else board.abilities[key])
    class_, title = (own.seen, own.name) if own is not None else ("vl", key)
    return SmallCurve(
        tongue=own,
        name=key,
        figure=lines.small(values, range(len(names)), chance, class_, title),
        first=percent(values[0].value),
        last=percent(values[-1].value),
        change=lines.change(values),
        best=lines.best(values, names),
    )
