"""What a survey's votes come to: shares, strengths and their intervals, in all and by question, domain and country."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from polysee.evaluation.judge.agreement import krippendorff_alpha
from polysee.evaluation.judge.summary import Compared
from polysee.evaluation.ranking import Ballot, Strength, Votes, count_votes, pair_rate, rank, win_rates
from polysee.evaluation.statistics import Interval
from polysee.survey.export import Everyone
from polysee.survey.questionnaire import OVERALL, Question, Questionnaire, read_questionnaire
from polysee.survey.votes import NONE, TIE, Person, Reader, Vote

FEW = 3
"""Countries with fewer respondents are counted together: where one person came from, their votes would be theirs."""
FEW_LABEL = "other"
UNSAID = "-"

Winner = Literal["first", "second", "tie"]


@dataclass(frozen=True, slots=True)
class Standing:
    """``rate``: share of the votes won, ties and equal answers shared out. ``wins``: votes that picked it alone."""

    model: str
    wins: int
    rate: Interval
    strength: Strength


@dataclass(frozen=True, slots=True)
class Pair:
    """``rate``: how often ``first`` wins of the votes that went to one of the two; ``odds``: log odds of the fit."""

    first: str
    second: str
    rate: Interval
    odds: Interval


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the votes. ``rates``: by model; ``alone``: votes for one model alone; ``tie`` has equal answers too."""

    name: str
    votes: int
    people: int
    rates: tuple[Interval, ...]
    alone: tuple[int, ...]
    tie: int
    none: int


@dataclass(frozen=True, slots=True)
class Results:
    """Of one set of questions. ``standings``: the best first; empty where nobody has voted.

    ``separated``: as in `polysee.evaluation.ranking.Ranking`. ``agreement``: Krippendorff's alpha between respondents
    over the answers they picked, None where it is not defined. ``comfort``: respondents by what they said of the
    survey's language.
    """

    survey: Questionnaire
    started: int
    finished: int
    votes: int
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    separated: bool
    agreement: float | None
    all: Group
    by_question: tuple[Group, ...]
    by_domain: tuple[Group, ...]
    by_language: tuple[Group, ...]
    by_country: tuple[Group, ...]
    by_criterion: tuple[Group, ...]
    comfort: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Cast:
    """A vote with all that it is counted by."""

    person: int
    country: str
    question: Question
    aspect: str
    choice: str
    best: tuple[int, ...]


def results(folder: Path, *, finished_only: bool = False) -> Results:
    """Of the survey in ``folder``. ``finished_only``: leave out who stopped half-way."""
    survey = read_questionnaire(folder)
    reader = Reader(folder, survey.fingerprint())
    try:
        everyone = reader.everyone()
    finally:
        reader.close()
    return tally(survey, [one for one in everyone if one[0].finished or not finished_only])


def tally(survey: Questionnaire, everyone: Everyone) -> Results:
    """Count the votes of ``everyone`` (each respondent with their votes)."""
    cast = _cast(survey, everyone)
    overall = [one for one in cast if one.aspect == OVERALL]
    standings, pairs, separated = _standings(survey, overall)

    def by(key: Callable[[_Cast], str]) -> tuple[Group, ...]:
        found: dict[str, list[_Cast]] = {}
        for one in overall:
            found.setdefault(key(one), []).append(one)
        return tuple(_group(survey, name, found[name]) for name in sorted(found))

    aspects = [(name, [one for one in cast if one.aspect == name]) for name in survey.aspects[1:]]
    comfort = Counter(person.comfort for person, _ in everyone if person.finished)
    return Results(
        survey=survey,
        started=len(everyone),
        finished=sum(person.finished for person, _ in everyone),
        votes=len(overall),
        standings=standings,
        pairs=pairs,
        separated=separated,
        agreement=_agreement(overall),
        all=_group(survey, "all", overall),
        by_question=by(lambda one: one.question.id),
        by_domain=by(lambda one: one.question.domain),
        by_language=by(lambda one: one.question.language),
        by_country=by(lambda one: one.country),
        by_criterion=tuple(_group(survey, name, found) for name, found in aspects if found),
        comfort=tuple(sorted(comfort.items())),
    )


def people_said(survey: Questionnaire, everyone: Everyone) -> dict[Compared, Winner]:
    """What most respondents preferred of each two models at each question, as a judge's verdicts are compared with.

    A vote for neither of the two says nothing of them, unless it calls all equal or none acceptable, or their answers
    are one; as many votes for each, or more for neither than for either, is a tie.
    """
    counts: dict[Compared, Counter[Winner]] = {}
    for one in _cast(survey, everyone):
        if one.aspect != OVERALL:
            continue
        for first, second in _model_pairs(survey):
            said = _preferred(one, first, second)
            if said is not None:
                key = (one.question.id, survey.models[first], survey.models[second])
                counts.setdefault(key, Counter())[said] += 1
    return {key: _most(count) for key, count in counts.items()}


def _most(count: Counter[Winner]) -> Winner:
    first, second, tie = count["first"], count["second"], count["tie"]
    if first == second or tie > max(first, second):
        return "tie"
    return "first" if first > second else "second"


def _preferred(one: _Cast, first: int, second: int) -> Winner | None:
    if not one.best:
        return "tie"
    a, b = first in one.best, second in one.best
    if a and b:
        return "tie"
    return "first" if a else "second" if b else None


def _cast(survey: Questionnaire, everyone: Everyone) -> list[_Cast]:
    questions = {question.id: question for question in survey.questions}
    people = Counter(person.country for person, votes in everyone if votes)
    out = []
    for number, (person, votes) in enumerate(everyone):
        country = person.country if people[person.country] >= FEW or person.country == UNSAID else FEW_LABEL
        out += [_one(number, country, person, vote, questions) for vote in votes]
    return out


def _one(number: int, country: str, person: Person, vote: Vote, questions: dict[str, Question]) -> _Cast:
    asked = person.asked[vote.place]
    best = () if vote.choice in (TIE, NONE) else asked.cards[int(vote.choice)]
    return _Cast(number, country, questions[asked.question], vote.aspect, vote.choice, best)


def _votes(survey: Questionnaire, cast: Sequence[_Cast]) -> Votes:
    names = survey.models
    return count_votes(
        names, [Ballot(names, tuple(names[model] for model in one.best), str(one.person)) for one in cast]
    )


def _standings(survey: Questionnaire, cast: Sequence[_Cast]) -> tuple[tuple[Standing, ...], tuple[Pair, ...], bool]:
    if not cast:
        return (), (), False
    votes = _votes(survey, cast)
    fitted = rank(votes)
    rates = dict(zip(survey.models, win_rates(votes), strict=True))
    alone = Counter(survey.models[one.best[0]] for one in cast if len(one.best) == 1)
    standings = tuple(Standing(row.name, alone[row.name], rates[row.name], row) for row in fitted.rows())
    order = [survey.models.index(row.model) for row in standings]
    pairs = tuple(
        Pair(
            survey.models[first],
            survey.models[second],
            pair_rate(votes, first, second),
            fitted.difference(survey.models[first], survey.models[second]),
        )
        for place, first in enumerate(order)
        for second in order[place + 1 :]
    )
    return standings, pairs, fitted.separated


def _group(survey: Questionnaire, name: str, cast: Sequence[_Cast]) -> Group:
    alone = Counter(one.best[0] for one in cast if len(one.best) == 1)
    return Group(
        name=name,
        votes=len(cast),
        people=len({one.person for one in cast}),
        rates=win_rates(_votes(survey, cast)),
        alone=tuple(alone[model] for model in range(len(survey.models))),
        tie=sum(one.choice == TIE or len(one.best) > 1 for one in cast),
        none=sum(one.choice == NONE for one in cast),
    )


def _agreement(cast: Sequence[_Cast]) -> float | None:
    codes: dict[tuple[int, ...] | str, float] = {}
    units: dict[str, list[float | None]] = {}
    for one in cast:
        code = codes.setdefault(one.best or one.choice, float(len(codes)))
        units.setdefault(one.question.id, []).append(code)
    return krippendorff_alpha(list(units.values()), "nominal")


def _model_pairs(survey: Questionnaire) -> list[tuple[int, int]]:
    count = len(survey.models)
    return [(first, second) for first in range(count) for second in range(first + 1, count)]


def to_json_value(found: Results) -> JsonValue:
    """For results.json: shares from 0 to 1, strengths as natural logarithms, null for what cannot be said."""
    return {
        "survey": found.survey.fingerprint(),
        "models": list(found.survey.models),
        "started": found.started,
        "finished": found.finished,
        "votes": found.votes,
        "separated": found.separated,
        "agreement": found.agreement,
        "standings": [
            {
                "model": one.model,
                "wins": one.wins,
                "rate": _interval(one.rate),
                "strength": _interval(Interval(one.strength.value, one.strength.low, one.strength.high)),
                "rank": [one.strength.rank_from, one.strength.rank_to],
            }
            for one in found.standings
        ],
        "pairs": [
            {"first": one.first, "second": one.second, "rate": _interval(one.rate), "log_odds": _interval(one.odds)}
            for one in found.pairs
        ],
        "all": _group_json(found, found.all),
        "questions": [_group_json(found, group) for group in found.by_question],
        "domains": [_group_json(found, group) for group in found.by_domain],
        "languages": [_group_json(found, group) for group in found.by_language],
        "countries": [_group_json(found, group) for group in found.by_country],
        "criteria": [_group_json(found, group) for group in found.by_criterion],
        "comfort": dict(found.comfort),
    }


def _group_json(found: Results, group: Group) -> JsonValue:
    models = found.survey.models
    return {
        "name": group.name,
        "votes": group.votes,
        "people": group.people,
        "tie": group.tie,
        "none": group.none,
        "alone": dict(zip(models, group.alone, strict=True)),
        "rates": {model: _interval(rate) for model, rate in zip(models, group.rates, strict=True)},
    }


def _interval(interval: Interval) -> JsonValue:
    ends = (interval.value, interval.low, interval.high)
    value, low, high = (end if math.isfinite(end) else None for end in ends)
    return {"value": value, "low": low, "high": high}
