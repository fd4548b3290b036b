"""Votes as rows for other programs. A row says what was shown and picked, and of its respondent only what they told."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from polysee.survey.questionnaire import Questionnaire
from polysee.survey.texts import words
from polysee.survey.votes import NONE, TIE, Person, Vote

Everyone = Sequence[tuple[Person, Sequence[Vote]]]

COUNTRIES = frozenset(words("en").countries)


@dataclass(frozen=True, slots=True)
class Row:
    """One vote. ``respondent``: a number that means nothing else. ``choice``: ``answer``, ``tie`` or ``none``.

    ``shown``: the models in the order in which their answers were shown, those of equal answers joined by ``=``;
    ``best``: the models whose answer was picked, more than one where they had answered alike.
    """

    respondent: int
    finished: bool
    country: str
    dialect: str
    page_language: str
    comfort: str
    question: str
    language: str
    domain: str
    place: int
    aspect: str
    choice: str
    best: str
    shown: str
    comment: str


def rows(survey: Questionnaire, everyone: Everyone) -> list[Row]:
    """All votes, respondent by respondent."""
    questions = {question.id: question for question in survey.questions}
    out = []
    for number, (person, votes) in enumerate(everyone, 1):
        for vote in votes:
            asked = person.asked[vote.place]
            question = questions[asked.question]
            card = () if vote.choice in (TIE, NONE) else asked.cards[int(vote.choice)]
            out.append(
                Row(
                    respondent=number,
                    finished=person.finished,
                    country=person.country,
                    dialect=person.dialect,
                    page_language=person.page_language,
                    comfort=person.comfort,
                    question=question.id,
                    language=question.language,
                    domain=question.domain,
                    place=vote.place + 1,
                    aspect=vote.aspect,
                    choice="answer" if card else vote.choice,
                    best="=".join(survey.models[model] for model in card),
                    shown=" ".join("=".join(survey.models[model] for model in one) for one in asked.cards),
                    comment=person.comment,
                )
            )
    return out


def to_csv(found: Sequence[Row]) -> str:
    """With a head line and a byte-order mark, without which spreadsheets take UTF-8 for something else."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([field.name for field in fields(Row)])
    for row in found:
        writer.writerow([_inert(value) for value in asdict(row).values()])
    return "\ufeff" + buffer.getvalue()


def to_jsonl(found: Sequence[Row]) -> str:
    return "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in found)


def _inert(value: object) -> object:
    """A spreadsheet would run a text that starts like a formula; an apostrophe keeps it a text."""
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
