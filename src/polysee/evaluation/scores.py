"""``scores.json``: a table of task by language with intervals, and the macro means over it. No times, no paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import JsonValue

from polysee.evaluation.metrics.groups import all_of_group
from polysee.evaluation.statistics import Interval, clustered_macro, clustered_mean
from polysee.schema.sample import Sample
from polysee.store.atomic import write_json

Seen = Literal["none", "text", "vl"]
SCENES = "scenes"
OTHER_LANGUAGES = "languages"
FOUR_WAY = 0.25
DIGITS = 6

_SPECIAL: dict[str, JsonValue] = {"variant": None, "mode": "multilingual", "held_in": None, "failed": 0}

Key = tuple[str, str, str, str | None, str, str | None, str]
_KEY = ("task", "split", "language", "baseline", "metric", "variant", "mode")


@dataclass(frozen=True, slots=True)
class Score:
    """One cell of the table: a task's ``value`` (0-1) in a language and split, for the model or for a baseline.

    ``chance``: of a right guess, None where guessing has no meaning. ``unparsed`` and ``wrong_language``: shares of
    the ``n`` answers. ``seen``: what the training data had of the language, None where that data is unknown.
    ``variant``: how else than plainly the task was asked; ``held_in``: training had the dataset (None: unknown);
    ``failed``: questions without an answer, which count neither way.
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
    seen: Seen | None
    variant: str | None = None
    mode: str = "multilingual"
    held_in: bool | None = None
    failed: int = 0

    def row(self) -> dict[str, JsonValue]:
        """As ``scores.json`` has it: floats rounded to 6 digits; what is as usual of ``_SPECIAL`` is left out."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        said = {name: value for name, value in values.items() if name not in _SPECIAL or value != _SPECIAL[name]}
        return {name: _round(value) if isinstance(value, float) else value for name, value in said.items()}


@dataclass(frozen=True, slots=True)
class Exposure:
    """What training had. ``seen``: of each language; ``sources``: names of its datasets; ``media``: their hashes."""

    seen: Mapping[str, Seen]
    sources: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()

    def has(self, samples: Iterable[Sample]) -> bool:
        """Whether training had the dataset of these samples, or a picture of theirs."""
        return any(
            any(origin.source in self.sources for origin in sample.origins)
            or any(ref.sha256 in self.media for ref in sample.media)
            for sample in samples
        )


def training_exposure(batches: Iterable[pa.RecordBatch | pa.Table]) -> dict[str, Seen]:
    """What the kept samples of the training split hold of each language: samples with media, or text alone.

    ``batches`` need the columns ``language``, ``split`` and ``media``. A language that is missing was not seen.
    """
    return dict(exposure(batches).seen)


def exposure(batches: Iterable[pa.RecordBatch | pa.Table]) -> Exposure:
    """As `training_exposure`, with datasets (where ``batches`` have the column ``origins``) and media."""
    seen: dict[str, Seen] = {}
    sources: set[str] = set()
    media: set[str] = set()
    for batch in batches:
        train = batch.filter(pc.equal(batch.column("split"), "train"))
        pictured = pc.greater(pc.list_value_length(train.column("media")), 0)
        for language in pc.unique(train.column("language")).to_pylist():
            seen.setdefault(language, "text")
        for language in pc.unique(train.column("language").filter(pictured)).to_pylist():
            seen[language] = "vl"
        shown = pc.list_flatten(train.column("media"))
        media |= set(pc.unique(pc.struct_field(shown, "sha256")).to_pylist())
        if "origins" in batch.schema.names:
            origins = pc.list_flatten(train.column("origins"))
            sources |= set(pc.unique(pc.struct_field(origins, "source")).to_pylist())
    return Exposure(seen, frozenset(sources), frozenset(media))


def build_scores(
    predictions: pa.Table,
    seen: Mapping[str, Seen] | None,
    *,
    resamples: int,
    seed: int,
    held_in: Mapping[str, bool] | None = None,
) -> tuple[list[Score], dict[str, JsonValue]]:
    """All cells, sorted, and the ``macro`` part. ``predictions``: rows of `PREDICTION_SCHEMA` in any order.

    ``seen``: by language, None where the training data is unknown; ``held_in``: by task.
    """
    columns = Columns(predictions)
    scores: list[Score] = []
    for key, index in columns.cells():
        cell = _cell(columns, key, index, None if seen is None else seen.get(key[2], "none"), resamples, seed)
        cell = replace(cell, held_in=(held_in or {}).get(key[0]))
        scores.append(cell)
        if any(columns.group[index]):
            scores.append(_circular(columns, index, cell, resamples, seed))
    return scores + _better(scores), _macro(columns, scores, resamples=resamples, seed=seed)


def asked_plainly(scores: Iterable[Score]) -> list[Score]:
    """Without other ways of asking (worse pictures, steps), where a task was asked plainly as well."""
    listed = list(scores)
    plain = {score.task for score in listed if score.variant is None}
    return [score for score in listed if score.variant is None or score.task not in plain]


def write_scores(
    path: Path, scores: Sequence[Score], macro: Mapping[str, JsonValue], more: Mapping[str, JsonValue] | None = None
) -> None:
    """Write ``scores.json`` at once or not at all; equal scores give equal bytes. ``more``: further parts."""
    write_json(path, {"tasks": [score.row() for score in scores], "macro": dict(macro), **(more or {})})


class Columns:
    """The scored predictions in one order whatever the order of the table, so that sums have equal bits."""

    def __init__(self, table: pa.Table) -> None:
        answered = pc.equal(pc.fill_null(table["failure"], ""), "")
        self.failed = Counter(zip(*(_texts(table.filter(pc.invert(answered)), n) for n in _KEY), strict=True))
        table = table.filter(answered)
        rows = sorted(
            zip(*(_texts(table, name) for name in (*_KEY, "sample", "answer")), range(len(table)), strict=True),
            key=lambda row: tuple(part or "" for part in row[:-1]),
        )
        table = table.take(pa.array([row[-1] for row in rows], pa.int64()))
        self.table = table
        self.keys = [row[: len(_KEY)] for row in rows]
        self.clusters: list[str] = table["cluster"].to_pylist()
        self.group: list[str] = [group or "" for group in table["group"].to_pylist()]
        self.chance: list[float | None] = table["chance"].to_pylist()
        self.score: NDArray[np.float64] = table["score"].to_numpy()
        self.parsed: NDArray[np.bool_] = np.asarray(table["parsed"].to_pylist(), np.bool_)
        self.wrong: NDArray[np.bool_] = np.asarray(table["wrong_language"].to_pylist(), np.bool_)

    def cells(self) -> Iterable[tuple[Key, slice]]:
        """(task, split, language, baseline, metric, variant, mode) and the rows that it names."""
        start = 0
        for end in range(1, len(self.keys) + 1):
            if end == len(self.keys) or self.keys[end] != self.keys[start]:
                yield self.keys[start], slice(start, end)
                start = end


def _texts(table: pa.Table, name: str) -> list[str | None]:
    values: list[str | None] = table[name].to_pylist()
    return ["multilingual" if value is None else value for value in values] if name == "mode" else values


def _cell(columns: Columns, key: Key, index: slice, seen: Seen | None, resamples: int, seed: int) -> Score:
    task, split, language, baseline, metric, variant, mode = key
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
        variant=variant,
        mode=mode,
        failed=columns.failed.get(key, 0),
    )


def _circular(columns: Columns, index: slice, cell: Score, resamples: int, seed: int) -> Score:
    """All rotations of a question must be right (`all_of_group`); guessing must be lucky as often."""
    groups: dict[str, list[int]] = {}
    for row in range(index.start, index.stop):
        groups.setdefault(columns.group[row], []).append(row)
    values = [all_of_group(columns.score[rows].tolist(), [0] * len(rows)) for rows in groups.values()]
    clusters = [columns.clusters[rows[0]] for rows in groups.values()]
    interval = clustered_mean(values, clusters, resamples=resamples, seed=seed)
    turns = len(columns.score[index]) / len(groups)
    chance = None if cell.chance is None else cell.chance**turns
    found = replace(cell, metric="circular", n=len(groups), chance=chance)
    return replace(found, value=interval.value, low=interval.low, high=interval.high)


def _better(scores: Sequence[Score]) -> list[Score]:
    """In official mode also the better one of asking directly and for the steps, as some papers report it."""
    found = []
    direct = {_asked(score): score for score in scores if score.variant is None and score.mode == "official"}
    for score in scores:
        plain = direct.get(_asked(score))
        if score.variant == "reasoned" and score.mode == "official" and plain is not None:
            found.append(replace(max(plain, score, key=lambda one: one.value), variant="max"))
    return found


def _asked(score: Score) -> tuple[str | None, ...]:
    return (score.task, score.split, score.language, score.baseline, score.metric)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Where one answer of the macro means lies in the columns, and in which cell."""

    index: int
    task: str
    split: str
    language: str
    baseline: str | None


def _macro(columns: Columns, scores: Sequence[Score], *, resamples: int, seed: int) -> dict[str, JsonValue]:
    """The macro means over cells of four options each.

    ``four_way``: over languages that were trained with pictures, the mean of their tasks on unseen scenes.
    ``languages``: the same for each language; one without scenes of its own is measured on the split ``languages``.
    ``baselines``: all answers of a baseline on scenes, pooled.
    """
    seen = {score.language: score.seen for score in scores}
    choices = list(_four_way(columns, scores))
    scenes = {c.language for c in choices if c.split == SCENES}
    model = [
        c for c in choices if c.baseline is None and c.split == (SCENES if c.language in scenes else OTHER_LANGUAGES)
    ]
    main = [c for c in model if c.split == SCENES and seen[c.language] == "vl"]
    whole, _ = _mean(columns, main, resamples=resamples, seed=seed)
    _, each = _mean(columns, model, resamples=resamples, seed=seed)
    languages: dict[str, JsonValue] = {
        language: {**_entry(each[language]), "seen": seen[language], "split": split}
        for language, split in sorted({(c.language, c.split) for c in model})
    }
    baselines: dict[str, JsonValue] = {}
    for baseline in sorted({c.baseline for c in choices if c.baseline is not None}):
        rows = [c.index for c in choices if c.baseline == baseline and c.split == SCENES]
        if rows:
            labels = [columns.clusters[index] for index in rows]
            pooled = clustered_mean(columns.score[rows], labels, resamples=resamples, seed=seed)
            baselines[baseline] = {**_entry(pooled), "n": len(rows), "chance": FOUR_WAY}
    tasks: list[JsonValue] = [*sorted({c.task for c in main})]
    return {
        "four_way": _round(whole.value) if whole else None,
        "four_way_low": _round(whole.low) if whole else None,
        "four_way_high": _round(whole.high) if whole else None,
        "chance": FOUR_WAY,
        "tasks": tasks,
        "languages": languages,
        "baselines": baselines,
    }


def _four_way(columns: Columns, scores: Sequence[Score]) -> Iterable[_Choice]:
    """The answers of all cells in which every sample has four options."""
    cells = {
        (s.task, s.split, s.language, s.baseline, s.metric, s.variant, s.mode)
        for s in asked_plainly(scores)
        if s.metric == "choice" and s.chance == FOUR_WAY
    }
    for index, key in enumerate(columns.keys):
        if key in cells:
            yield _Choice(index, key[0], key[1], key[2], key[3])


def _mean(
    columns: Columns, choices: Sequence[_Choice], *, resamples: int, seed: int
) -> tuple[Interval | None, dict[str, Interval]]:
    if not choices:
        return None, {}
    rows = [c.index for c in choices]
    return clustered_macro(
        columns.score[rows],
        [columns.clusters[index] for index in rows],
        [c.language for c in choices],
        [c.task for c in choices],
        resamples=resamples,
        seed=seed,
    )


def _entry(interval: Interval) -> dict[str, JsonValue]:
    return {"value": _round(interval.value), "low": _round(interval.low), "high": _round(interval.high)}


def _round(value: float) -> float:
    return round(value, DIGITS) + 0.0
