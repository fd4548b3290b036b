"""ShareGPT as LLaMA-Factory, ms-swift and TRL write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polysee.schema.sample import Turn
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.sharegpt import ShareGpt, ShareGptParams

Write = Callable[..., Path]


def _one(path: Path, images: Path) -> SourceRecord | Reject:
    source = ShareGpt(ShareGptParams(path=str(path), images=str(images), language="ja"))
    (record,) = source.read(*source.shards())
    return record


def _messages(question: Any, answer: Any = "猫です。") -> list[dict[str, Any]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize(
    "data",
    [
        {"messages": _messages("<image>これは何？"), "images": ["a.png"]},
        {"messages": _messages("<image>\nこれは何？"), "images": "a.png"},
        {"messages": _messages("<image>これは何？"), "images": [{"path": "a.png", "bytes": None}]},
        {"messages": _messages([{"type": "image"}, {"type": "text", "text": "これは何？"}]), "images": ["a.png"]},
        {"messages": _messages([{"type": "image", "image": "a.png"}, {"type": "text", "text": "これは何？"}])},
        {"conversations": [{"from": "human", "value": "<image>これは何？"}, {"from": "gpt", "value": "猫です。"}],
         "image": "a.png"},
    ],
)  # fmt: skip
def test_the_forms_in_use(write_lines: Write, images: Path, data: dict[str, Any]) -> None:
    record = _one(write_lines(data), images)
    assert isinstance(record, SourceRecord), record
    assert record.turns == (Turn("これは何？", "猫です。"),)
    assert [blob.place for blob in record.media] == ["a.png"]
    assert record.key == "record-1"


def test_system_text_becomes_the_instruction(write_lines: Write, images: Path) -> None:
    said = [{"role": "system", "content": "短く。"}, *_messages("何？")]
    record = _one(write_lines({"messages": said, "system": "丁寧に。"}), images)
    assert isinstance(record, SourceRecord)
    assert record.instruction == "丁寧に。\n短く。"


@pytest.mark.parametrize(
    ("reason", "data"),
    [
        ("missing-field", {"text": "x"}),
        ("wrong-type", {"messages": {"role": "user"}}),
        ("unknown-role", {"messages": [{"role": "tool", "content": "x"}, {"role": "assistant", "content": "y"}]}),
        ("odd-turns", {"messages": _messages("何？")[:1]}),
        ("wrong-type", {"messages": _messages([{"type": "audio", "audio": "a.wav"}])}),
        ("missing-field", {"messages": _messages([{"type": "text"}])}),
        ("wrong-type", {"messages": _messages("何？"), "images": [3]}),
        ("missing-image", {"messages": _messages("<image>何？"), "images": []}),
        ("empty-answer", {"messages": _messages("何？", "")}),
        ("path-escape", {"messages": _messages("<image>何？"), "images": ["../secret.png"]}),
        ("missing-video", {"messages": _messages("<video>何？"), "videos": ["a.mp4"]}),
        ("missing-image", {"messages": _messages("<video><video>何？"), "videos": ["a.png"]}),
        ("unsupported-audio", {"messages": _messages("何？"), "audios": ["a.wav"]}),
    ],
)
def test_bad_records(write_lines: Write, images: Path, reason: str, data: dict[str, Any]) -> None:
    record = _one(write_lines(data), images)
    assert isinstance(record, Reject)
    assert record.reason == reason
    assert record.detail.startswith("data.jsonl:1")


def test_videos_stand_where_their_marks_do(write_lines: Write, images: Path) -> None:
    (images / "clip.mp4").write_bytes(b"clip")
    said = _messages("<video>と<image>を比べて。")
    record = _one(write_lines({"messages": said, "images": ["a.png"], "videos": ["clip.mp4"]}), images)
    assert isinstance(record, SourceRecord), record
    assert [(blob.kind, blob.data[:4]) for blob in record.media] == [("video", b"clip"), ("image", b"\x89PNG")]
    assert record.turns[0].input == "<image>と<image>を比べて。"
