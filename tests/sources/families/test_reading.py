"""Streams of rows: places, faults in the middle, files that are joined."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.schema.errors import UserError
from polysee.sources.families.reading import (
    csv_rows,
    json_rows,
    keyed_rows,
    lines,
    parquet_rows,
    records,
    side_by_side,
    text_lines,
    values,
)
from polysee.sources.rows import Row


def _file(tmp_path: Path, data: bytes | str, name: str = "a.json") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_objects_and_their_places(tmp_path: Path) -> None:
    path = _file(tmp_path, b'\xef\xbb\xbf{"data": [{"a": "\xe7\x8c\xab"}, 7, {"a": 1.5}]}')
    found = list(json_rows(path, "data.item"))
    assert [(row.place, row.data) for row in found] == [
        ("a.json:data[1]", {"a": "猫"}), ("a.json:data[2]", {}), ("a.json:data[3]", {"a": 1.5}),
    ]  # fmt: skip
    assert found[1].error is not None
    assert found[1].error.reason == "not-an-object"


def test_keys_become_a_field(tmp_path: Path) -> None:
    path = _file(tmp_path, '{"anns": {"7": {"a": 1}, "8": {"key": "own"}}}')
    assert [row.data for row in keyed_rows(path, "anns")] == [{"key": "7", "a": 1}, {"key": "own"}]
    assert [row.place for row in records(path, "anns.*")] == ["a.json:anns[7]", "a.json:anns[8]"]


@pytest.mark.parametrize("tail", ["", ', {"a": ', "}"])
def test_a_torn_file_gives_what_stands_before(tmp_path: Path, tail: str) -> None:
    path = _file(tmp_path, '{"data": [{"a": 1}' + tail)
    *good, last = json_rows(path, "data.item")
    assert [row.data for row in good] == [{"a": 1}]
    assert last.error is not None
    assert last.error.reason == "bad-json"
    with pytest.raises(UserError, match="not whole JSON"):
        list(values(path, "data.item"))


def test_csv(tmp_path: Path) -> None:
    path = _file(tmp_path, 'id,text\n1,"नमस्ते, दुनिया"\n2\n3,c,d\n', "a.csv")
    found = list(csv_rows(path))
    assert found[0] == Row("a.csv:2", {"id": "1", "text": "नमस्ते, दुनिया"})
    assert [row.error.reason for row in found if row.error is not None] == ["bad-csv", "bad-csv"]
    table = _file(tmp_path, "id\ttext\n1\tสวัสดี\n", "a.tsv")
    assert [row.data for row in records(table)] == [{"id": "1", "text": "สวัสดี"}]
    broken = _file(tmp_path, b"id\n\xff\n", "b.csv")
    assert [row.error.reason for row in csv_rows(broken) if row.error is not None] == ["invalid-utf8"]


def test_lines(tmp_path: Path) -> None:
    path = _file(tmp_path, b"\xef\xbb\xbfone\n\n\xff\nthree \n", "a.txt")
    found = list(lines(path))
    assert [(row.place, row.data.get("line")) for row in found] == [
        ("a.txt:1", "one"), ("a.txt:3", None), ("a.txt:4", "three"),
    ]  # fmt: skip
    with pytest.raises(UserError, match="not UTF-8"):
        text_lines(path)
    assert text_lines(_file(tmp_path, "ሀ\n\nለ\n", "b.txt")) == ["ሀ", "", "ለ"]


def test_a_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the table cannot be read"):
        list(parquet_rows(_file(tmp_path, "no table", "a.parquet")))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for read in (lines, csv_rows, text_lines):
        with pytest.raises(UserError, match="cannot be read"):
            list(read(tmp_path / "none"))
    with pytest.raises(UserError, match="cannot be read"):
        list(json_rows(tmp_path / "none", "item"))


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_two_files_join_in_any_order(order: list[int], absent: set[int]) -> None:
    first = (Row(f"q:{n}", {"id": n, "asked": n}) for n in range(8))
    second = (Row(f"a:{n}", {"id": n, "told": -n}) for n in order if n not in absent)
    found = list(side_by_side(first, second, "id"))
    assert [row.data["asked"] for row in found] == list(range(8))
    for row in found:
        if row.data["id"] in absent:
            assert row.error is not None
            assert row.error.reason == "missing-answer"
        else:
            assert row.data["told"] == -row.data["id"]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none(), max_size=4)))
def test_what_json_writes_comes_back(tmp_path_factory: pytest.TempPathFactory, data: list[dict[str, object]]) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps({"info": {}, "data": data}), encoding="utf-8")
    assert [row.data for row in json_rows(path, "data.item")] == data
