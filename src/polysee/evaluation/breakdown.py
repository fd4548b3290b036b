"""Further parts of ``scores.json``: results by tag, what more answers and tokens buy, agreement with human ratings, and
what worse pictures cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import JsonValue

from polysee.evaluation.compare import ability_of
from polysee.evaluation.items import Cell, build_answers, by_language
from polysee.evaluation.scores import DIGITS, Columns
from polysee.evaluation.stability import all_languages, robustness
from polysee.evaluation.statistics import clustered_macro
from polysee.evaluation.worse import VARIANTS

REASONED = "reasoned"


def build_breakdown(predictions: pa.Table, *, resamples: int, seed: int) -> dict[str, JsonValue]:
    """The parts ``tags``, ``scaling``, ``correlations`` and ``robustness``; one without rows is left out."""
    columns = Columns(predictions)
    parts: dict[str, list[JsonValue]] = {
        "tags": list(_tags(columns, resamples, seed)),
        "scaling": list(_scaling(columns)),
        "correlations": list(_correlations(columns, resamples, seed)),
        "robustness": build_robustness(predictions, resamples=resamples, seed=seed),
    }
    return {name: rows for name, rows in parts.items() if rows}


def build_robustness(predictions: pa.Table, *, resamples: int, seed: int) -> list[JsonValue]:
    """A row for each distortion, level and language; for each ability (``language`` null); and for all questions
    together (both null): the mean over the same questions about clean and about worse pictures, and the paired change
    with its interval.

    ``p``: two-sided, of no change, after Holm's correction for all rows of the same of these three sorts.
    """
    if not VARIANTS & set(pc.unique(predictions["variant"]).to_pylist()):
        return []
    answers = build_answers(predictions, path=Path())
    found: list[JsonValue] = []
    sorts: tuple[tuple[str, Callable[[Cell], str]], ...] = (
        ("", all_languages),
        ("language", by_language),
        ("ability", partial(ability_of, answers)),
    )
    for sort, group in sorts:
        for one in robustness(answers, group, resamples=resamples, seed=seed):
            for level, change in one.levels:
                numbers = {
                    "clean": change.base,
                    "value": change.new,
                    "change": change.value,
                    "low": change.low,
                    "high": change.high,
                    "p": change.adjusted,
                }
                found.append(
                    {
                        "distortion": one.kind,
                        "level": level,
                        "language": one.group if sort == "language" else None,
                        "ability": one.group if sort == "ability" else None,
                        "n": change.answers,
                        **{name: round(value, DIGITS) + 0.0 for name, value in numbers.items()},
                    }
                )
    return found


@dataclass(frozen=True, slots=True)
class _Member:
    """An answer that counts for a tag. ``below``: the full name of its own tag; ``cell``: its task and metric."""

    row: int
    language: str
    below: str
    cell: str


def _tags(columns: Columns, resamples: int, seed: int) -> Iterator[JsonValue]:
    """A row for each tag, baseline and language, and one over all languages.

    A tag's value is the unweighted mean over its tasks and metrics. A name such as ``charts/diagrams`` counts for
    ``charts`` as well, whose value is the unweighted mean over the names below it; that over all languages is the mean
    over languages and names.
    """
    members: dict[tuple[str, str, str], list[_Member]] = {}
    for row, (tags, key) in enumerate(zip(columns.table["tags"].to_pylist(), columns.keys, strict=True)):
        if key[5] is not None:
            continue
        for tag in tags or ():
            kind, _, name = tag.partition(":")
            ends = [place for place, sign in enumerate(name) if sign == "/"]
            for part in (*(name[:end] for end in ends), name):
                member = _Member(row, key[2], name, f"{key[0]} {key[4]} {key[6]}")
                members.setdefault((kind, part, key[3] or ""), []).append(member)
    for (kind, name, baseline), found in sorted(members.items()):
        for language in (None, *sorted({member.language for member in found})):
            chosen = [member for member in found if language in (None, member.language)]
            interval, _ = clustered_macro(
                columns.score[[member.row for member in chosen]],
                [columns.clusters[member.row] for member in chosen],
                [f"{member.language} {member.below}" for member in chosen],
                [member.cell for member in chosen],
                resamples=resamples,
                seed=seed,
            )
            yield {
                "tag": kind,
                "name": name,
                "language": language,
                "baseline": baseline or None,
                "n": len(chosen),
                "value": round(interval.value, DIGITS),
                "low": round(interval.low, DIGITS),
                "high": round(interval.high, DIGITS),
            }


def _scaling(columns: Columns) -> Iterator[JsonValue]:
    """Score, written tokens and cost of an answer, by how many answers vote; 0 is the direct answer.

    Means over all answers of a task and metric in a language.
    """
    curves, tokens = columns.table["curve"].to_pylist(), columns.table["tokens"].to_pylist()
    costs: list[float] = columns.table["cost"].to_pylist()
    cells = dict(columns.cells())
    for key, index in cells.items():
        task, split, language, baseline, metric, variant, mode = key
        if variant is None or not variant.endswith(REASONED):
            continue
        rows = range(index.start, index.stop)
        points: list[JsonValue] = []
        plain = variant.removesuffix(REASONED).strip() or None
        direct = cells.get((task, split, language, baseline, metric, plain, mode))
        if direct is not None:
            before = range(direct.start, direct.stop)
            written = [float(sum(tokens[row] or [0])) for row in before]
            points.append(_point(0, columns.score[direct].tolist(), written, [costs[row] for row in before]))
        for draws in range(1, max(len(tokens[row]) for row in rows) + 1):
            values = [curves[row][draws - 1] if curves[row] else float(columns.score[row]) for row in rows]
            written = [float(sum(tokens[row][:draws])) for row in rows]
            points.append(_point(draws, values, written, [costs[row] * draws / len(tokens[row]) for row in rows]))
        yield {
            "task": task, "split": split, "language": language, "metric": metric, "mode": mode, "points": points
        }  # fmt: skip


def _point(draws: int, values: Sequence[float], tokens: Sequence[float], costs: Sequence[float]) -> JsonValue:
    named: Mapping[str, Sequence[float]] = {"value": values, "tokens": tokens, "cost": costs}
    return {"draws": draws, **{name: round(float(np.mean(parts)), DIGITS) for name, parts in named.items()}}


def _correlations(columns: Columns, resamples: int, seed: int) -> Iterator[JsonValue]:
    """Spearman's rank correlation, -1 to 1, of predicted quality with gold answers that are numbers (Q-Bench)."""
    golds: list[str] = columns.table["gold"].to_pylist()
    for key, index in columns.cells():
        if key[4] != "quality" or index.stop - index.start < 3:
            continue
        try:
            rated = np.asarray([float(gold) for gold in golds[index]])
        except ValueError:
            continue
        given = columns.score[index]
        value = spearman(given, rated)
        if value is None:
            continue
        rng = np.random.Generator(np.random.PCG64([seed, len(rated)]))
        picks = rng.integers(0, len(rated), (resamples, len(rated)))
        draws = [drawn for pick in picks if (drawn := spearman(given[pick], rated[pick])) is not None]
        low, high = np.quantile(draws, [0.025, 0.975]).tolist()
        yield {
            "task": key[0], "split": key[1], "language": key[2], "baseline": key[3], "n": len(rated),
            "spearman": round(value, DIGITS), "low": round(low, DIGITS), "high": round(high, DIGITS),
        }  # fmt: skip


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """Correlation of ranks, equal values sharing their mean rank; None where one side does not vary."""
    ranks = []
    for values in (first, second):
        _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
        last = np.cumsum(counts)
        ranks.append(((last - counts + 1 + last) / 2)[codes])
    if any(np.ptp(one) == 0 for one in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])
