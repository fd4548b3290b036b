"""How much each model's scores depend on the way of asking; empty where nothing was asked in more than one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from polysee.evaluation.items import by_language
from polysee.evaluation.stability import robustness, type_spreads, wording_spreads
from polysee.media.distort import KINDS
from polysee.report.leaderboard_data import Board
from polysee.report.words import percent


@dataclass(frozen=True, slots=True)
class Steady:
    """``heads``: what was measured of some model. ``rows``: name and a text for each of them, "–" where it was not."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def steady(board: Board, order: Sequence[int]) -> Steady | None:
    """Means over languages, in percent; None where no model was asked in more than one way."""
    found = {index: _row(board, index) for index in order}
    heads = [
        head
        for head in ("spread over question types", "answers that change with the wording", *(map(_kept, KINDS)))
        if any(head in row for row in found.values())
    ]
    if not heads:
        return None
    rows = [(board.entries[index].name, tuple(percent(found[index].get(head)) for head in heads)) for index in order]
    return Steady(tuple(heads), tuple(rows))


def _row(board: Board, index: int) -> dict[str, float]:
    answers = board.entries[index].answers
    if answers is None:
        return {}
    row: dict[str, float] = {}
    draws = {"resamples": board.resamples, "seed": board.seed}
    if types := type_spreads(answers, **draws):
        row["spread over question types"] = fmean(one.beyond for one in types)
    if wordings := wording_spreads(answers, **draws):
        row["answers that change with the wording"] = fmean(one.changes.value for one in wordings)
    curves = robustness(answers, by_language, **draws)
    for kind in KINDS:
        if kept := [one.kept for one in curves if one.kind == kind and one.kept is not None]:
            row[_kept(kind)] = fmean(kept)
    return row


def _kept(kind: str) -> str:
    return f"kept with {kind}"
