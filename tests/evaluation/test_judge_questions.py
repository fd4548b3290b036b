"""Which answers are judged, and where their questions come from."""

from __future__ import annotations

import json
from pathlib import Path

import lance
import pytest
from made_answers import row, table

from judged_runs import QUESTIONS, answer_all, make_run, png, samples
from polysee.evaluation.items import Scope
from polysee.evaluation.judge.questions import Questions, read_questions
from polysee.evaluation.tasks.data import Material, MediaPack, read_task
from polysee.evaluation.tasks.load import load_tasks
from polysee.schema.errors import UserError

TASK = """
tasks:
  - name: written
    prompt: {ar: "أجب بكلمة: {question}", am: "{question}"}
    data: {path: PATH, fields: {images: [image], language: language, id: id}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_run(tmp_path_factory.mktemp("runs") / "run", 4)
    answer_all(made, "ours", lambda n: n > 0, 4)
    answer_all(made, "theirs", lambda n: n > 1, 4)
    return made


def read(run: Path, tmp_path: Path, *names: str, **other: object) -> Questions:
    folders = {name: run / "eval" / name for name in names}
    scope = other.pop("scope", Scope())
    return read_questions(folders, scope, pack=tmp_path / "media.pack", **other)  # type: ignore[arg-type]


def rewritten(folder: Path, rows: list[dict[str, object]]) -> Path:
    folder.mkdir(parents=True)
    lance.write_dataset(table(rows), str(folder / "predictions.lance"))
    return folder


def test_free_answers_with_their_questions_and_pictures(run: Path, tmp_path: Path) -> None:
    found = read(run, tmp_path, "ours", "theirs")
    assert found.models == ("ours", "theirs")
    assert len(found.asked) == 20
    assert [one.id for one in found.asked] == sorted(one.id for one in found.asked)
    hindi = [one for one in found.asked if one.language == "hi"]
    assert {one.question for one in hindi} == {f"{QUESTIONS['hi'][0]} ({n})" for n in range(4)}
    assert {one.reference for one in hindi} == {QUESTIONS["hi"][1]}
    assert len(set(found.clusters().values())) == 4
    assert {found.pictures(one.id) for one in found.asked} == {(png(n),) for n in range(4)}
    assert found.has_pictures(hindi[0].id)
    assert not (tmp_path / "media.pack").exists()


def test_only_what_was_wanted(run: Path, tmp_path: Path) -> None:
    found = read(run, tmp_path, "ours", scope=Scope(languages=("am", "zh")), limit=3)
    assert [one.language for one in found.asked].count("am") == 3
    pictures = {tag: {p.cluster for p in found.places.values() if p.language == tag} for tag in ("am", "zh")}
    assert pictures["am"] == pictures["zh"]
    with pytest.raises(UserError, match="within --task"):
        read(run, tmp_path, "ours", scope=Scope(tasks=("nothing",)))


def test_what_one_model_has_not_answered_is_counted(run: Path, tmp_path: Path) -> None:
    base = lance.dataset(str(run / "eval/ours/predictions.lance")).to_table().to_pylist()
    scenes = [one for one in base if one["task"] == "scenes" and one["baseline"] is None]
    partly = [one | {"failure": "timed-out", "answer": ""} if n < 2 else one for n, one in enumerate(scenes[3:])]
    rewritten(run / "eval" / "partly", partly)
    found = read(run, tmp_path, "ours", "partly")
    assert (len(found.asked), found.left_out, found.failed) == (15, 3, 2)


def test_two_tasks_may_ask_the_same_samples(run: Path, tmp_path: Path) -> None:
    one = samples(1)[0]
    base = {"sample": one.id, "cluster": one.media[0].sha256, "metric": "chrf", "chance": None}
    rows = [row(task, "am", 0, 0.5) | base | {"answer": f"መልስ {task}"} for task in ("plain", "nudged")]
    rows += [row("plain", "am", 0, 0.5) | base | {"metric": "exact_match"}]
    rows += [row("plain", "am", 0, 0.5) | base | {"variant": "blur-1", "answer": "ሌላ"}]
    rewritten(run / "eval" / "twice", rows)
    found = read(run, tmp_path, "twice")
    assert {q.id: q.answer("twice") for q in found.asked} == {f"{t}:{one.id}": f"መልስ {t}" for t in ("nudged", "plain")}


def test_chosen_answers_are_not_judged(run: Path, tmp_path: Path) -> None:
    rewritten(run / "eval" / "chosen", [row("choices", "th", 0, 1.0, option_scores=[-1.0, -2.0])])
    with pytest.raises(UserError, match="a judge reads free answers"):
        read(run, tmp_path, "chosen")
    with pytest.raises(UserError, match="there are no answers here"):
        read(run, tmp_path, "nowhere")


def test_models_without_a_common_question(run: Path, tmp_path: Path) -> None:
    rewritten(run / "eval" / "alone", [row("other", "th", 0, 1.0, chance=None, metric="chrf")])
    with pytest.raises(UserError, match="no question in common"):
        read(run, tmp_path, "ours", "alone")


def test_questions_of_a_task_file_as_they_were_posed(tmp_path: Path) -> None:
    data = tmp_path / "items.jsonl"
    (tmp_path / "0.png").write_bytes(png(0))
    items = [
        {"id": "1", "language": "ar", "question": "ما هذا؟", "answer": "قطة", "image": "0.png"},
        {"id": "2", "language": "am", "question": "ይህ ምንድን ነው?", "answer": "ድመት", "image": "0.png"},
    ]
    data.write_text("\n".join(json.dumps(item, ensure_ascii=False) for item in items), encoding="utf-8")
    task = tmp_path / "task.yaml"
    task.write_text(TASK.replace("PATH", str(data)), encoding="utf-8")
    asked = read_task(load_tasks(str(task))[0], Material(MediaPack(tmp_path / "first.pack")))
    base = {"chance": None, "metric": "chrf", "cluster": asked[0].sample.media[0].sha256}
    rows = [row("written", a.sample.language, 0, 0.5) | base | {"sample": a.sample.id} for a in asked]
    rewritten(tmp_path / "eval" / "ours", rows)
    with pytest.raises(UserError, match="--data my-task"):
        read(tmp_path, tmp_path, "ours")
    found = read(tmp_path, tmp_path, "ours", data=(str(task),))
    assert {one.language: one.question for one in found.asked} == {"ar": "أجب بكلمة: ما هذا؟", "am": "ይህ ምንድን ነው?"}
    assert {found.pictures(one.id) for one in found.asked} == {(png(0),)}
