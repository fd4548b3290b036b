"""People's votes out of the files that a survey writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polysee.evaluation.judge.people import People, read_people
from polysee.schema.errors import UserError
from polysee.survey import export
from polysee.survey.questionnaire import Asked, Question, Questionnaire
from polysee.survey.results import people_said
from polysee.survey.votes import Person, Vote

MODELS = ("ألفا", "beta two", "beta")
CARDS = {"q-th": ((2,), (0, 1))}
CHOICES = (
    {"q-ar": "0", "q-th": "0", "q-am": "none"},
    {"q-ar": "1", "q-th": "1", "q-am": "tie"},
    {"q-ar": "1", "q-th": "1", "q-am": "2"},
    {"q-ar": "tie", "q-th": "tie", "q-am": "2"},
)


def question(name: str, language: str) -> Question:
    return Question(id=name, language=language, domain="all", question="؟", answers=("أ", "ب", "ج"))


SURVEY = Questionnaire(
    models=MODELS,
    languages=("en",),
    questions=(question("q-ar", "ar"), question("q-th", "th"), question("q-am", "am")),
)


def everyone() -> list[tuple[Person, list[Vote]]]:
    found = []
    for picks in CHOICES:
        asked = tuple(Asked(name, CARDS.get(name, ((0,), (1,), (2,)))) for name in picks)
        person = Person("ar", ("ar",), "EG", "", asked, True, "fine", 'سطر\u2028ثان\n"آخر"')
        votes = [Vote(place, "overall", choice) for place, choice in enumerate(picks.values())]
        found.append((person, [*votes, Vote(0, "accuracy", "2")]))
    return found


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_files_say_what_the_survey_itself_says(tmp_path: Path, suffix: str) -> None:
    rows = export.rows(SURVEY, everyone())
    path = tmp_path / f"votes.{suffix}"
    path.write_text(export.to_csv(rows) if suffix == "csv" else export.to_jsonl(rows), encoding="utf-8", newline="")
    people = read_people(path, MODELS)
    assert people.said() == people_said(SURVEY, everyone())
    assert people.votes["q-ar", "ألفا", "beta two"] == ("first", "second", "second", "tie")
    assert people.votes["q-am", "ألفا", "beta"] == ("tie", "tie", "second", "second")
    assert people.votes["q-th", "ألفا", "beta two"] == ("tie", "tie", "tie")
    two = read_people(path, ("beta", "ألفا")).said()
    assert {key: two[key] for key in (("q-am", "beta", "ألفا"),)} == {("q-am", "beta", "ألفا"): "first"}


def test_how_far_people_agree() -> None:
    assert People({("q", "a", "b"): ("first", "first"), ("r", "a", "b"): ("second", "second")}).alpha() == 1.0
    assert People({("q", "a", "b"): ("first",)}).alpha() is None


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    with pytest.raises(UserError, match="cannot read votes"):
        read_people(path, MODELS)
    path.write_text('{"question": "q-ar"}\n')
    with pytest.raises(UserError, match="no vote") as wrong:
        read_people(path, MODELS)
    assert str(wrong.value.place).endswith("votes.jsonl:1")
    path.write_text("[1]\n")
    with pytest.raises(UserError, match="no vote"):
        read_people(path, MODELS)
    vote = {"question": "q", "aspect": "overall", "choice": "tie", "best": "", "shown": "beta two gamma"}
    path.write_text(json.dumps(vote))
    with pytest.raises(UserError, match="about one of the models delta, gamma"):
        read_people(path, ("delta", "gamma"))
