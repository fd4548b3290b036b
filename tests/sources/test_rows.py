"""Rows of JSON-lines files and arrays, whole and broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.sources import rows
from polysee.sources.rows import read_rows

_JSON = st.dictionaries(st.text(max_size=5), st.text(max_size=8) | st.integers() | st.none(), max_size=3)


def _write(folder: Path, text: str | bytes, name: str = "d.json") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_lines_have_numbers_and_reading_goes_on(tmp_path: Path) -> None:
    path = _write(tmp_path, b'\xef\xbb\xbf{"a": 1}\n\n{"a": \n["x"]\n{"a": "\xff"}\n{"a": "\xe2\x80\xa8"}', "d.jsonl")
    found = [(r.place, r.error.reason if r.error else None) for r in read_rows(path)]
    assert found == [
        ("d.jsonl:1", None),
        ("d.jsonl:3", "bad-json"),
        ("d.jsonl:4", "not-an-object"),
        ("d.jsonl:5", "invalid-utf8"),
        ("d.jsonl:6", None),
    ]


def test_an_array_has_the_lines_of_its_records(tmp_path: Path) -> None:
    path = _write(tmp_path, '[\n {"a": "猫"},\n {"a":\n 2},\n 7,\n {"a": 3}\n]\n')
    found = [(r.place, r.data.get("a"), r.error.reason if r.error else None) for r in read_rows(path)]
    assert found == [("d.json:2", "猫", None), ("d.json:3", 2, None), ("d.json:5", None, "not-an-object"),
                     ("d.json:6", 3, None)]  # fmt: skip


def test_a_truncated_array_keeps_what_came_before(tmp_path: Path) -> None:
    found = list(read_rows(_write(tmp_path, '[{"a": 1},\n{"a": 2},\n{"a": "unfin')))
    assert [r.data.get("a") for r in found] == [1, 2, None]
    assert found[-1].error is not None
    assert found[-1].error.reason == "bad-json"
    assert found[-1].place == "d.json:3"
    assert "could not be read" in found[-1].error.detail


@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff"])
def test_an_empty_file_is_one_reject(tmp_path: Path, text: str) -> None:
    assert [r.error.reason for r in read_rows(_write(tmp_path, text)) if r.error] == ["empty-file"]


def test_an_empty_array_has_no_rows(tmp_path: Path) -> None:
    assert list(read_rows(_write(tmp_path, " [ ]\n"))) == []


def test_deep_nesting_and_huge_numbers_are_bad_json(tmp_path: Path) -> None:
    lines = ['{"a":' + "[" * 200_000, '{"a":' + "9" * 10_000 + "}", '{"a": 1}']
    found = list(read_rows(_write(tmp_path, "\n".join(lines), "d.jsonl")))
    assert [r.error.reason if r.error else None for r in found] == ["bad-json", "bad-json", None]


@given(records=st.lists(_JSON, max_size=6), chunk=st.integers(1, 40), indent=st.sampled_from([None, 0, 2]))
def test_arrays_come_back_whatever_the_chunks(
    tmp_path_factory: pytest.TempPathFactory, records: list[dict[str, object]], chunk: int, indent: int | None
) -> None:
    path = _write(tmp_path_factory.mktemp("r"), json.dumps(records, ensure_ascii=False, indent=indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_CHUNK", max(chunk, 8))
        found = list(read_rows(path))
    assert [r.data for r in found] == records
    assert all(r.error is None for r in found)
