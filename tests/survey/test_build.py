"""From answers to a questionnaire."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from small_survey import MODELS, QUESTIONS, make_survey, write_answers

from polysee.schema.errors import UserError
from polysee.survey.build import Choice, build
from polysee.survey.questionnaire import PICTURES, cards_of, order_for, read_questionnaire


def test_a_survey_holds_what_models_answer_differently(tmp_path: Path) -> None:
    built = build(tmp_path / "s", write_answers(tmp_path / "a"), {"languages": ("ar",)}, Choice(count=None))
    assert built.alike == 1  # りんご and りんご。 say the same
    assert {question.id for question in built.survey.questions} == {one[0] for one in QUESTIONS} - {"q-same"}
    assert read_questionnaire(tmp_path / "s") == built.survey
    assert built.survey.models == MODELS


def test_equal_answers_share_a_card(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s")
    thai = next(question for question in survey.questions if question.language == "th")
    assert cards_of(thai) == ((0, 2), (1,))


def test_pictures_lose_what_they_tell_of_their_maker(tmp_path: Path) -> None:
    sources = write_answers(tmp_path / "a")
    image = Image.new("RGB", (3000, 2000), (200, 30, 30))
    exif = image.getexif()
    exif[0x010F] = "A camera"
    exif[0x0112] = 6  # lies on its side
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    (tmp_path / "a" / "q-ar.png").write_bytes(buffer.getvalue())
    survey = build(tmp_path / "s", sources, {"languages": ("ar",)}, Choice(count=None)).survey
    name = next(question.pictures[0] for question in survey.questions if question.id == "q-ar")
    data = (tmp_path / "s" / PICTURES / name).read_bytes()
    assert b"A camera" not in data
    with Image.open(io.BytesIO(data)) as shown:
        assert shown.format == "WEBP"
        assert shown.size == (683, 1024)


def test_languages_and_domains_take_turns(tmp_path: Path) -> None:
    sources = write_answers(tmp_path / "a")
    some = build(tmp_path / "s", sources, {"languages": ("en",)}, Choice(count=6, seed=3)).survey
    assert len({question.language for question in some.questions}) == 6
    food = build(tmp_path / "f", sources, {"languages": ("en",)}, Choice(count=None, domains=("food",))).survey
    assert {question.domain for question in food.questions} == {"food"}
    arabic = build(tmp_path / "g", sources, {"languages": ("en",)}, Choice(count=None, languages=("ar",))).survey
    assert [question.id for question in arabic.questions] == ["q-ar"]


def test_each_person_gets_some_of_every_domain(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s", per_person=4)
    domains = {question.id: question.domain for question in survey.questions}
    for person in range(20):
        asked = order_for(survey, str(person), survey.question_languages)
        assert sorted(domains[one.question] for one in asked) == ["food", "food", "signs", "signs"]
    only = order_for(survey, "x", ("ar",))
    assert [one.question for one in only] == ["q-ar"]
    assert sorted(only[0].cards) == [(0,), (1,), (2,)]


def test_other_words_keep_the_votes_and_other_questions_do_not(tmp_path: Path) -> None:
    survey = make_survey(tmp_path / "s")
    renamed = survey.model_copy(update={"title": "استبيان", "languages": ("ar",)})
    assert type(survey).model_validate(renamed.model_dump()).fingerprint() == survey.fingerprint()
    hidden = type(survey).model_validate({**survey.model_dump(), "show_reference": False})
    assert hidden.fingerprint() != survey.fingerprint()
    with pytest.raises(UserError, match="other questions"):
        make_survey(tmp_path / "s", show_reference=False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"languages": ("xx",)}, "no texts in xx"),
        ({"criteria": ("beauty",)}, "no criterion is called 'beauty'"),
        ({"per_person": 0}, "per_person"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_are_checked(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_survey(tmp_path / "s", **settings)
    assert not (tmp_path / "s").exists()


def test_what_cannot_be_a_survey_is_said(tmp_path: Path) -> None:
    sources = write_answers(tmp_path / "a")
    with pytest.raises(UserError, match="1 models"):
        build(tmp_path / "s", {"alpha": sources["alpha"]}, {"languages": ("en",)})
    with pytest.raises(UserError, match="answer all alike"):
        build(tmp_path / "s", sources, {"languages": ("en",)}, Choice(languages=("ja",)))
    (tmp_path / "a" / "q-ar.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(UserError, match="'q-ar' cannot be shown"):
        build(tmp_path / "s", sources, {"languages": ("en",)}, Choice(count=None))
    with pytest.raises(UserError, match="no survey here"):
        read_questionnaire(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "no JSON"),
        ('{"id": "q1"}', "answer"),
        ('{"id": "q1", "answer": "x", "colour": 1}', "colour"),
        ('{"id": "q1", "answer": "x", "question": "?", "language": "arabic"}', "language"),
        ('{"id": "q1", "answer": "x"}', "no source says"),
    ],
)
def test_lines_are_checked(tmp_path: Path, line: str, message: str) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(line + "\n", encoding="utf-8")
    sources = {name: tmp_path / f"{name}.jsonl" for name in ("a", "b")}
    with pytest.raises(UserError, match=message):
        build(tmp_path / "s", sources, {"languages": ("en",)})


def test_a_reference_is_needed_unless_it_is_hidden(tmp_path: Path) -> None:
    for name in ("a", "b"):
        line = {"id": "1", "answer": name, "question": "何？", "language": "ja"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(line), encoding="utf-8")
    sources = {name: tmp_path / f"{name}.jsonl" for name in ("a", "b")}
    with pytest.raises(UserError, match="no reference"):
        build(tmp_path / "s", sources, {"languages": ("ja",)})
    assert build(tmp_path / "s", sources, {"languages": ("ja",), "show_reference": False}).survey.models == ("a", "b")
