"""The process is a script that writes what lmms-eval writes; `test_real.py` runs lmms-eval itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from polysee.cli.eval import eval as eval_command
from polysee.evaluation.lmms import environment
from polysee.evaluation.lmms.run import add_rows, evaluate_lmms, evaluate_subject
from polysee.schema.errors import UserError
from polysee.services import environments

PROGRAM = """#!{python}
import json, os, pathlib, sys
words = sys.argv[1:]
task = words[words.index("--tasks") + 1]
with open({calls!r}, "a") as calls:
    print(task, "--force_simple" in words, file=calls)
assert pathlib.Path("checkpoint", "config.json").is_file() and "PYTHONPATH" not in os.environ
print("| INFO | x - Selected Tasks:", task)
if task == "broken":
    print("Traceback (most recent call last):\\n  File x\\nKeyError: 'صورة'")
elif task == "weighed" and "--force_simple" not in words:
    print("AssertionError: Currently messages is used for generation only")
else:
    folder = pathlib.Path("results", "checkpoint")
    folder.mkdir(parents=True)
    result = {{"results": {{task: {{"acc,none": 0.5}}}}, "n-samples": {{task: {{"effective": 2}}}}}}
    (folder / "1_results.json").write_text(json.dumps(result))
    (folder / f"1_samples_{{task}}.jsonl").write_text('{{"acc": 1}}\\n{{"acc": 0}}\\n')
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "python"
    path.write_text(PROGRAM.format(python=sys.executable, calls=str(tmp_path / "calls")), encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "a=1,b"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_scores_come_as_rows_and_a_finished_benchmark_is_read(program: Path, checkpoint: Path, tmp_path: Path) -> None:
    names = ["lmms:written@ar", "lmms:weighed"]
    first = evaluate_lmms(checkpoint, names, tmp_path / "out", python=program)
    assert [(s.task, s.language, s.value, s.n) for s in first.scores] == [
        ("lmms:written", "ar", 0.5, 2),
        ("lmms:weighed", "und", 0.5, 2),
    ]
    assert calls(tmp_path) == ["written False", "weighed False", "weighed True"]
    assert evaluate_lmms(checkpoint, names, tmp_path / "out", python=program) == first
    assert len(calls(tmp_path)) == 3
    (checkpoint / "config.json").write_text('{"a": 1}')
    evaluate_lmms(checkpoint, names[:1], tmp_path / "out", python=program)
    assert len(calls(tmp_path)) == 4


def test_a_failure_of_lmms_eval_is_a_failure(program: Path, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not run broken: KeyError: 'صورة'") as caught:
        evaluate_lmms(checkpoint, ["lmms:broken", "lmms:written"], tmp_path / "out", python=program)
    assert caught.value.place is not None
    assert "KeyError" in Path(caught.value.place).read_text(encoding="utf-8")
    # What comes after it was run, and is not run again.
    evaluate_lmms(checkpoint, ["lmms:written"], tmp_path / "out", python=program)
    assert calls(tmp_path) == ["broken False", "written False"]


def test_rows_are_written_though_another_benchmark_fails(
    program: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "interpreter", lambda: program)
    with pytest.raises(UserError, match="could not run broken"):
        evaluate_subject(checkpoint, ["lmms:broken", "lmms:written@ar"], tmp_path / "out")
    rows = json.loads((tmp_path / "out" / "scores.json").read_text())["tasks"]
    assert [(row["task"], row["language"]) for row in rows] == [("lmms:written", "ar")]
    with pytest.raises(UserError, match="could not run broken"):
        evaluate_subject(checkpoint, ["lmms:broken"], tmp_path / "none")
    assert not (tmp_path / "none" / "scores.json").exists()


def test_rows_join_a_table_once(program: Path, checkpoint: Path, tmp_path: Path) -> None:
    scores = evaluate_lmms(checkpoint, ["lmms:written@ar"], tmp_path / "out", python=program).scores
    path = tmp_path / "scores.json"
    add_rows(path, scores)
    add_rows(path, scores)
    assert [row["task"] for row in json.loads(path.read_text())["tasks"]] == ["lmms:written"]
    content = {"tasks": [{"task": "naming", "language": "ar"}], "macro": {"four_way": 0.5}}
    path.write_text(json.dumps(content))
    add_rows(path, scores)
    joined = json.loads(path.read_text())
    assert [row["task"] for row in joined["tasks"]] == ["naming", "lmms:written"]
    assert joined["macro"] == {"four_way": 0.5}


def test_without_the_environment(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError) as caught:
        evaluate_lmms(checkpoint, ["lmms:mme"], tmp_path / "out")
    assert caught.value.fix == "polysee doctor --install lmms-eval"


def test_a_newer_plug_in_is_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = environments.home() / "lmms-eval"
    (folder / "bin").mkdir(parents=True)
    (folder / "complete").touch()
    python = folder / "bin" / "python"
    seen = tmp_path / "seen"
    python.write_text(f'#!/bin/sh\nls "$(eval echo \\${{$#}})" >> {seen}\n')
    python.chmod(0o755)
    assert environment.interpreter() == python
    assert environment.interpreter() == python
    assert seen.read_text().split() == ["polysee_lmms", "pyproject.toml"]


def test_pip_that_fails(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(UserError, match="could not install the plug-in"):
        environment.install_plugin(python)


def test_a_checkpoint_s_scores_json(
    program: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "interpreter", lambda: program)
    out = tmp_path / "out"
    words = [str(checkpoint), "--task", "lmms:written@am", "--out", str(out)]
    result = CliRunner().invoke(eval_command, words, standalone_mode=False)
    assert result.exception is None, result.exception
    assert "lmms:written  acc (official)" in result.output
    (row,) = json.loads((out / "scores.json").read_text(encoding="utf-8"))["tasks"]
    assert (row["task"], row["language"], row["value"], row["seen"]) == ("lmms:written", "am", 0.5, None)
    refused = CliRunner().invoke(eval_command, [*words, "--language", "am"], standalone_mode=False)
    assert isinstance(refused.exception, UserError)


def test_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a checkpoint"):
        evaluate_subject(None, ["lmms:mme"], tmp_path)
