"""``polysee eval`` and ``polysee task`` as people call them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from eval_files import make_checkpoint, rows, write_data, write_task

from polysee.cli.eval import eval as eval_command
from polysee.cli.task import task as task_command
from polysee.evaluation.predictions import read_predictions
from polysee.schema.errors import UserError
from services.server import Server, last_text

LETTERS = """
tasks:
  - name: animals
    how: letters
    circular: true
    baselines: [blank]
    data:
      path: PATH
      fields: {images: [image], options: options, language: language, id: id}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eval")
    make_checkpoint(folder / "checkpoint")
    data = write_data(folder / "data", 4)
    write_task(folder / "task.yaml", data)
    write_task(folder / "letters.yaml", data, LETTERS)
    return folder


def _run(*words: str | Path) -> tuple[int, str]:
    """Exit code and output; errors for people are raised, as `polysee.cli.main` catches them."""
    # Not standalone: the exit code is what the command returns, as `main` has it.
    result = CliRunner().invoke(eval_command, [str(word) for word in words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return int(result.return_value or 0), result.output


def test_a_table_and_the_files(place: Path, tmp_path: Path) -> None:
    code, output = _run(place / "checkpoint", "--task", place / "task.yaml", "--out", tmp_path, "--batch", "3")
    assert code == 0
    head, *lines = output.strip().split("\n")
    assert re.split(r"\s{2,}", head)[:6] == ["task", "metric", "split", "asked", "trained", "held in"]
    assert any(re.match(r"animals +choice +test +plainly +unknown +unknown +5 +20 ", line) for line in lines)
    assert lines[-1] == str(tmp_path / "scores.json")
    assert set(json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))) == {"macro", "tags", "tasks"}


def _chooses_right(body: dict[str, Any]) -> str:
    """The letter of the first option that belongs to picture 0."""
    lines = last_text(body).split("\n")
    firsts = ("cat", "قطة", "猫", "แมว", "ድመት")
    return next((line[0] for line in lines if line[3:] in firsts), "?")


def test_the_gate_stops_a_model_that_lost_a_language(place: Path, tmp_path: Path) -> None:
    words = (place / "checkpoint", "--task", place / "task.yaml", "--batch", "3")
    assert _run(*words, "--out", tmp_path / "old")[0] == 0
    code, output = _run(*words, "--out", tmp_path / "same", "--gate", tmp_path / "old")
    assert (code, "none of 5 languages has fallen" in output) == (0, True)
    code, output = _run(
        *words, "--out", tmp_path / "less", "--language", "ar", "--language", "th", "--gate", tmp_path / "old"
    )
    assert (code, output.count("measured before, but not now")) == (3, 3)


def test_a_service_is_asked_by_letters_and_only_once(place: Path, tmp_path: Path) -> None:
    with Server(answer=_chooses_right).running() as server:
        words = ["--task", place / "letters.yaml", "--backend", "openai", "--base-url", server.url, "--model", "tiny"]
        assert _run(*words, "--out", tmp_path, "--price", "1", "2")[0] == 0
        asked = server.posts
        # Pictures, languages, rotations; of the blank baseline one question for each size of picture.
        assert asked == 4 * 5 * 4 + 2 * 5 * 4
        assert _run(*words, "--out", tmp_path, "--price", "1", "2")[0] == 0
        assert server.posts == asked
    rows = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["tasks"]
    circular = {row["language"]: row for row in rows if row["metric"] == "circular" and row["baseline"] is None}
    assert {tag: (row["n"], row["value"]) for tag, row in circular.items()} == dict.fromkeys(circular, (4, 0.25))
    assert set(circular) == {"en", "ar", "zh", "th", "am"}
    costs = [row["cost"] for row in read_predictions(tmp_path / "predictions.lance").to_pylist()]
    assert all(cost == pytest.approx(12e-6) for cost in costs)


def test_questions_without_an_answer_are_asked_again(place: Path, tmp_path: Path) -> None:
    words = ["--task", place / "letters.yaml", "--backend", "openai", "--model", "tiny", "--out", tmp_path]
    with Server(answer=_chooses_right, script=lambda number, body: "400" if number % 2 else "ok").running() as server:
        code, output = _run(*words, "--base-url", server.url)
        assert code == 1
        assert "questions got no answer" in output
    with Server(answer=_chooses_right).running() as server:
        assert _run(*words, "--base-url", server.url)[0] == 0
        assert 0 < server.posts < 4 * 5 * 4 * 2
    rows = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["tasks"]
    assert not any("failed" in row for row in rows)


def test_a_service_cannot_weigh_but_can_be_asked_by_letters(place: Path, tmp_path: Path) -> None:
    with Server(answer=lambda body: "A").running() as server:
        words = ["--task", place / "task.yaml", "--only", "animals", "--backend", "openai", "--model", "tiny"]
        with pytest.raises(UserError, match="needs the likelihood"):
            _run(*words, "--base-url", server.url, "--out", tmp_path)
        assert _run(*words, "--base-url", server.url, "--out", tmp_path, "--letters")[0] == 0
    rows = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["tasks"]
    assert {(row["metric"], row["baseline"]) for row in rows} == {
        ("letter", None),
        ("letter", "blank"),
        ("letter", "shuffled"),
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "micro"], "no task file is called 'micro'"),
        (["--task", "{task}", "--only", "plants"], "no task is called 'plants'"),
        (["--task", "{task}", "--task", "{task}"], "two files have a task 'animals'"),
        (["--task", "{task}", "--backend", "openai"], "needs an address and a model"),
        (["--task", "{task}"], "no checkpoint is named"),
        (["--task", "microworld"], "asks a run's own samples, and there is no run"),
        (["--task", "{task}", "--backend", "openai", "--base-url", "ftp://x", "--model", "m"], "--base-url"),
    ],
)
def test_mistakes(place: Path, tmp_path: Path, words: list[str], message: str) -> None:
    filled = [word.format(task=place / "task.yaml") for word in words]
    with pytest.raises(UserError) as caught:
        _run(*filled, "--out", tmp_path)
    assert message in str(caught.value)


def test_lint_and_list(place: Path) -> None:
    result = CliRunner().invoke(task_command, ["lint", str(place / "task.yaml")])
    assert "animals: 20 samples; 40 questions; languages: am, ar, en, th, zh" in result.output
    assert "microworld" in CliRunner().invoke(task_command, ["list"]).output
    result = CliRunner().invoke(task_command, ["lint", "microworld"])
    assert "naming: asks a run's own samples" in result.output


def test_worse_pictures_have_a_table_of_their_own(place: Path, tmp_path: Path) -> None:
    words = (place / "checkpoint", "--task", place / "task.yaml", "--only", "animals", "--out", tmp_path)
    code, output = _run(*words, "--distort", "jpeg", "--distort", "blur")
    assert code == 0
    scores, worse = output.strip().split("\n\n")
    assert "jpeg" not in scores
    head, *lines, path = worse.split("\n")
    assert head.split() == ["distortion", "level", "n", "clean", "worse", "change", "95%"]
    assert [line.split()[:3] for line in lines] == [
        [kind, str(level), "20"] for kind in ("blur", "jpeg") for level in (1, 2, 3)
    ]
    assert path == str(tmp_path / "scores.json")


def test_one_language_of_tasks_that_do_not_all_have_it(place: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 2, [one for one in rows(2) if one["language"] in ("ar", "th")])
    write_task(tmp_path / "few.yaml", data, LETTERS.replace("animals", "few"))
    words = (place / "checkpoint", "--task", place / "task.yaml", "--task", tmp_path / "few.yaml", "--out", tmp_path)
    code, output = _run(*words, "--language", "zh")
    assert code == 0
    assert "few: left out, for it has no samples in zh" in output
    found = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["tasks"]
    assert {row["language"] for row in found} == {"zh"}
    # The words of the other language need not be among those that are measured.
    assert "shuffled" in {row["baseline"] for row in found}
    with pytest.raises(UserError, match="the tasks have no samples in hi"):
        _run(*words, "--language", "zh", "--language", "hi")


def test_a_gate_without_a_base_stops_before_anything_is_asked(place: Path, tmp_path: Path) -> None:
    words = (place / "checkpoint", "--out", tmp_path / "out", "--gate", tmp_path)
    with pytest.raises(UserError, match="no answers here"):
        _run(*words, "--task", place / "task.yaml")
    with pytest.raises(UserError, match="a gate needs single answers"):
        _run(*words, "--task", "lmms:mtvqa")
    assert not (tmp_path / "out").exists()


def test_all_checkpoints_of_what_is_no_run(place: Path, tmp_path: Path) -> None:
    words = ("--task", place / "task.yaml", "--out", tmp_path, "--checkpoints", "all")
    with pytest.raises(UserError, match="not a run folder"):
        _run(place / "checkpoint", *words)
    with pytest.raises(UserError, match="curves need a run's checkpoints"):
        _run(*words)
    with pytest.raises(UserError, match="as they are, on one checkpoint"):
        _run(place / "checkpoint", "--task", "lmms:mtvqa", "--checkpoints", "all")
