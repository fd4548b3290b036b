"""The results as one HTML page that loads nothing: standings, pairs, and charts by question, domain and country."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from polysee.evaluation.statistics import Interval
from polysee.report import svg
from polysee.report.words import UNKNOWN, percent, plural, tongue
from polysee.survey.questionnaire import Question
from polysee.survey.results import FEW, FEW_LABEL, UNSAID, Group, Results
from polysee.survey.texts import words

_WIDTH, _ROW, _NAMES = 640.0, 30.0, 170.0


@dataclass(frozen=True, slots=True)
class StandingRow:
    place: str
    model: str
    colour: str
    rate: str
    rate_range: str
    strength: str
    strength_range: str
    wins: int


@dataclass(frozen=True, slots=True)
class PairRow:
    first: str
    second: str
    rate: str
    rate_range: str
    clear: bool


@dataclass(frozen=True, slots=True)
class GroupRow:
    """``detail``: a second line below the name; ``language``: of the name, for its direction."""

    name: str
    detail: str
    language: str
    votes: int
    strip: Markup
    leader: str


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    note: str
    rows: tuple[GroupRow, ...]


def results_page(found: Results, *, live: bool = False) -> tuple[str, str]:
    """The page and its Content-Security-Policy. ``live``: with links to the exports of a server that runs."""
    style = _style()
    shown = _environment().get_template("results.html.j2")
    survey = found.survey
    text = shown.render(
        title=survey.title or "Blind survey",
        style=Markup(style),
        policy=_policy(style),
        live=live,
        found=found,
        people=plural(found.started, "respondent"),
        standings=[_standing(found, place) for place in range(len(found.standings))],
        strengths=_strength_chart(found) if found.standings else None,
        pairs=[
            PairRow(
                pair.first,
                pair.second,
                percent(pair.rate.value),
                _range(pair.rate),
                not pair.odds.low <= 0 <= pair.odds.high,
            )
            for pair in found.pairs
        ],
        legend=[(name, f"m{number}") for number, name in enumerate(survey.models)],
        charts=_charts(found),
        comfort=[(words("en")(f"comfort_{key}"), count) for key, count in found.comfort],
        agreement=None if found.agreement is None else f"{found.agreement:.2f}",
    )
    return text, _policy(style)


def login_page(problem: str = "") -> tuple[str, str]:
    """Where the admin token is typed in; and its Content-Security-Policy."""
    style = _style()
    text = _environment().get_template("login.html.j2").render(style=Markup(style), problem=problem)
    return text, _policy(style)


def _standing(found: Results, place: int) -> StandingRow:
    one = found.standings[place]
    strength = one.strength
    ranks = (
        f"{strength.rank_from}"
        if strength.rank_from == strength.rank_to
        else (f"{strength.rank_from}–{strength.rank_to}")
    )
    return StandingRow(
        place=ranks,
        model=one.model,
        colour=f"m{found.survey.models.index(one.model)}",
        rate=percent(one.rate.value),
        rate_range=_range(one.rate),
        strength=_signed(strength.value),
        strength_range=_log_range(strength.low, strength.high),
        wins=one.wins,
    )


def _range(interval: Interval) -> str:
    if not math.isfinite(interval.value):
        return UNKNOWN
    return f"{percent(interval.low)}–{percent(interval.high)}"


def _log_range(low: float, high: float) -> str:
    return f"{_signed(low)} … {_signed(high)}" if math.isfinite(low) and math.isfinite(high) else "unknown"


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # a negative zero becomes a positive one


def _strength_chart(found: Results) -> Markup:
    """A dot and its interval for each model, on a scale of log strengths."""
    ends = [end for one in found.standings for end in (one.strength.low, one.strength.high) if math.isfinite(end)]
    ends += [one.strength.value for one in found.standings]
    reach = max(0.5, *(abs(end) for end in ends)) * 1.05
    scale = svg.Scale(-reach, reach, _NAMES, _WIDTH - 20)
    height = _ROW * len(found.standings) + 34
    parts = []
    for value in svg.ticks(-reach, reach, 6):
        x = scale(value)
        parts.append(svg.tag("line", class_="grid", x1=x, x2=x, y1=4, y2=height - 26))
        parts.append(svg.label(x, height - 8, svg.tick_text(value), anchor="middle"))
    for place, one in enumerate(found.standings):
        y = 4 + _ROW * (place + 0.5)
        colour = f"m{found.survey.models.index(one.model)}"
        low, high = max(-reach, one.strength.low), min(reach, one.strength.high)
        parts.append(svg.label(_NAMES - 14, y + 4, _short(one.model), anchor="end", class_="name"))
        parts.append(svg.tag("line", class_=f"whisker {colour}", x1=scale(low), x2=scale(high), y1=y, y2=y))
        parts.append(svg.tag("circle", class_=f"dot {colour}", cx=scale(one.strength.value), cy=y, r=6))
    return svg.drawing(_WIDTH, height, parts, label="Log strength of each model with its 95% interval")


def _short(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "…"


def _charts(found: Results) -> list[Chart]:
    questions = {question.id: question for question in found.survey.questions}
    few = f"countries with fewer than {FEW} respondents are counted as other"
    charts = [
        Chart(
            "By question", "", tuple(_question_row(found, group, questions[group.name]) for group in found.by_question)
        ),
        Chart("By domain", "", tuple(_row(found, group, group.name) for group in found.by_domain)),
        Chart("By country", few, tuple(_row(found, group, _country(group.name)) for group in found.by_country)),
        Chart(
            "By language of the question",
            "",
            tuple(_row(found, group, tongue(group.name).name) for group in found.by_language),
        ),
        Chart("By criterion", "", tuple(_row(found, group, group.name) for group in found.by_criterion)),
    ]
    return [chart for chart in charts if chart.rows]


def _country(code: str) -> str:
    if code == FEW_LABEL:
        return "other"
    return "not said" if code == UNSAID else words("en").countries.get(code, code)


def _question_row(found: Results, group: Group, question: Question) -> GroupRow:
    text = " ".join(question.question.split())
    return _row(found, group, text if len(text) <= 140 else text[:139] + "…", question.domain, question.language)


def _row(found: Results, group: Group, name: str, detail: str = "", language: str = "en") -> GroupRow:
    return GroupRow(name, detail, language, group.votes, _strip(found, group), _leader(found, group))


def _strip(found: Results, group: Group) -> Markup:
    """One bar: votes for each model alone, then those for several, then those for none."""
    names = [*found.survey.models, "equally good", "none acceptable"]
    colours = [*(f"m{number}" for number in range(len(found.survey.models))), "tie", "none"]
    counts = [*group.alone, group.tie, group.none]
    bars = []
    at = 0.0
    for name, colour, count in zip(names, colours, counts, strict=True):
        if count:
            end = at + count / group.votes
            bars.append(svg.bar(at, end, colour, title=f"{name}: {count} of {group.votes}"))
            at = end
    told = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True) if count)
    return svg.strip(bars, label=told)


def _leader(found: Results, group: Group) -> str:
    rates: Sequence[Interval] = group.rates
    best = max(range(len(rates)), key=lambda model: rates[model].value)
    return f"{found.survey.models[best]} {percent(rates[best].value)} ({_range(rates[best])})"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("polysee.survey", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _style() -> str:
    folder = files("polysee.survey").joinpath("templates")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in ("survey.css", "results.css"))


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
