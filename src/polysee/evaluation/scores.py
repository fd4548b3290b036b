"""``scores.json``: a table of task by language with intervals, and the macro means over it. No times, no paths."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from polysee.evaluation.statistics import Interval, clustered_macro, clustered_mean

Seen = Literal["none", "text", "vl"]
FOUR_WAY_SPLIT = "scenes"
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Score:
    """One cell of the table: a task's ``value`` (0-1) in a language and split, for the model or for a baseline.

    ``chance``: of a right guess, None where guessing has no meaning. ``unparsed`` and ``wrong_language``: shares of
    the ``n`` answers. ``seen``: what the training data had of the language.
    """

    task: str
    language: str
    metric: str
    split: str
    baseline: str | None
    n: int
    value: float
    low: float
    high: float
    chance: float | None
    unparsed: float
    wrong_language: float
    seen: Seen

    def row(self) -> dict[str, str | int | float | None]:
        """As ``scores.json`` has it: floats rounded to 6 digits."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: _round(value) if isinstance(value, float) else value for name, value in values.items()}


def training_exposure(batches: Iterable[pa.RecordBatch | pa.Table]) -> dict[str, Seen]:
    """What the kept samples of the training split hold of each language: samples with media, or text alone.

    ``batches`` need the columns ``language``, ``split`` and ``media``. A language that is missing was not seen.
    """
    seen: dict[str, Seen] = {}
    for batch in batches:
        train = batch.filter(pc.equal(batch.column("split"), "train"))
        pictured = pc.greater(pc.list_value_length(train.column("media")), 0)
        for language in pc.unique(train.column("language")).to_pylist():
            seen.setdefault(language, "text")
        for language in pc.unique(train.column("language").filter(pictured)).to_pylist():
            seen[language] = "vl"
    return seen


def build_scores(
    predictions: pa.Table, seen: Mapping[str, Seen], *, resamples: int, seed: int
) -> tuple[list[Score], dict[str, Any]]:
    """All cells, sorted, and the ``macro`` part. ``predictions``: rows of `PREDICTION_SCHEMA` in any order."""
    columns = _Columns(predictions)
    scores = [
        _cell(columns, key, index, seen.get(key[2], "none"), resamples=resamples, seed=seed)
        for key, index in columns.cells()
    ]
    return scores, _macro(columns, scores, resamples=resamples, seed=seed)


def write_scores(path: Path, scores: Sequence[Score], macro: Mapping[str, Any]) -> None:
    """Write ``scores.json`` in one atomic step; equal scores give equal bytes."""
    content = {"tasks": [score.row() for score in scores], "macro": macro}
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class _Columns:
    """The predictions in one order whatever the order of the table, so that sums have equal bits."""

    def __init__(self, table: pa.Table) -> None:
        names = ("task", "split", "language", "baseline", "metric", "sample")
        rows = sorted(
            zip(*(table[name].to_pylist() for name in names), range(len(table)), strict=True),
            key=lambda row: tuple(part or "" for part in row[:-1]),
        )
        table = table.take([row[-1] for row in rows])
        self.keys = [row[:5] for row in rows]
        self.clusters: list[str] = table["cluster"].to_pylist()
        self.chance: list[float | None] = table["chance"].to_pylist()
        self.score: NDArray[np.float64] = table["score"].to_numpy()
        self.parsed: NDArray[np.bool_] = np.asarray(table["parsed"].to_pylist(), np.bool_)
        self.wrong: NDArray[np.bool_] = np.asarray(table["wrong_language"].to_pylist(), np.bool_)

    def cells(self) -> Iterable[tuple[tuple[str, str, str, str | None, str], slice]]:
        """(task, split, language, baseline, metric) and the rows that it names."""
        start = 0
        for end in range(1, len(self.keys) + 1):
            if end == len(self.keys) or self.keys[end] != self.keys[start]:
                yield self.keys[start], slice(start, end)
                start = end


def _cell(
    columns: _Columns,
    key: tuple[str, str, str, str | None, str],
    index: slice,
    seen: Seen,
    *,
    resamples: int,
    seed: int,
) -> Score:
    task, split, language, baseline, metric = key
    values = columns.score[index]
    interval = clustered_mean(values, columns.clusters[index], resamples=resamples, seed=seed)
    chances = [chance for chance in columns.chance[index] if chance is not None]
    return Score(
        task=task,
        language=language,
        metric=metric,
        split=split,
        baseline=baseline,
        n=len(values),
        value=interval.value,
        low=interval.low,
        high=interval.high,
        chance=float(np.mean(chances)) if chances else None,
        unparsed=float(1 - columns.parsed[index].mean()),
        wrong_language=float(columns.wrong[index].mean()),
        seen=seen,
    )


def _macro(columns: _Columns, scores: Sequence[Score], *, resamples: int, seed: int) -> dict[str, Any]:
    """``four_way``: mean over languages that were trained with pictures of the mean over four-way tasks, on scenes."""
    four_way = {s.task for s in scores if s.metric == "choice" and s.chance == 0.25}
    here = [
        (number, key)
        for number, key in enumerate(columns.keys)
        if key[0] in four_way and key[1] == FOUR_WAY_SPLIT and key[4] == "choice"
    ]
    seen = {score.language: score.seen for score in scores}

    def mean(rows: Sequence[tuple[int, Any]]) -> tuple[Interval, dict[str, Interval]] | None:
        if not rows:
            return None
        numbers = [number for number, _ in rows]
        return clustered_macro(
            columns.score[numbers],
            [columns.clusters[number] for number in numbers],
            [key[2] for _, key in rows],
            [key[0] for _, key in rows],
            resamples=resamples,
            seed=seed,
        )

    model = [row for row in here if row[1][3] is None]
    trained = mean([row for row in model if seen[row[1][2]] == "vl"])
    every = mean(model)
    out: dict[str, Any] = {
        "four_way": _round(trained[0].value) if trained else None,
        "four_way_low": _round(trained[0].low) if trained else None,
        "four_way_high": _round(trained[0].high) if trained else None,
        "tasks": sorted({key[0] for _, key in model}),
        "languages": {
            language: {**_entry(interval), "seen": seen[language]}
            for language, interval in (every[1] if every else {}).items()
        },
        "baselines": {},
    }
    for baseline in sorted({row[1][3] for row in here} - {None}):
        rows = [row for row in here if row[1][3] == baseline]
        numbers = [number for number, _ in rows]
        pooled = clustered_mean(
            columns.score[numbers], [columns.clusters[n] for n in numbers], resamples=resamples, seed=seed
        )
        out["baselines"][baseline] = {**_entry(pooled), "n": len(rows), "chance": 0.25}
    return out


def _entry(interval: Interval) -> dict[str, float]:
    return {name: _round(getattr(interval, name)) for name in ("value", "low", "high")}


def _round(value: float) -> float:
    return round(value, DIGITS) + 0.0
