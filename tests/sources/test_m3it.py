"""M3IT's five fields."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polysee.schema.sample import Turn
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.m3it import M3it, M3itParams

Write = Callable[..., Path]
PIXELS = b"\x89PNG pixels"
BASE64 = base64.b64encode(PIXELS).decode()
GOOD = {
    "instruction": "看图回答问题。",
    "inputs": "这是什么动物？",
    "outputs": "一只猫。",
    "image_base64_str": [BASE64],
    "meta": {"img_id": "1"},
}


def _one(path: Path, **more: Any) -> SourceRecord | Reject:
    source = M3it(M3itParams(path=str(path), **{"language": "zh", **more}))
    (record,) = source.read(*source.shards())
    return record


@pytest.mark.parametrize("image", [[BASE64], BASE64, f"data:image/png;base64,{BASE64}", BASE64[:8] + "\n" + BASE64[8:]])
def test_a_public_record(write_lines: Write, image: object) -> None:
    record = _one(write_lines({**GOOD, "image_base64_str": image}), task="vqa", licence="other")
    assert isinstance(record, SourceRecord), record
    assert record.instruction == "看图回答问题。"
    assert record.turns == (Turn("这是什么动物？", "一只猫。"),)
    assert [blob.data for blob in record.media] == [PIXELS]


def test_frames_and_absent_inputs_and_instruction(write_lines: Write) -> None:
    data = {"outputs": "一只猫。", "inputs": "", "image_base64_str": [BASE64, BASE64], "meta": "{}"}
    record = _one(write_lines(data))
    assert isinstance(record, SourceRecord)
    assert (record.instruction, record.turns, len(record.media)) == ("", (Turn("", "一只猫。"),), 2)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("missing-field", {"outputs": None}),
        ("empty-field", {"outputs": "  "}),
        ("wrong-type", {"outputs": ["猫"]}),
        ("wrong-type", {"inputs": 3}),
        ("wrong-type", {"instruction": {"a": 1}}),
        ("wrong-type", {"meta": 7}),
        ("missing-image", {"image_base64_str": None}),
        ("missing-image", {"image_base64_str": []}),
        ("missing-image", {"image_base64_str": [None]}),
        ("wrong-type", {"image_base64_str": [12]}),
        ("bad-base64", {"image_base64_str": "!!!!"}),
        ("bad-base64", {"image_base64_str": BASE64[:-3]}),
        ("zero-byte-file", {"image_base64_str": ""}),
    ],
)
def test_bad_records(write_lines: Write, reason: str, changes: dict[str, Any]) -> None:
    record = _one(write_lines({**GOOD, **changes}))
    assert isinstance(record, Reject)
    assert record.reason == reason


def test_the_fingerprint_is_that_of_the_file(write_lines: Write) -> None:
    path = write_lines(GOOD)
    before = M3it(M3itParams(path=str(path), language="zh")).fingerprint_inputs()
    assert before == M3it(M3itParams(path=str(path), language="zh")).fingerprint_inputs()
    path.write_bytes(path.read_bytes().replace("猫".encode(), "狗".encode()))
    assert before != M3it(M3itParams(path=str(path), language="zh")).fingerprint_inputs()
