"""What a survey asks: the file survey.json of its folder, which alone knows whose answer is whose."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from polysee.schema.config import Config
from polysee.schema.errors import UserError
from polysee.store.atomic import to_json, write_text
from polysee.survey.texts import CRITERIA, available
from polysee.text.languages import is_known
from polysee.text.normalise import key

FILE = "survey.json"
PICTURES = "pictures"
OVERALL = "overall"
"""The aspect that every question asks about; the others are criteria."""

MOST_MODELS = 6
_HEX = r"^[0-9a-f]{64}$"


class Question(Config):
    """``answers``: one for each model of the survey, in their order. ``pictures``: names of files in the folder."""

    id: str
    language: str
    domain: str
    question: str
    reference: str = ""
    options: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    answers: tuple[str, ...]


class Questionnaire(Config):
    """A survey. ``languages``: of its pages, the first where a browser asks for none of them.

    ``criteria``: what respondents are told to think of; with ``each_criterion`` they also pick the best answer by each
    of them. ``ties``: whether they may call several answers equal, or none acceptable. ``countries``: those offered
    (ISO 3166, all if empty). ``per_person``: questions that each respondent is asked, all if None; ``seed``: of the
    orders. ``consent``: by language, instead of our own text.
    """

    version: int = Field(default=1, ge=1, le=1)
    title: str = Field(default="", max_length=200)
    models: tuple[str, ...] = Field(min_length=2, max_length=MOST_MODELS)
    languages: tuple[str, ...] = Field(min_length=1)
    criteria: tuple[str, ...] = CRITERIA
    each_criterion: bool = False
    show_reference: bool = True
    ties: bool = True
    countries: tuple[str, ...] = ()
    per_person: int | None = Field(default=None, ge=1)
    seed: int = 0
    consent: dict[str, str] = Field(default_factory=dict)
    questions: tuple[Question, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> Questionnaire:
        if len(set(self.models)) != len(self.models):
            raise ValueError("two models have the same name")
        if unknown := set(self.languages) - set(available()):
            raise ValueError(
                f"there are no texts in {', '.join(sorted(unknown))}; choose from {', '.join(available())}"
            )
        if unknown := set(self.criteria) - set(CRITERIA):
            raise ValueError(f"no criterion is called {sorted(unknown)[0]!r}; choose from {', '.join(CRITERIA)}")
        if len({question.id for question in self.questions}) != len(self.questions):
            raise ValueError("two questions have the same id")
        for question in self.questions:
            if len(question.answers) != len(self.models):
                raise ValueError(f"question {question.id!r} has not one answer for each model")
            if not is_known(question.language):
                raise ValueError(f"question {question.id!r}: no language has the tag {question.language!r}")
        return self

    @property
    def aspects(self) -> tuple[str, ...]:
        """What is picked for each question."""
        return (OVERALL, *(self.criteria if self.each_criterion else ()))

    @property
    def question_languages(self) -> tuple[str, ...]:
        return tuple(sorted({question.language for question in self.questions}))

    def fingerprint(self) -> str:
        """Of all that respondents judge. A token is spent once for each; the words around it may be mended."""
        return self.identity

    @cached_property
    def identity(self) -> str:
        """What `fingerprint` gives, computed once."""
        told = self.model_dump(mode="json", include={"models", "questions", "criteria", "each_criterion"})
        told |= {"reference": self.show_reference, "ties": self.ties}
        return hashlib.sha256(to_json(told).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as one respondent gets it. ``cards``: answers in their order, each with the models that gave it."""

    question: str
    cards: tuple[tuple[int, ...], ...]


def cards_of(question: Question) -> tuple[tuple[int, ...], ...]:
    """Models whose answers read the same share a card: nobody should have to choose between equal words."""
    groups: dict[str, list[int]] = {}
    for model, answer in enumerate(question.answers):
        groups.setdefault(key(answer, question.language), []).append(model)
    return tuple(tuple(group) for group in groups.values())


def order_for(survey: Questionnaire, person: str, languages: Sequence[str]) -> tuple[Asked, ...]:
    """Which questions a respondent gets, in which order, with their answers in which order.

    ``person``: whatever is theirs alone; equal arguments give the same order. ``languages``: those they read. With
    ``per_person``, domains take turns, so that each gets its share.
    """
    seed = f"{survey.seed}\n{survey.fingerprint()}\n{person}"
    rng = random.Random(hashlib.sha256(seed.encode()).digest())
    mine = [question for question in survey.questions if question.language in languages]
    rng.shuffle(mine)
    if survey.per_person is not None:
        turns: dict[str, int] = {}
        keyed = []
        for question in mine:
            turn = turns[question.domain] = turns.get(question.domain, -1) + 1
            keyed.append((turn, rng.random(), question))
        mine = [question for _, _, question in sorted(keyed, key=lambda item: item[:2])][: survey.per_person]
        rng.shuffle(mine)
    out = []
    for question in mine:
        cards = list(cards_of(question))
        rng.shuffle(cards)
        out.append(Asked(question.id, tuple(cards)))
    return tuple(out)


def write_questionnaire(folder: Path, survey: Questionnaire) -> None:
    write_text(folder / FILE, to_json(survey.model_dump(mode="json")))


def read_questionnaire(folder: Path) -> Questionnaire:
    """Raises `UserError` where there is none, or where it was edited into something that is none."""
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("there is no survey here", "make one with `polysee survey build`", place=str(folder)) from error
    try:
        return Questionnaire.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        cause = f"{where}: {first['msg']}" if where else first["msg"]
        raise UserError(
            cause[:1].lower() + cause[1:], "mend the file, or build the survey again", place=str(path)
        ) from error
