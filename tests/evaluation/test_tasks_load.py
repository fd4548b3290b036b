"""Task files: what they may say, and every mistake with its place."""

from __future__ import annotations

import contextlib
import pickle
import tempfile
from pathlib import Path

import pytest
from eval_files import write_data, write_task
from hypothesis import given
from hypothesis import strategies as st

from polysee.evaluation.tasks.data import Material, MediaPack, read_task
from polysee.evaluation.tasks.lint import lint
from polysee.evaluation.tasks.load import builtin_names, find, load_tasks
from polysee.evaluation.tasks.models import METRICS
from polysee.evaluation.tasks.phrases import languages, phrases
from polysee.schema.errors import UserError
from polysee.schema.problems import FileError


def _load(tmp_path: Path, text: str) -> list[str]:
    """The mistakes of a file of this text, the path cut to its name."""
    path = tmp_path / "t.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as caught:
        load_tasks(str(path))
    return str(caught.value).replace(str(tmp_path) + "/", "").split("\nerror: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "tasks:\n  - name: a\n    metrcs: [chrf]\n",
            "t.yaml:3:5: tasks.a.metrcs: unknown key\nhint: did you mean `metrics`?",
        ),
        ("tasks:\n  - name: a\n    how: guess\n", "t.yaml:3:10: tasks.a.how: expected one of `write`"),
        ("tasks: []\n", "t.yaml:1:8: tasks: expected at least 1 entry"),
        ("- a\n", "a task file is a mapping"),
        ("tasks:\n  - name: a\n    metrics: [choice]\n", "t.yaml:3:14: tasks.a.metrics: metrics of `how: write` are"),
        ("tasks:\n  - name: a\n    circular: true\n", "circular needs `how: letters`"),
        ("tasks:\n  - name: a\n    how: quality\n", "words are missing"),
        ("tasks:\n  - {name: a}\n  - {name: a}\n", "tasks has 'a' twice"),
        ("tasks:\n  - name: a\n    prompt: 'What is {thing}?'\n", "nothing is called {thing}"),
        ("tasks:\n  - name: a\n    prompt: {zz-ZZ-q: '{question}'}\n", "t.yaml:3:14"),
        (
            "tasks:\n  - name: a\n    prompt:\n      ar: '{question}'\n      arabic: '{question}'\n",
            "t.yaml:5:7: tasks.a.prompt.arabic: no language has the tag 'arabic'\nhint: did you mean 'ar'?",
        ),
        (
            "tasks:\n  - name: a\n    prompt: [1]\n",
            "t.yaml:3:13: tasks.a.prompt: expected text or a mapping, got a list",
        ),
        ("tasks:\n  - name: a\n    data: {path: x, samples: y}\n", "path cannot stand beside samples"),
        ("tasks:\n  - name: a\n    data: {path: x}\n", "path needs `language`"),
        ("tasks:\n  - name: a\n   x: [\n", "not valid YAML"),
    ],
)
def test_mistakes_have_their_places(tmp_path: Path, text: str, expected: str) -> None:
    assert any(expected in one for one in _load(tmp_path, text)), _load(tmp_path, text)


def test_a_wrong_key_of_a_mapping_is_one_mistake(tmp_path: Path) -> None:
    (found,) = _load(tmp_path, "tasks:\n  - name: a\n    prompt: {arabic: '{question}'}\n")
    assert "mapping" not in found


def test_every_mistake_at_once(tmp_path: Path) -> None:
    found = _load(tmp_path, "tasks:\n  - name: a\n    frames: [0]\n    letters: greek\n    max_new_tokens: many\n")
    assert len(found) == 3


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_tasks(str(tmp_path / "none.yaml"))
    with pytest.raises(UserError, match="did you mean 'microworld'"):
        find("micro-world")


@given(st.text(max_size=200))
def test_any_text_loads_or_says_what_is_wrong(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        with contextlib.suppress(UserError):
            assert load_tasks(str(path))


def test_builtin_files_load() -> None:
    assert "microworld" in builtin_names()
    for name in builtin_names():
        assert load_tasks(name)
    found = {task.name for task in load_tasks("microworld")}
    wanted = {"naming", "counting", "position", "colour", "matching", "reading", "grounding", "multi_image", "video"}
    assert wanted | {"absent", "needle", "translation-with-image"} <= found


def test_every_metric_of_a_written_answer_can_be_computed() -> None:
    from polysee.evaluation.answering import measure

    for metric in METRICS["write"]:
        answer = "[1, 2, 3, 4]" if metric == "iou" else "нет" if metric == "yes_no" else "кошка спит на старом окне"
        assert measure(metric, answer, [answer], "ru") == (pytest.approx(1.0, abs=5e-3), True), metric
        assert measure(metric, "", ["[1, 2, 3, 4]" if metric == "iou" else "да"], "ru") == (0.0, False)


def test_phrases_are_in_their_languages() -> None:
    from polysee.evaluation.extraction.final import final_answer
    from polysee.evaluation.scripts import wrong_script

    assert len(languages()) >= 24
    for tag in languages():
        found = phrases(tag)
        for text in (found.letter, *found.nudge):
            assert not wrong_script(text, tag), (tag, text)
        assert "<answer>" in found.reason
        assert "</answer>" in found.reason
    assert phrases("pt-BR") == phrases("pt")
    assert final_answer("2 + 2, اذن <answer>٤</answer>", language="ar") == "٤"
    with pytest.raises(UserError, match="no sentences in 'yo'"):
        phrases("yo")


def test_lint_tells_what_a_task_asks(tmp_path: Path) -> None:
    path = write_task(tmp_path / "task.yaml", write_data(tmp_path / "data", 4))
    lines = lint(str(path))
    assert lines[0] == "animals: 20 samples; 40 questions; languages: am, ar, en, th, zh"


def test_lint_finds_what_only_the_data_shows(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 2)
    path = write_task(tmp_path / "task.yaml", data, changes={"options: options": "options: choices"})
    with pytest.raises(FileError, match=r"task.yaml:\d+:18: .*no record has the column 'choices'"):
        lint(str(path))
    path = write_task(tmp_path / "task.yaml", tmp_path / "none.jsonl")
    with pytest.raises(FileError, match=r"task.yaml:9:13: tasks.animals.data.path: there is no such file"):
        lint(str(path))


def test_a_file_with_bad_records_is_refused(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 2)
    data.write_text(data.read_text(encoding="utf-8") + '{"id": "x", "language": "th", "image": "none.png"}\n')
    path = write_task(tmp_path / "task.yaml", data)
    with pytest.raises(FileError, match="1 of 11 records"):
        lint(str(path))


def test_columns_that_no_record_has_are_all_refused(tmp_path: Path) -> None:
    rows = [{"id": n, "question": "ما هذا؟", "answer": "قطة", "scene": n, "photo": "0.png"} for n in range(3)]
    data = write_data(tmp_path / "data", 1, rows)
    fields = "{question: qestion, group: scen, tags: {domain: category}, images: [foto], options: [a, b]}"
    text = f"tasks:\n  - name: عربي\n    data: {{path: {data}, language: ar, fields: {fields}}}\n"
    path = tmp_path / "task.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as caught:
        lint(str(path))
    said = {problem.cause: problem.fix for problem in caught.value.problems}
    for name in ("qestion", "scen", "category", "foto", "a", "b"):
        assert any(f"no record has the column {name!r}" in cause for cause in said), name
    assert all(problem.place.line == 3 and problem.place.column > 1 for problem in caught.value.problems)
    fixes = " ".join(said.values())
    assert "did you mean 'scene'?" in fixes
    assert "did you mean 'photo'?" in fixes
    assert "the columns are id, question, answer, scene, photo" in fixes
    (task,) = load_tasks(str(path))
    with pytest.raises(UserError, match="no record has the column 'qestion'") as refused:
        read_task(task, Material(MediaPack(tmp_path / "media.pack")))
    assert refused.value.place == str(data)
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.columns) == (str(refused.value), refused.value.columns)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fields", "prompt", "cause"),
    [
        ("images: [photo]", "", "no record has the column 'question'"),
        ("question: null, images: [photo]", "", None),
        ("images: [photo]", "prompt: 'Was ist das? {question}'", None),
        ("question: null", "", "2 of 2 records .* empty-question"),
    ],
)
def test_questions_without_a_word_have_to_be_meant(tmp_path: Path, fields: str, prompt: str, cause: str | None) -> None:
    data = write_data(tmp_path / "data", 1, [{"answer": "แมว", "photo": "0.png"}] * 2)
    path = tmp_path / "task.yaml"
    head = f"tasks:\n- name: a\n  data: {{path: {data}, language: th, fields: {{{fields}}}}}\n  {prompt}\n"
    path.write_text(head, encoding="utf-8")
    if cause is None:
        assert lint(str(path)) == ["a: 2 samples; 2 questions; languages: th"]
    else:
        with pytest.raises(FileError, match=cause):
            lint(str(path))


def test_a_path_that_is_not_there_is_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_task(tmp_path / "task.yaml", Path("لا/none.jsonl"))
    with pytest.raises(FileError) as caught:
        lint(str(path))
    assert f"no such file or folder: {tmp_path / 'لا' / 'none.jsonl'}" in caught.value.cause
    assert "relative to where polysee runs" in caught.value.fix
    with pytest.raises(UserError, match="no file of questions") as refused:
        read_task(load_tasks(str(path))[0], Material(MediaPack(tmp_path / "media.pack")))
    assert refused.value.place == str(tmp_path / "لا" / "none.jsonl")
