"""Tables that the datasets library reads, from disk; nothing here needs a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from polysee.schema.errors import UserError
from polysee.schema.sample import Turn
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.huggingface import HuggingFace, HuggingFaceParams

PIXELS = b"\x89PNG pixels"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _source(path: Path, **more: Any) -> HuggingFace:
    columns = {"image": "image", "question": "q", "answer": "a", "language": "ar"}
    return HuggingFace(HuggingFaceParams(path=str(path), **{**columns, **more}))


def _read(source: HuggingFace) -> list[SourceRecord | Reject]:
    return [record for shard in source.shards() for record in source.read(shard)]


def _parquet(path: Path, **columns: list[Any]) -> Path:
    if "image" in columns and isinstance(columns["image"][0], dict):
        columns["image"] = pa.array(columns["image"], IMAGE)
    pq.write_table(pa.table(columns), path)
    return path


def _image(data: bytes | None = PIXELS, path: str | None = None) -> dict[str, Any]:
    return {"bytes": data, "path": path}


def test_parquet_of_image_structs(tmp_path: Path) -> None:
    _parquet(tmp_path / "b.parquet", image=[_image()], q=["这是什么？"], a=["猫"], lang=["zh"])
    _parquet(
        tmp_path / "a.parquet", image=[_image(), _image()], q=["ما هذا؟", None], a=["قطة", "قطط"], lang=["ar", None]
    )
    found = _read(_source(tmp_path, language_column="lang"))
    assert [r.key for r in found] == ["a.parquet:1", "a.parquet:2", "b.parquet:1"]
    assert [r.language for r in found] == ["ar", "ar", "zh"]
    first = found[0]
    assert isinstance(first, SourceRecord)
    assert first.turns == (Turn("ما هذا؟", "قطة"),)
    assert first.media[0].data == PIXELS


def test_lists_of_images_ids_and_options(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    images = pa.array([[_image(), _image()]], pa.list_(IMAGE))
    pq.write_table(
        pa.table({"image": images, "q": ["أي صورة؟"], "a": [1], "o": [["الأولى", "الثانية"]], "n": [7.0]}), path
    )
    (record,) = _read(_source(path, options="o", answer_is_index=True, id="n"))
    assert isinstance(record, SourceRecord), record
    assert (record.key, record.turns[0].output, len(record.media)) == ("7", "الثانية", 2)
    assert record.options == ("الأولى", "الثانية")


def test_paths_are_read_from_the_image_folder(tmp_path: Path, images: Path) -> None:
    path = _parquet(tmp_path / "t.parquet", image=["猫/ب.png", "../secret.png"], q=["?", "?"], a=["قطة", "قطة"])
    found = _read(_source(path, images=str(images)))
    assert isinstance(found[0], SourceRecord)
    assert found[0].media[0].data == (images / "猫" / "ب.png").read_bytes()
    assert [r.reason for r in found if isinstance(r, Reject)] == ["path-escape"]
    assert [r.reason for r in _read(_source(path)) if isinstance(r, Reject)] == ["missing-image"] * 2
    before = _source(path, images=str(images)).fingerprint_inputs()
    (images / "猫" / "ب.png").write_bytes(b"other")
    assert _source(path, images=str(images)).fingerprint_inputs() != before


def test_json_lines_go_on_after_a_bad_line(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    good = json.dumps({"q": "ما هذا؟", "a": "قطة"}, ensure_ascii=False)
    path.write_text(f'{good}\n{{"q": \n{good}\n', encoding="utf-8")
    found = _read(_source(path, image=None))
    assert [r.reason if isinstance(r, Reject) else r.key for r in found] == ["t.jsonl:1", "bad-json", "t.jsonl:3"]


@pytest.mark.parametrize(
    ("reason", "row"),
    [
        ("missing-field", {"a": None}),
        ("empty-field", {"a": " "}),
        ("missing-image", {"image": None}),
        ("zero-byte-file", {"image": _image(b"")}),
        ("wrong-type", {"image": _image(None, None)}),
        ("unknown-language", {"lang": "klingon"}),
        ("duplicate-id", {"id": "1"}),
        ("missing-field", {"id": None}),
        ("missing-image", {"q": "<image> <image>?"}),
        ("bad-option", {"o": ["كلب"]}),
    ],
)
def test_bad_rows(tmp_path: Path, reason: str, row: dict[str, Any]) -> None:
    good = {"image": _image(), "q": "?", "a": "قطة", "lang": "ar", "id": "1", "o": ["قطة", "كلب"]}
    rows = [good, {**good, "id": "2", **row}, {**good, "id": "3"}]
    path = _parquet(tmp_path / "t.parquet", **{name: [r[name] for r in rows] for name in good})
    found = _read(_source(path, id="id", language_column="lang", options="o"))
    assert [r.key for r in found if isinstance(r, SourceRecord)] == ["1", "3"]
    assert [r.reason for r in found if isinstance(r, Reject)] == [reason]


def test_wrong_parameters(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "t.parquet", image=[_image()], q=["?"], a=["x"])
    with pytest.raises(UserError, match="no column 'question'") as caught:
        _read(_source(path, question="question"))
    assert "image, q, a" in caught.value.fix
    with pytest.raises(UserError, match="no such file or folder"):
        _source(tmp_path / "none" / "x y")
    with pytest.raises(UserError, match="pinned commit"):
        HuggingFace(HuggingFaceParams(path="owner/name", answer="a", language="ar"))
    with pytest.raises(UserError, match="pinned commit"):
        HuggingFace(HuggingFaceParams(path="owner/name", answer="a", language="ar", revision="main"))
    (tmp_path / "t.txt").write_text("x")
    with pytest.raises(UserError, match="no reader"):
        _source(tmp_path / "t.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no table"):
        _source(tmp_path / "empty")
    with pytest.raises(ValidationError, match="language_column"):
        HuggingFaceParams(path="x", answer="a")
    with pytest.raises(ValidationError, match="needs `options`"):
        HuggingFaceParams(path="x", answer="a", language="ar", answer_is_index=True)


def test_a_broken_file_is_an_error_and_not_an_empty_dataset(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "t.parquet", image=[_image()], q=["?"], a=["x"])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="cannot be"):
        _read(_source(path))


def test_a_hub_dataset_is_its_pinned_commit() -> None:
    pinned = HuggingFaceParams(path="owner/name", answer="a", language="ar", revision="a" * 40)
    other = pinned.model_copy(update={"revision": "b" * 40})
    assert HuggingFace(pinned).fingerprint_inputs() == HuggingFace(pinned).fingerprint_inputs()
    assert HuggingFace(pinned).fingerprint_inputs() != HuggingFace(other).fingerprint_inputs()
