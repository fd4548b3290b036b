"""The command line, from a run's predictions to results."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from small_run import SCRIPT, make_run
from small_survey import Visitor, served

from polysee.cli.main import main
from polysee.evaluation.predictions import read_predictions
from polysee.survey.questionnaire import read_questionnaire

Call = Callable[..., str]


@pytest.fixture
def polysee(capsys: pytest.CaptureFixture[str]) -> Call:
    """``polysee survey …`` in this process: what it prints, or says is wrong where another ``code`` is expected."""

    def call(*words: str | Path, code: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main(["survey", *map(str, words)])
        said = capsys.readouterr()
        assert left.value.code == code, said.err
        return said.out if code == 0 else said.err

    return call


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run, and another model's answers to its questions as JSON lines."""
    folder = tmp_path_factory.mktemp("sources")
    run = make_run(folder / "run", train=1, test=2)
    rows = read_predictions(run / "predictions.lance").to_pylist()
    ids = sorted({row["sample"] for row in rows if row["baseline"] is None})
    lines = [json.dumps({"id": one, "answer": f"{SCRIPT} جواب آخر"}, ensure_ascii=False) for one in ids]
    (folder / "other.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return run, folder / "other.jsonl"


def test_a_survey_from_a_run(polysee: Call, sources: tuple[Path, Path], tmp_path: Path) -> None:
    run, other = sources
    folder = tmp_path / "survey"
    models = ("--model", f"ours={run}", "--model", f"other={other}")
    said = polysee("build", folder, *models, "--questions", "30", "--page", "en", "--page", "ar", "--country", "EG")
    assert "questions to 2 models" in said
    assert "no native speaker" in said
    survey = read_questionnaire(folder)
    assert {"ar", "zh-Hant", "am"} <= set(survey.question_languages)
    assert {question.domain for question in survey.questions} == {"naming", "grounding"}
    assert all(question.pictures and question.reference for question in survey.questions)
    links = polysee("tokens", folder, "3", "--url", "https://survey.example.org").splitlines()
    assert len(set(links)) == 3
    assert all(link.startswith("https://survey.example.org/t/") for link in links)
    with served(folder) as (port, _):
        visitor = Visitor(port)
        where = visitor.begin(links[0].rsplit("/", 1)[1], **{f"reads-{tag}": "1" for tag in survey.question_languages})
        escaped = 0
        while where.startswith("/question"):
            page = visitor.ask(where).text
            assert "<script" not in page
            escaped += "&lt;script&gt;" in page
            where = visitor.ask(where, {"best-overall": "0"}).where
        visitor.close()
    assert escaped == len(survey.questions)
    said = polysee("results", folder)
    assert "1 respondents of 3 tokens, 0 finished" in said
    assert {"results.html", "results.json", "votes.csv", "votes.jsonl"} == set(os.listdir(folder / "results"))
    found = json.loads((folder / "results" / "results.json").read_text(encoding="utf-8"))
    assert found["votes"] == len(survey.questions)
    assert sum(one["rate"]["value"] for one in found["standings"]) == pytest.approx(1.0)


def test_mistakes_are_said(polysee: Call, sources: tuple[Path, Path], tmp_path: Path) -> None:
    run, other = sources
    assert "NAME=PATH" in polysee("build", tmp_path / "s", "--model", run, code=2)
    assert "1 models" in polysee("build", tmp_path / "s", "--model", f"ours={run}", code=2)
    one = ("--model", f"ours={run}", "--model", f"other={other}")
    assert "no texts in tlh" in polysee("build", tmp_path / "s", *one, "--page", "tlh", code=2)
    assert "no survey here" in polysee("tokens", tmp_path, "1", code=2)
    assert "no survey here" in polysee("results", tmp_path, code=2)
    assert "other machines could reach 0.0.0.0" in polysee("serve", tmp_path, "--host", "0.0.0.0", code=2)
    assert "no web address" in polysee("serve", tmp_path, "--url", "survey.example.org", code=2)
