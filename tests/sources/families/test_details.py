"""What public files have besides the plain case: other archives, marks, units, languages by name, split files."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from polysee import sources
from polysee.schema.errors import UserError
from polysee.schema.sample import Turn
from polysee.sources.base import EVALUATION_ONLY, Reject, SourceRecord

DATA = Path(__file__).parents[1] / "data"
Read = Callable[..., list[SourceRecord | Reject]]
PICTURE = "iVBO"


def good(found: list[SourceRecord | Reject]) -> list[SourceRecord]:
    return [record for record in found if isinstance(record, SourceRecord)]


def reasons(found: list[SourceRecord | Reject]) -> list[str]:
    return [record.reason for record in found if isinstance(record, Reject)]


def _json(path: Path, value: object) -> str:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return str(path)


def _lines(path: Path, *values: object) -> str:
    path.write_text("".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in values), encoding="utf-8")
    return str(path)


def test_docvqa_in_the_archive_without_a_folder(read: Read) -> None:
    (record,) = good(read("docvqa", "documents/val_v1.0.json", ["pybv0228_81.png"]))
    assert record.media[0].place == "pybv0228_81.png"


def test_coco_cn_below_cocos_two_folders(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "imageid.human-written-caption.txt"
    path.write_text(
        "COCO_train2014_000000000042#0\t一只狗\nCOCO_val2014_000000000073#zhm#1\t摩托车\n", encoding="utf-8"
    )
    media = ["train2014/COCO_train2014_000000000042.jpg", "val2014/COCO_val2014_000000000073.jpg"]
    found = read("caption-lines", str(path), media, dataset="coco-cn", split="evaluation")
    assert [one.media[0].place for one in good(found)] == media


def test_okvqa_in_the_annotators_own_words(read: Read, tmp_path: Path) -> None:
    told = [{"answer": "poni tail", "raw_answer": "pony tail"}] * 2 + [{"answer": "braid", "raw_answer": "braids"}]
    of = {"question_id": 1, "image_id": 7}
    answers = _json(tmp_path / "mscoco_val2014_annotations.json", {"annotations": [{**of, "answers": told}]})
    asked = _json(tmp_path / "questions.json", {"questions": [{**of, "question": "What hair?"}]})
    params = {"dataset": "ok-vqa", "questions": asked}
    for words, output in (("answer", "poni tail"), ("raw_answer", "pony tail")):
        (record,) = good(read("vqa-v2", answers, ["COCO_val2014_000000000007.jpg"], words=words, **params))
        assert record.turns[0].output == output
    missing = read("vqa-v2", "questions/v2_mscoco_val2014_annotations.json", (), words="raw_answer",
                   questions="questions/v2_OpenEnded_mscoco_val2014_questions.json")  # fmt: skip
    assert set(reasons(missing)) == {"missing-field", "missing-answer"}


def test_textcaps_splits_and_references(read: Read, tmp_path: Path) -> None:
    said = {"caption_id": 1, "caption_str": "Stop.", "reference_strs": ["Stop.", "A sign."], "image_id": "a"}
    path = _json(tmp_path / "TextCaps_0.1_val.json", {"data": [{**said, "set_name": "val"}]})
    (record,) = good(read("textcaps", path, ["a.jpg"], file_split="val"))
    assert sorted(record.references) == ["A sign.", "Stop."]
    assert read("textcaps", path, ["a.jpg"], file_split="train") == []


def test_pixmo_capqa_between_marks(read: Read, tmp_path: Path) -> None:
    rows = {
        "image_url": ["https://a.example/a.jpg"],
        "question": ["[USER] Who is it? [ASSISTANT]"],
        "answer": ["A cat."],
    }
    pq.write_table(pa.table(rows), tmp_path / "capqa.parquet")
    found = read("pixmo", str(tmp_path / "capqa.parquet"), ["a.jpg"], dataset="pixmo-capqa", image_name="a.jpg")
    assert good(found)[0].turns == (Turn("Who is it?", "A cat."),)


def test_a_system_field_stands_before_the_question(read: Read, tmp_path: Path) -> None:
    said = [{"from": "user", "value": "فكر"}, {"from": "assistant", "value": "نعم"}]
    path = _json(tmp_path / "stratos.json", [{"system": "Think step by step.", "conversations": said}])
    (record,) = good(read("conversations", path, dataset="bespoke-stratos"))
    assert record.turns == (Turn("Think step by step.\nفكر", "نعم"),)


@pytest.mark.parametrize(
    ("told", "tag"),
    [("arabic", "ar"), ("zh_simplified", "zh"), ("zh_traditional", "zh-Hant"), ("iw", "he"), ("Bengali", "bn")],
)
def test_pangea_names_languages_in_words(read: Read, tmp_path: Path, told: str, tag: str) -> None:
    said = [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}]
    path = _json(tmp_path / "PangeaIns.json", [{"id": "1", "conversations": said, "language": told}])
    (record,) = good(read("conversations", path, dataset="pangea-multi", language_field="language"))
    assert record.language == tag


@pytest.mark.parametrize("name", ["LIVE", "CSIQ", "LIVE_MD", "A57", "MDID2013"])
def test_tables_of_differences_count_downwards(read: Read, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.txt"
    path.write_text("dis_img_path,dis_type,ref_img_path,score\na.png,JPEG,r.png,0.02\nb.png,JPEG,r.png,0.81\n")
    found = good(read("image-quality", str(path), ["a.png", "b.png"]))
    assert [one.turns[0].output for one in found] == ["excellent", "bad"]
    told = good(read("image-quality", str(path), ["a.png", "b.png"], worst=0.0, best=1.0))
    assert [one.turns[0].output for one in told] == ["bad", "excellent"]


def test_parallel_lines_part_at_line_feeds_alone(read: Read, tmp_path: Path) -> None:
    for name, text in {
        "t.en": "One\u2028still one.\nTwo.\n",
        "t.de": "Eins.\r\nZwei\u0085.\r\n",
        "t.txt": "a.jpg\nb.jpg\n",
    }.items():
        (tmp_path / name).write_bytes(text.encode())
    params = {"target": str(tmp_path / "t.de"), "names": str(tmp_path / "t.txt"), "language": "de"}
    found = good(read("multi30k", str(tmp_path / "t.en"), ["a.jpg", "b.jpg"], **params))
    assert [one.turns[0].output for one in found] == ["Eins.", "Zwei\u0085."]


def test_a_bad_byte_costs_one_line_of_a_table(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "ivqa.csv"
    path.write_bytes(
        b"\xef\xbb\xbfvideo_id,start,end,question,answer1,answer2,answer3,answer4,answer5\r\n"
        b"a,0,5,What\xff?,x,x,x,x,x\r\nb,0,5,\xe0\xa4\x95\xe0\xa5\x8d\xe0\xa4\xaf\xe0\xa4\xbe?,x,x,y,,\r\n"
    )
    found = read("ivqa", str(path), ["a.mp4", "b.mp4"], split="evaluation")
    assert [one.turns for one in good(found)] == [(Turn("क्या?", "x"),)]
    assert reasons(found) == ["invalid-utf8"]


def test_packed_files_are_to_be_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "dialog_train.jsonl.gz"
    packed.write_bytes(gzip.compress(b'["a", "b"]\n'))
    kind = sources.get("mmchat")
    with pytest.raises(UserError, match="is packed") as error:
        kind(kind.Params(annotations=str(packed), split="evaluation"))
    assert "unpack" in error.value.fix


def test_boxes_beyond_the_picture(read: Read, tmp_path: Path) -> None:
    whole = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}],
    }
    boxes = [[-5, -5, 20, 20], [-50, 0, 20, 20], [1, 1, True, 5]]
    found = [{"id": n, "image_id": 1, "category_id": 1, "bbox": box} for n, box in enumerate(boxes)]
    path = _json(tmp_path / "instances.json", {**whole, "annotations": found})
    records = read("coco-instances", path, ["a.jpg"])
    assert [one.media[0].box for one in good(records)] == [(-5, -5, 15, 15)]
    assert reasons(records) == ["bad-box", "bad-box"]


def test_winoground_may_not_be_trained_on(read: Read) -> None:
    kind = sources.get("winoground")
    annotations = str(DATA / "reasoning" / "winoground_examples.jsonl")
    with pytest.raises(UserError, match="for evaluation only"):
        kind(kind.Params(annotations=annotations, use_held_out=True))
    media = ["ex_0_img_0.png", "ex_0_img_1.png"]
    found = good(read("winoground", "reasoning/winoground_examples.jsonl", media, split="evaluation"))
    assert found
    assert all(EVALUATION_ONLY in one.tags for one in found)


def _translated(folder: Path, **params: Any) -> Any:
    kind = sources.get("m3it-translated")
    return kind(kind.Params(path=str(folder), dataset="m3it-80-vqa-v2", language="am", **params))


def test_m3it_80_with_the_pictures_of_the_untranslated_file(tmp_path: Path) -> None:
    said = [{"instruction": "መልስ", "input": f"ጥያቄ {n}", "output": f"መልስ {n}"} for n in range(4)]
    path = _lines(tmp_path / "vqa-v2_validation_am.jsonl", *said[:1], "no object", *said[1:])
    shown: list[dict[str, object]] = [
        {"image_str": PICTURE},
        {},
        {"image_base64_str": [PICTURE, PICTURE]},
        {"image_str": None},
    ]
    raw = _lines(tmp_path / "val_500.jsonl", *shown)
    found = list(_translated(Path(path), raw=raw).read("vqa-v2_validation_am.jsonl"))
    assert [(one.turns[0], one.instruction, len(one.media)) for one in good(found)] == [
        (Turn("ጥያቄ 0", "መልስ 0"), "መልስ", 1),
        (Turn("ጥያቄ 1", "መልስ 1"), "መልስ", 2),
    ]
    assert reasons(found) == ["not-an-object", "missing-image", "missing-image"]
    assert _translated(Path(path), raw=raw).fingerprint_inputs() != _translated(Path(path)).fingerprint_inputs()
    with pytest.raises(UserError, match="belongs to one file"):
        _translated(tmp_path, raw=raw)


def test_ways_around_evaluation_only(tmp_path: Path) -> None:
    record = {"instruction": "", "inputs": "ምን?", "outputs": "ድመት", "image_base64_str": [PICTURE], "split": "train"}
    path = _lines(tmp_path / "okvqa_validation_am.jsonl", record)
    for params in ({"split": "train"}, {"split_field": "split"}):
        with pytest.raises(ValidationError, match="for evaluation only"):
            _translated(Path(path), **params)
    plain = sources.get("m3it")
    for params in ({}, {"split": "evaluation", "split_field": "split"}):
        with pytest.raises(UserError, match="for evaluation only") as error:
            plain(plain.Params(path=path, language="am", **params))
        assert "m3it-translated" in error.value.fix
    folder = tmp_path / "M3IT-80" / "data"
    folder.mkdir(parents=True)
    shutil.copy(path, folder / "renamed.jsonl")
    with pytest.raises(UserError, match="for evaluation only"):
        plain(plain.Params(path=str(folder / "renamed.jsonl"), language="am"))
    assert plain(plain.Params(path=path, language="am", split="evaluation"))
    hub = sources.get("huggingface")
    for name in ("MMInstruction/M3IT-80", "facebook/winoground"):
        with pytest.raises(ValidationError, match="for evaluation only"):
            hub.Params(path=name, revision="0" * 40, answer="outputs", language="am")
    assert hub.Params(path="facebook/winoground", revision="0" * 40, answer="a", language="en", split="evaluation")
