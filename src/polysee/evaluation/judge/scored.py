"""A judge's scores of single answers as rows of ``scores.json``, beside those of other metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from polysee.evaluation.judge.judging import Judged, Verdict
from polysee.evaluation.judge.questions import Questions
from polysee.evaluation.scores import Score, Seen
from polysee.evaluation.scripts import wrong_script
from polysee.evaluation.statistics import clustered_mean
from polysee.schema.errors import UserError
from polysee.store.atomic import write_json

METRIC = "judge"


def fold(path: Path, judged: Judged, questions: Questions, *, resamples: int, seed: int) -> tuple[Score, ...]:
    """Put a row of metric `judge` for each task, split and language into the ``scores.json`` at ``path``.

    ``value``: the mean score from 0 (the scale's worst) to 1 (its best). ``unparsed``: share of the requests that could
    not be read; ``failed``: answers without a verdict, which count neither way. Rows of an earlier judge are replaced.
    Raises `UserError` for a file that cannot be read.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        others = [row for row in tree["tasks"] if row["metric"] != METRIC]
        seen: dict[str, Seen | None] = {row["language"]: row["seen"] for row in others}
        held = {row["task"]: row.get("held_in") for row in others}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError("scores.json cannot be read", "measure the model again", place=str(path)) from error
    cells: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in judged.verdicts:
        place = questions.places[verdict.question]
        cells.setdefault((place.task, place.split, place.language), []).append(verdict)
    answers = {one.id: one.answers[0][1] for one in questions.asked}
    rows = []
    for (task, split, language), verdicts in sorted(cells.items()):
        read = [verdict for verdict in verdicts if verdict.values is not None]
        if not read:
            continue
        ends = clustered_mean(
            list(_values(read, judged)),
            [questions.places[verdict.question].cluster for verdict in read],
            resamples=resamples,
            seed=seed,
        )
        rows.append(
            Score(
                task=task,
                language=language,
                metric=METRIC,
                split=split,
                baseline=None,
                n=len(read),
                value=ends.value,
                low=ends.low,
                high=ends.high,
                chance=None,
                unparsed=sum(v.draws.unparsed for v in verdicts) / sum(v.draws.asked for v in verdicts),
                wrong_language=sum(wrong_script(answers[v.question], language) for v in read) / len(read),
                seen=seen.get(language),
                held_in=held.get(task),
                failed=len(verdicts) - len(read),
            )
        )
    write_json(path, {**tree, "tasks": [*others, *(row.row() for row in rows)]})
    return tuple(rows)


def _values(read: Iterable[Verdict], judged: Judged) -> Iterable[float]:
    low, high = judged.config.limits
    for verdict in read:
        assert verdict.values is not None
        yield (verdict.values[0] - low) / (high - low)
