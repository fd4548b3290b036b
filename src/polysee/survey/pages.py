"""The pages that respondents see: plain HTML without scripts, in their language and its direction."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from polysee.survey.questionnaire import OVERALL, Asked, Question, Questionnaire
from polysee.survey.texts import COMFORT, Words, words
from polysee.survey.votes import NONE, TIE, Person
from polysee.text.languages import direction, language

LONGEST_DIALECT = 80
LONGEST_COMMENT = 2000


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to pick. ``value``: what is sent."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class AnswerCard:
    option: Option
    text: str


@dataclass(frozen=True, slots=True)
class AspectRow:
    """A criterion by which the best answer is to be picked."""

    name: str
    title: str
    meaning: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Tongue:
    tag: str
    autonym: str
    direction: str


class Pages:
    """Renders the pages of one survey."""

    def __init__(self, survey: Questionnaire) -> None:
        self.survey = survey
        self.questions: dict[str, Question] = {question.id: question for question in survey.questions}
        self._environment = Environment(
            loader=PackageLoader("polysee.survey", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._fresh: dict[str, str] = {}
        self._style = files("polysee.survey").joinpath("templates", "survey.css").read_text(encoding="utf-8")
        self._tongues = tuple(_tongue(tag) for tag in survey.languages)

    @property
    def policy(self) -> str:
        """Content-Security-Policy: our own pictures and the page's own styles; no scripts, no frames, no other site."""
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode("ascii")
        return (
            f"default-src 'none'; img-src 'self'; style-src 'sha256-{digest}'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    def code(self, tag: str, *, problem: str = "") -> str:
        """Where a token is typed in."""
        return self._render("code", tag, problem=problem)

    def message(self, tag: str, head: str, text: str = "") -> str:
        """A page that only says something; ``head`` and ``text`` are keys of the texts."""
        return self._render("message", tag, head=head, text=text)

    def welcome(self, tag: str) -> str:
        """What it is about, consent, country, dialect."""
        if tag not in self._fresh:
            self._fresh[tag] = self.welcome_again(tag, {}, problem="")
        return self._fresh[tag]

    def welcome_again(self, tag: str, given: Mapping[str, str], *, problem: str) -> str:
        """The same after something was missing. ``given``: what was sent and is kept."""
        own = words(tag)
        codes = self.survey.countries or tuple(own.countries)
        countries = sorted(((code, own.countries.get(code, code)) for code in codes), key=lambda item: item[1])
        most = len(self.survey.questions)
        return self._render(
            "welcome",
            tag,
            count=min(self.survey.per_person or most, most),
            consent=self.survey.consent.get(tag) or own("consent"),
            countries=countries,
            criteria=self._criteria(own),
            reads=tuple(_tongue(one) for one in self.survey.question_languages),
            tongues=self._tongues,
            given=given,
            problem=problem,
            longest=LONGEST_DIALECT,
        )

    def question(self, person: Person, place: int, chosen: Mapping[str, str], *, problem: str = "") -> str:
        """One question. ``place``: from 0. ``chosen``: what was picked before, by aspect."""
        own = words(person.page_language)
        asked = person.asked[place]
        question = self.questions[asked.question]
        picked = chosen.get(OVERALL, "")
        cards = [
            AnswerCard(_option(str(n), own("answer", n=n + 1), picked), question.answers[models[0]])
            for n, models in enumerate(asked.cards)
        ]
        return self._render(
            "question",
            person.page_language,
            place=place,
            count=len(person.asked),
            question=question,
            tongue=_tongue(question.language),
            cards=cards,
            others=[_option(value, own(value), picked) for value in self._others()],
            aspects=[self._aspect(own, name, asked, chosen.get(name, "")) for name in self.survey.aspects[1:]],
            criteria=() if self.survey.each_criterion else self._criteria(own),
            problem=problem,
        )

    def last(self, person: Person, *, problem: str = "") -> str:
        """How the language was, and a comment."""
        own = words(person.page_language)
        comfort = [(value, own(f"comfort_{value}")) for value in COMFORT]
        return self._render(
            "last",
            person.page_language,
            comfort=comfort,
            problem=problem,
            longest=LONGEST_COMMENT,
            place=len(person.asked),
        )

    def _others(self) -> tuple[str, ...]:
        return (TIE, NONE) if self.survey.ties else ()

    def _aspect(self, own: Words, name: str, asked: Asked, picked: str) -> AspectRow:
        title, meaning = own.criterion(name)
        options = [_option(str(n), own.number(n + 1), picked) for n in range(len(asked.cards))]
        options += [_option(value, own(value), picked) for value in self._others()]
        return AspectRow(name, title, meaning, tuple(options))

    def _criteria(self, own: Words) -> tuple[tuple[str, str], ...]:
        return tuple(own.criterion(name) for name in self.survey.criteria)

    def _render(self, template: str, tag: str, **values: object) -> str:
        own = words(tag)
        return self._environment.get_template(f"{template}.html.j2").render(
            t=own, title=self.survey.title or own("title"), style=Markup(self._style), survey=self.survey, **values
        )


def choices_in(survey: Questionnaire, asked: Asked, form: Mapping[str, str]) -> dict[str, str] | None:
    """What was picked, by aspect; None unless there is exactly one allowed choice for every aspect."""
    allowed = {str(n) for n in range(len(asked.cards))} | ({TIE, NONE} if survey.ties else set())
    found = {aspect: form.get(f"best-{aspect}", "") for aspect in survey.aspects}
    return found if set(found.values()) <= allowed else None


def _option(value: str, label: str, picked: str) -> Option:
    return Option(value, label, value == picked)


def _tongue(tag: str) -> Tongue:
    return Tongue(tag, language(tag).autonym, direction(tag))
