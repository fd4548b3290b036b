"""What votes come to."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import pytest
from small_survey import make_survey

from polysee.survey import export
from polysee.survey.questionnaire import OVERALL, Asked, Questionnaire
from polysee.survey.results import people_said, results, tally, to_json_value
from polysee.survey.results_page import results_page
from polysee.survey.votes import Person, Reader, Spent, Vote, Writer, add_tokens, hash_token

Everyone = list[tuple[Person, list[Vote]]]


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Questionnaire:
    return make_survey(tmp_path_factory.mktemp("s") / "survey")


def voter(
    picks: dict[str, str], *, country: str = "EG", dialect: str = "", finished: bool = True
) -> tuple[Person, list[Vote]]:
    """Somebody who saw the models in their order; ``picks``: question -> model or tie or none."""
    cards = {"q-th": ((0, 2), (1,))}
    asked = tuple(Asked(name, cards.get(name, ((0,), (1,), (2,)))) for name in picks)
    person = Person("ar", ("ar",), country, dialect, asked, finished, "fine", "")
    return person, [Vote(place, OVERALL, choice) for place, choice in enumerate(picks.values())]


def test_counts_ties_and_shared_answers(survey: Questionnaire) -> None:
    everyone = [
        voter({"q-ar": "0", "q-th": "0"}),
        voter({"q-ar": "1", "q-th": "1"}),
        voter({"q-ar": "tie", "q-th": "none"}, finished=False),
    ]
    found = tally(survey, everyone)
    assert (found.started, found.finished, found.votes) == (3, 2, 6)
    rates = {one.model: one.rate.value for one in found.standings}
    # alpha: 1 + 1/2 of a shared answer + two votes for all in three; beta: 1 + 1 + the same.
    assert rates == pytest.approx({"alpha": (1.5 + 2 / 3) / 6, "beta": (2 + 2 / 3) / 6, "gamma": (0.5 + 2 / 3) / 6})
    assert found.standings[0].model == "beta"
    assert found.all.alone == (1, 2, 0)
    assert (found.all.tie, found.all.none) == (2, 1)
    assert [group.name for group in found.by_question] == ["q-ar", "q-th"]
    assert {group.name: group.votes for group in found.by_domain} == {"food": 3, "signs": 3}


def test_few_of_a_country_are_not_told_apart(survey: Questionnaire) -> None:
    everyone = [voter({"q-ar": "0"}, country=code) for code in ("EG", "EG", "EG", "QA", "-", "LB")]
    assert {group.name: group.people for group in tally(survey, everyone).by_country} == {"EG": 3, "other": 2, "-": 1}


def test_agreement_between_respondents(survey: Questionnaire) -> None:
    same = [voter({"q-ar": "0", "q-hi": "1", "q-zh": "2"}) for _ in range(5)]
    assert tally(survey, same).agreement == pytest.approx(1.0)


def test_what_most_people_said_of_two(survey: Questionnaire) -> None:
    everyone = [voter({"q-ar": choice, "q-th": "0"}) for choice in ("0", "0", "1", "2", "none")]
    said = people_said(survey, everyone)
    assert said["q-ar", "alpha", "beta"] == "first"
    assert said["q-ar", "beta", "gamma"] == "tie"
    assert said["q-th", "alpha", "gamma"] == "tie"
    assert said["q-th", "beta", "gamma"] == "second"


def test_nobody_has_voted(survey: Questionnaire) -> None:
    found = tally(survey, [])
    assert found.standings == ()
    assert "Nobody has voted" in results_page(found)[0]
    assert json.dumps(to_json_value(found))


def test_json_has_no_infinities(survey: Questionnaire) -> None:
    text = json.dumps(to_json_value(tally(survey, [voter({"q-ar": "0"})])), allow_nan=False)
    assert '"low": null' in text


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_wide_tables_scroll_in_a_box_that_says_so(survey: Questionnaire) -> None:
    text, _ = results_page(tally(survey, [voter({"q-ar": "0", "q-th": "1"})]))
    assert text.count('<div class="scroll sideways"') == 2
    assert text.count("<table>") == text.count('<div class="scroll') > 2
    assert '.sideways::before { content: "The table goes on' in text


def test_the_page_loads_nothing_and_runs_nothing(survey: Questionnaire) -> None:
    everyone = [voter({"q-ar": str(n % 3), "q-he": "1"}, dialect="<script>") for n in range(9)]
    text, policy = results_page(tally(survey, everyone))
    page = _Tags()
    page.feed(text)
    page.close()
    assert page.open == []
    tags = {tag for tag, _ in page.seen}
    assert "script" not in tags
    assert "svg" in tags
    assert not [attributes for _, attributes in page.seen if "src" in attributes or "style" in attributes]
    assert "default-src 'none'" in policy
    assert "كم عدد اللافتات" in text


def test_exports_are_inert_in_a_spreadsheet(survey: Questionnaire) -> None:
    person, votes = voter({"q-ar": "0", "q-th": "0", "q-he": "tie"}, dialect="=HYPERLINK(1)")
    rows = export.rows(survey, [(person, votes)])
    table = [*csv.DictReader(io.StringIO(export.to_csv(rows).removeprefix("\ufeff")))]
    assert [row["best"] for row in table] == ["alpha", "alpha=gamma", ""]
    assert table[0]["shown"] == "alpha beta gamma"
    assert table[0]["dialect"] == "'=HYPERLINK(1)"
    lines = [json.loads(line) for line in export.to_jsonl(rows).splitlines()]
    assert lines[0]["dialect"] == "=HYPERLINK(1)"
    assert lines[2]["choice"] == "tie"


def test_votes_are_kept_by_set_of_questions(tmp_path: Path) -> None:
    folder = tmp_path / "survey"
    survey = make_survey(folder)
    token = hash_token(add_tokens(folder, 1)[0])
    for identity in (survey.fingerprint(), "another"):
        writer = Writer(folder, identity)
        with pytest.raises(Spent):
            writer.vote(token, 0, {OVERALL: "0"}).result(10)
        person, _ = voter({"q-ar": "0"}, finished=False)
        writer.begin(token, person).result(10)
        writer.vote(token, 0, {OVERALL: "0"}).result(10)
        writer.finish(token, "fine", "").result(10)
        with pytest.raises(Spent):
            writer.vote(token, 0, {OVERALL: "1"}).result(10)
        writer.close()
    assert results(folder).votes == 1
    assert results(folder, finished_only=True).finished == 1


def test_a_full_disk_is_told_to_who_voted(tmp_path: Path) -> None:
    folder = tmp_path / "survey"
    survey = make_survey(folder)
    token = hash_token(add_tokens(folder, 1)[0])
    writer = Writer(folder, survey.fingerprint())
    person, _ = voter({"q-ar": "0"}, finished=False)
    writer.begin(token, person).result(10)
    writer._connection.execute("PRAGMA max_page_count = 1")  # no page can be added any more
    place, told = -1, None
    while told is None:
        place += 1
        told = writer.vote(token, place, {OVERALL: "0"}).exception(10)
    assert isinstance(told, sqlite3.OperationalError)
    assert "full" in str(told)
    writer._connection.execute("PRAGMA max_page_count = 1000000")
    writer.vote(token, 0, {OVERALL: "1"}).result(10)
    writer.close()
    reader = Reader(folder, survey.fingerprint())
    kept = {vote.place: vote.choice for vote in reader.votes(token)}
    reader.close()
    assert kept == {**dict.fromkeys(range(place), "0"), 0: "1"}


def test_one_bad_change_does_not_undo_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "survey"
    survey = make_survey(folder)
    token = hash_token(add_tokens(folder, 1)[0])
    writer = Writer(folder, survey.fingerprint())
    person, _ = voter({"q-ar": "0"}, finished=False)
    changes = [
        writer.begin(token, person),
        writer.vote("unknown", 0, {OVERALL: "0"}),
        writer.vote(token, 0, {OVERALL: "2"}),
    ]
    assert [change.exception(10) is None for change in changes] == [True, False, True]
    writer.close()
    assert results(folder).all.alone == (0, 0, 1)
