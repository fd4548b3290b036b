"""What people said of the same answers: the votes that ``polysee survey results`` writes."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from polysee.evaluation.judge.agreement import krippendorff_alpha
from polysee.evaluation.judge.judging import Winner
from polysee.evaluation.judge.summary import CODES, Compared
from polysee.schema.errors import UserError

_OVERALL = "overall"
_EQUAL = ("tie", "none")
_FIELDS = ("question", "aspect", "choice", "best", "shown")
_GUARDED = ("'=", "'+", "'-", "'@")


@dataclass(frozen=True)
class People:
    """``votes``: what each person said of each two models at each question, first, second or tie."""

    votes: Mapping[Compared, tuple[Winner, ...]]

    def said(self) -> dict[Compared, Winner]:
        """What most of them said. As many votes for each, or more for neither than for either, is a tie."""
        return {key: _most(Counter(votes)) for key, votes in self.votes.items()}

    def alpha(self) -> float | None:
        """How far people agree with each other: Krippendorff's alpha, ordinal. None where no two say anything."""
        return krippendorff_alpha([[CODES[one] for one in votes] for votes in self.votes.values()], "ordinal")


def read_people(path: Path, models: Sequence[str]) -> People:
    """The votes on the overall best answer in a ``votes.jsonl`` or ``votes.csv``, about each two of ``models``.

    A vote for neither of the two says nothing of them, unless it calls all equal or none acceptable, or their answers
    are one. Raises `UserError` for a file that is none of these, and one that speaks of fewer than two of the models.
    """
    votes: dict[Compared, list[Winner]] = {}
    seen: set[str] = set()
    for row in _rows(path):
        if row["aspect"] != _OVERALL:
            continue
        shown = [model for model in models if _names(row["shown"], model)]
        seen.update(shown)
        best = [] if row["choice"] in _EQUAL else row["best"].split("=")
        for first, second in combinations(shown, 2):
            said = _preferred(best, first, second)
            if said is not None:
                votes.setdefault((row["question"], first, second), []).append(said)
    if len(seen) < 2:
        raise UserError(
            f"these votes are about {'one' if seen else 'none'} of the models {', '.join(models)}",
            "call the models as the survey does: polysee judge NAME=RUN …",
            place=str(path),
        )
    return People({key: tuple(found) for key, found in votes.items()})


def _most(count: Counter[Winner]) -> Winner:
    first, second, tie = count["first"], count["second"], count["tie"]
    if first == second or tie > max(first, second):
        return "tie"
    return "first" if first > second else "second"


def _preferred(best: Sequence[str], first: str, second: str) -> Winner | None:
    if not best or (first in best and second in best):
        return "tie"
    return "first" if first in best else "second" if second in best else None


def _names(shown: str, model: str) -> bool:
    # Names may hold spaces, which also stand between them.
    return re.search(rf"(?:^|[ =]){re.escape(model)}(?:$|[ =])", shown) is not None


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise UserError(f"cannot read votes ({reason.lower()})", _FIX, place=str(path)) from None
    # Not splitlines: comments may hold other line ends than these.
    lines = csv.DictReader(io.StringIO(text, newline="")) if path.suffix == ".csv" else map(_parsed, text.split("\n"))
    for number, row in enumerate(lines, 2 if path.suffix == ".csv" else 1):
        if row is None:
            continue
        if not all(isinstance(row.get(name), str) for name in _FIELDS):
            raise UserError("this line is no vote", _FIX, place=f"{path}:{number}")
        yield {name: row[name][1:] if row[name].startswith(_GUARDED) else row[name] for name in _FIELDS}


_FIX = "name the votes.jsonl or votes.csv that `polysee survey results` writes"


def _parsed(line: str) -> dict[str, str] | None:
    if not line.strip():
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
