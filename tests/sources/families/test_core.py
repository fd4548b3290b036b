"""What all adapters share: the catalogue's rules, keys, shards, rejects, fingerprints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from polysee import sources
from polysee.schema.errors import BadRecord, MissingData, UserError
from polysee.sources import catalogue
from polysee.sources.base import Expected, Reject, SourceRecord
from polysee.sources.families import ADAPTERS
from polysee.sources.families.core import AnnotationSource, fill

DATA = Path(__file__).parents[1] / "data"
CHARTS = [{"imgname": f"{n}.png", "query": f"ما القيمة {n}؟", "label": str(n)} for n in range(7)]


def _charts(folder: Path, records: list[dict[str, Any]] | None = None) -> Path:
    path = folder / "train_human.json"
    path.write_text(json.dumps(CHARTS if records is None else records, ensure_ascii=False))
    return path


def _read(source: Any) -> list[SourceRecord | Reject]:
    return [one for shard in source.shards() for one in source.read(shard)]


def test_the_catalogue_gives_task_language_and_licence(make: Callable[..., Any], tmp_path: Path) -> None:
    source = make("chartqa", str(_charts(tmp_path)), [f"{n}.png" for n in range(7)])
    records = _read(source)
    assert [one.key for one in records] == [f"record-{n}" for n in range(1, 8)]
    assert {(one.task, one.language) for one in records if isinstance(one, SourceRecord)} == {("chart", "en")}
    assert source.licence == "GPL-3.0-only"
    told = make("chartqa", str(_charts(tmp_path)), task="reading", licence="CC0-1.0", split="development")
    record = _read(told)[0]
    assert isinstance(record, SourceRecord)
    assert (record.task, record.split, told.licence, record.tags) == (
        "reading", "development", "CC0-1.0", ("dataset:chartqa",),
    )  # fmt: skip


def test_held_out_sets_refuse_to_be_training_data(make: Callable[..., Any]) -> None:
    file = "captions/flickr8kzhc.caption.txt"
    with pytest.raises(UserError, match="held out for evaluation by M3IT") as error:
        make("caption-lines", file)
    assert "split: evaluation" in error.value.fix
    with pytest.raises(ValidationError, match="held out for evaluation by M3IT"):
        make("caption-lines", file, dataset="coco-cn")
    assert make("caption-lines", file, split="evaluation").licence == "CC-BY-3.0"
    assert make("caption-lines", file, use_held_out=True)


@pytest.mark.parametrize(
    ("use", "params", "message"),
    [
        ("chartqa", {"dataset": "vqa-v3"}, "not in the catalogue; did you mean 'vqa-v2'"),
        ("chartqa", {"language": "sw"}, "'chartqa' is not in 'sw'"),
        ("chartqa", {"dataset": "gqa"}, "not read by 'chartqa'"),
        ("chartqa", {"dataset": "svit"}, "no adapter for 'svit'"),
        ("multi30k", {}, "needs a `language`"),
        ("conversations", {"dataset": "pangea-multi"}, "needs a `language`"),
        ("vqa-v2", {"questions": "/no/such/file"}, "no such file for `questions`"),
    ],
)
def test_what_does_not_fit(make: Callable[..., Any], use: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises((UserError, ValidationError)) as error:
        make(use, "documents/chartqa_train_human.json", **params).fingerprint_inputs()
    assert message in str(error.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    kind = sources.get("chartqa")
    with pytest.raises(UserError, match="no such file for `annotations`"):
        kind(kind.Params(annotations=str(tmp_path / "none.json")))
    with pytest.raises(UserError, match="no such folder of images"):
        kind(kind.Params(annotations=str(_charts(tmp_path)), images=str(tmp_path / "none")))
    needs = sources.get("vqa-v2")
    source = needs(needs.Params(annotations=str(_charts(tmp_path))))
    with pytest.raises(UserError, match="needs `questions`"):
        list(source.rows())


@pytest.mark.parametrize("parts", [1, 2, 3, 9])
def test_parts_deal_the_same_records(make: Callable[..., Any], tmp_path: Path, parts: int) -> None:
    media = [f"{n}.png" for n in range(7)]
    whole = _read(make("chartqa", str(_charts(tmp_path)), media))
    source = make("chartqa", str(_charts(tmp_path)), media, parts=parts)
    assert len(source.shards()) == parts
    assert sorted(_read(source), key=str) == sorted(whole, key=str)


def test_bad_records_become_rejects(make: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    bad: list[dict[str, Any]] = [
        {"imgname": "../secret.png", "query": "?", "label": "1"},
        {"imgname": "none.png", "query": "?", "label": "1"},
        {"imgname": "0.png", "query": "", "label": "1"},
        {"imgname": "0.png", "query": "?", "label": None},
        {"imgname": "0.png", "query": "?", "label": {"a": 1}},
        {"imgname": 3.5, "query": "?", "label": "1"},
        {"imgname": "0.png", "query": "ทำไม?", "label": "1"},
    ]
    found = _read(make("chartqa", str(_charts(tmp_path, bad)), ["0.png"]))
    assert [one.reason for one in found if isinstance(one, Reject)] == [
        "path-escape",
        "missing-image",
        "empty-field",
        "missing-field",
        "wrong-type",
        "bad-id",
    ]
    assert isinstance(found[-1], SourceRecord)
    assert found[-1].key == "record-7"


def test_equal_ids_are_rejected(make: Callable[..., Any], tmp_path: Path) -> None:
    record = {"question": "q", "answer": 1, "image": "a.jpg", "question_id": 5}
    found = _read(make("tallyqa", str(_charts(tmp_path, [record, record])), ["a.jpg"]))
    assert [one.key for one in found] == ["5", "5"]
    assert isinstance(found[1], Reject)
    assert found[1].reason == "duplicate-id"


def test_the_fingerprint_sees_annotations_images_and_further_files(make: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "files"
    shutil.copytree(DATA / "questions", folder)
    answers, questions = (
        folder / "v2_mscoco_val2014_annotations.json",
        folder / ("v2_OpenEnded_mscoco_val2014_questions.json"),
    )
    media = ["COCO_val2014_000000262148.jpg"]
    source = make("vqa-v2", str(answers), media, questions=str(questions))
    before = source.fingerprint_inputs()
    assert before == source.fingerprint_inputs()
    for changed in (answers, questions, tmp_path / "media" / media[0]):
        changed.write_bytes(changed.read_bytes() + b" ")
        after = make("vqa-v2", str(answers), questions=str(questions)).fingerprint_inputs()
        assert after != before, changed
        before = after


def test_names_of_images_can_be_told(make: Callable[..., Any], tmp_path: Path) -> None:
    source = make("chartqa", str(_charts(tmp_path, CHARTS[:1])), ["png/0.png.webp"], image_name="png/{imgname}.webp")
    assert isinstance(_read(source)[0], SourceRecord)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{n:012}.jpg", "000000000042.jpg"),
        ("{s}/{n}", "猫/42"),
        ("a|{n}", "a|42"),
        ("{d:03}", "007"),
        ("plain", "plain"),
    ],
)
def test_fill(template: str, expected: str) -> None:
    assert fill(template, {"n": 42, "s": "猫", "d": "7"}) == expected


@pytest.mark.parametrize(("template", "reason"), [("{none}", "missing-field"), ("{s:05}", "wrong-type")])
def test_fill_refuses(template: str, reason: str) -> None:
    with pytest.raises(BadRecord) as error:
        fill(template, {"s": "猫"})
    assert error.value.reason == reason


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_adapters_and_their_datasets_agree(name: str) -> None:
    kind = sources.get(name)
    if not issubclass(kind, AnnotationSource):
        assert name == "m3it-translated"
        return
    assert kind.adapter == name
    assert catalogue.entry(kind.dataset).adapter == name
    assert set(kind.extra_files) <= set(kind.Params.model_fields)
    assert kind.__doc__


def test_a_recipe_says_where_it_is_wrong(tmp_path: Path) -> None:
    from polysee.recipe.load import load_recipe

    path = tmp_path / "recipe.yaml"
    text = "name: r\nsources:\n  - name: s\n    use: caption-lines\n    params:\n      annotations: a.txt\n"
    path.write_text(f"{text}      dataset: coco-cn\n      split: evaluation\n")
    assert load_recipe(path).sources[0].use == "caption-lines"
    path.write_text(f"{text}      dataset: coco-cn\n")
    with pytest.raises(UserError) as error:
        load_recipe(path)
    assert "recipe.yaml:7" in str(error.value)
    assert "'coco-cn' is held out for evaluation by M3IT" in str(error.value)


def test_no_more_than_asked_for(make: Callable[..., Any], tmp_path: Path) -> None:
    charts = [*CHARTS, {"imgname": "0.png", "query": "", "label": "1"}]
    file, media = str(_charts(tmp_path, charts)), [f"{n}.png" for n in range(7)]
    everything = {one.key: one for one in _read(make("chartqa", file, media)) if isinstance(one, SourceRecord)}
    source = make("chartqa", file, media, most=3)
    some = _read(source)
    kept = [one for one in some if isinstance(one, SourceRecord)]
    # A bad record takes nobody's place, and is still told.
    assert [one.reason for one in some if isinstance(one, Reject)] == ["empty-field"]
    assert len(kept) == source.estimate() == 3
    assert all(everything[one.key] == one for one in kept)
    dealt = _read(make("chartqa", file, media, most=3, parts=2))
    assert {one.key for one in dealt if isinstance(one, SourceRecord)} == {one.key for one in kept}
    assert len(_read(make("chartqa", file, media, most=99))) == 8
    # Only pictures that are used decide what the dataset is.
    before = source.fingerprint_inputs()
    unused = set(media) - {blob.place.rpartition("/")[2] for one in kept for blob in one.media}
    (tmp_path / "media" / min(unused)).write_bytes(b"other")
    assert make("chartqa", file, most=3).fingerprint_inputs()[-1] == before[-1]


def test_what_is_known_without_the_files(tmp_path: Path) -> None:
    kind, none = sources.get("vqa-v2"), str(tmp_path / "none.json")
    assert kind.expected(kind.Params(annotations=none)) == Expected(
        428_708, "CC-BY-4.0", "vqa", ("en",), "train", "vqa-v2"
    )
    held = kind.Params(annotations=none, split="validation", dataset="ok-vqa", licence="MIT", task="questions")
    assert kind.expected(held) == Expected(5046, "MIT", "questions", ("en",), "validation", "ok-vqa")
    assert kind.expected(kind.Params(annotations=none, most=30_000)).rows == 30_000
    assert sources.get("nlvr2").expected(sources.get("nlvr2").Params(annotations=none)).rows is None
    with pytest.raises(MissingData, match="no such file for `annotations`"):
        kind(kind.Params(annotations=none))
    translated = sources.get("m3it-translated")
    params = {"path": none, "dataset": "m3it-80-imagenet", "language_field": "language"}
    assert translated.expected(translated.Params(**params)) is None
    told = translated.expected(translated.Params(**params, expect=40))
    assert (told.rows, told.licence, told.dataset) == (40, "non-commercial", "m3it-80-imagenet")


def test_texts_that_nobody_wrote_say_so(make: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "pairs.json"
    said = [{"from": "human", "value": "ما هذا؟"}, {"from": "gpt", "value": "قطة"}]
    path.write_text(json.dumps([{"id": "1", "conversations": said}]))
    (record,) = _read(make("conversations", str(path), dataset="llava-video-178k-translated", language="hi"))
    assert isinstance(record, SourceRecord)
    assert "provenance:translated" in record.tags
