"""What lmms-eval left behind: whether it failed, and its scores as rows of ``scores.json``.

lmms-eval exits with 0 whatever happens, so success is judged by its results and its log.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from polysee.evaluation.lmms.command import PREFIX, RESULTS, Benchmark
from polysee.evaluation.scores import Score, Seen
from polysee.evaluation.statistics import LEVEL, Interval, clustered_mean
from polysee.schema.errors import UserError

PERCENT = frozenset({"bleu", "chrf", "ter"})
"""Metrics of lmms-eval's own that go from 0 to 100."""

WANTS_SIMPLE = "Currently messages is used for generation only"
"""How lmms-eval 0.7 refuses to put a likelihood task to a chat model."""

RESAMPLES = 2000

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r"^[^|]*\| (?:ERROR|CRITICAL) +\| (?P<text>.*)$", re.MULTILINE)
_RAISED = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(?P<text>\S.*)$", re.MULTILINE)
_SELECTED = "Selected Tasks:"


@dataclass(frozen=True, slots=True)
class OtherScore:
    """A score on a scale of its own, such as a sum of points, which no table of 0 to 1 can hold."""

    task: str
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class Folded:
    """``scores``: rows for ``scores.json``; ``others``: what cannot be one."""

    scores: tuple[Score, ...]
    others: tuple[OtherScore, ...] = ()


def plain(log: str) -> str:
    """A log without colours."""
    return _COLOUR.sub("", log)


def error_in(log: str) -> str | None:
    """The last error of a log, in one line; None where it has none.

    What comes before the tasks are chosen is about other tasks' files, unless nothing comes after it.
    """
    log = plain(log)
    _, found, after = log.partition(_SELECTED)
    part = after if found else log
    errors = [(match.start(), match["text"]) for kind in (_ERROR, _RAISED) for match in kind.finditer(part)]
    return max(errors)[1].strip() if errors else None


def wants_simple(log: str) -> bool:
    """Whether the run ended because the task compares options by likelihood."""
    return WANTS_SIMPLE in log


def read_results(folder: Path, benchmark: Benchmark, log: str, code: int) -> dict[str, Any]:
    """lmms-eval's results of a benchmark's folder.

    Raises `UserError` where there are none, where the log has an error, or where a task has no scored question.
    """
    written = sorted((folder / RESULTS).rglob("*_results.json"))
    error = error_in(log)
    if code or error or len(written) != 1:
        why = error or (f"it ended with code {code}" if code else "it wrote no results")
        raise _failed(benchmark, why, folder)
    content: dict[str, Any] = json.loads(written[0].read_text(encoding="utf-8"))
    counts = content.get("n-samples") or {}
    if not counts:
        raise _failed(benchmark, "its results name no task", folder)
    for task, count in counts.items():
        if not count["effective"]:
            raise _failed(benchmark, f"the task {task} has no questions", folder)
        if not list(_aggregates(content["results"].get(task, {}))):
            raise _failed(benchmark, f"the task {task} has no score", folder)
    return content


def _failed(benchmark: Benchmark, why: str, folder: Path) -> UserError:
    return UserError(
        f"lmms-eval could not run {benchmark.name}: {why}",
        "read its log; it may want the network, or keys in the environment for gated data or a judge",
        place=str(folder / "log.txt"),
    )


def fold(
    content: Mapping[str, Any],
    samples: Mapping[str, Sequence[Mapping[str, Any]]],
    language: str,
    seen: Mapping[str, Seen] | None = None,
) -> Folded:
    """Rows of one run. ``samples``: task -> what was logged of each question. ``seen``: as in `build_scores`.

    A mean of values in 0-1, on a scale to 1 or to 100, gets a bootstrap interval over its questions; any other score
    the normal one of lmms-eval's standard error; without that the interval is 0 to 1, which says that it is unknown.
    lmms-eval tells neither unparsed nor wrong-language answers, so these are 0. Raises `UserError` for a score that is
    no number.
    """
    scores: list[Score] = []
    others: list[OtherScore] = []
    for task, count in sorted(content["n-samples"].items()):
        config = content.get("configs", {}).get(task, {})
        for metric, name, value, error in _aggregates(content["results"][task]):
            if not math.isfinite(value):
                raise UserError(f"lmms-eval's {name} of {task} is {value}", "look at its samples", place=task)
            values = _values(samples.get(task, ()), metric, config.get("score_key", "score"))
            interval = _interval(metric, value, error, values)
            if interval is None:
                others.append(OtherScore(PREFIX + task, name, value))
                continue
            row = Score(
                task=PREFIX + task,
                language=language,
                metric=name,
                split=str(config.get("test_split") or config.get("validation_split") or "test"),
                baseline=None,
                n=int(count["effective"]),
                value=interval.value,
                low=interval.low,
                high=interval.high,
                chance=None,
                unparsed=0.0,
                wrong_language=0.0,
                seen=None if seen is None else seen.get(language, "none"),
                mode="official",
            )
            scores.append(row)
    return Folded(tuple(scores), tuple(others))


def read_samples(folder: Path, tasks: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """What lmms-eval logged of each question, by task."""
    found = {}
    for task in tasks:
        paths = sorted((folder / RESULTS).rglob(f"*_samples_{task}.jsonl"))
        lines = paths[0].read_text(encoding="utf-8").split("\n") if paths else []
        found[task] = [json.loads(line) for line in lines if line]
    return found


def _aggregates(result: Mapping[str, Any]) -> Iterator[tuple[str, str, float, float | None]]:
    """(metric, its name with the answer filter if there is one, value, standard error) of a task's results."""
    for key, value in result.items():
        metric, comma, chosen = key.partition(",")
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not comma or not known or re.search(r"_stderr(_clt|_clustered)?$", metric):
            continue
        name = metric if chosen == "none" else f"{metric}/{chosen}"
        errors = (result.get(f"{metric}_{kind},{chosen}") for kind in ("stderr_clustered", "stderr_clt", "stderr"))
        error = next((float(one) for one in errors if isinstance(one, (int, float)) and math.isfinite(one)), None)
        yield metric, name, float(value), error


def _values(samples: Sequence[Mapping[str, Any]], metric: str, key: str) -> list[float]:
    """Each question's score, empty where one has none that is a number from 0 to 1."""
    found = []
    for sample in samples:
        value = sample.get(metric)
        if isinstance(value, Mapping):
            value = value.get(key)
        if not isinstance(value, (int, float)) or not 0 <= value <= 1:
            return []
        found.append(float(value))
    return found


def _interval(metric: str, value: float, error: float | None, values: Sequence[float]) -> Interval | None:
    """The score on a scale to 1; None where its own scale is not known."""
    if values:
        mean = float(np.mean(values))
        if math.isclose(value, mean, abs_tol=1e-6) or math.isclose(value, 100 * mean, abs_tol=1e-4):
            return clustered_mean(values, [str(i) for i in range(len(values))], resamples=RESAMPLES, seed=0)
    scale = 100 if metric.casefold() in PERCENT else 1
    value = value / scale
    if not 0 <= value <= 1:
        return None
    if not error:
        return Interval(value, 0.0, 1.0)
    half = NormalDist().inv_cdf(0.5 + LEVEL / 2) * error / scale
    return Interval(value, max(0.0, value - half), min(1.0, value + half))
