"""LLaVA conversations: good ones in six languages, and every way in which one can be bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from polysee.schema.errors import UserError
from polysee.schema.sample import Turn
from polysee.sources import get
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.llava import Llava, LlavaParams

Write = Callable[..., Path]


def _say(*said: str) -> list[dict[str, str]]:
    return [{"from": "gpt" if n % 2 else "human", "value": text} for n, text in enumerate(said)]


def _read(path: Path, images: Path, **more: Any) -> list[SourceRecord | Reject]:
    source = Llava(LlavaParams(path=str(path), images=str(images), **{"language": "en", **more}))
    return [record for shard in source.shards() for record in source.read(shard)]


def _record(path: Path, images: Path, **more: Any) -> SourceRecord:
    (record,) = _read(path, images, **more)
    assert isinstance(record, SourceRecord), record
    return record


def test_the_registry_knows_it() -> None:
    assert get("llava") is Llava


@pytest.mark.parametrize(
    ("language", "question", "answer"),
    [
        ("ar", "ما هذا؟", "قطة سوداء."),
        ("zh", "这是什么？", "一只猫。"),
        ("th", "นี่คืออะไร", "แมว"),
        ("hi", "यह क्या है?", "हिन्दी में बिल्ली।"),
        ("ja", "これは何ですか。", "がきではなく猫です。"),
        ("am", "ይህ ምንድን ነው?", "ድመት።"),
    ],
)
def test_a_public_record(write_lines: Write, images: Path, language: str, question: str, answer: str) -> None:
    data = {"id": "7", "image": "猫/ب.png", "conversations": _say(f"<image>\n{question}", answer, "?", "!")}
    path = write_lines(json.dumps([data], ensure_ascii=False, indent=1), name="d.json")
    record = _record(path, images, language=language, licence="CC-BY-4.0")
    assert record.turns == (Turn(question, answer), Turn("?", "!"))
    assert record.media[0].data == (images / "猫" / "ب.png").read_bytes()
    assert (record.key, record.language, record.task, record.split) == ("7", language, "dialogue", "train")


def test_text_without_image_and_a_system_message(write_lines: Write, images: Path) -> None:
    said = [{"from": "system", "value": "Be brief."}, *_say("Hi", "Hello")]
    record = _record(write_lines({"id": 3, "conversations": said}), images)
    assert (record.key, record.instruction, record.media) == ("3", "Be brief.", ())


def test_marks_inside_text_stay(write_lines: Write, images: Path) -> None:
    data = {"id": "1", "image": ["a.png", "猫/ب.png"], "conversations": _say("<image> or <image>?", "one")}
    record = _record(write_lines(data), images)
    assert record.turns[0].input == "<image> or <image>?"
    assert len(record.media) == 2


def test_languages_of_records(write_lines: Write, images: Path) -> None:
    records = [{"id": str(n), "lang": tag, "conversations": _say("a", "b")} for n, tag in
               enumerate(["ar", "pt_br", "zho_Hans", None, "xx", 5])]  # fmt: skip
    found = _read(write_lines(*records), images, language_field="lang")
    assert [r.reason if isinstance(r, Reject) else r.language for r in found] == [
        "ar", "pt-BR", "zh", "en", "unknown-language", "wrong-type"
    ]  # fmt: skip
    found = _read(write_lines(records[3]), images, language=None, language_field="lang")
    assert [r.reason for r in found if isinstance(r, Reject)] == ["no-language"]


GOOD = {"id": "good", "image": "a.png", "conversations": _say("<image>\nWhat?", "A cat.")}


def _but(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**GOOD, "id": "bad", **changes}.items() if value is not ...}


BAD: list[tuple[str, Any]] = [
    ("bad-json", '{"id": "bad", "conversations": ['),
    ("invalid-utf8", b'{"id": "\xff\xfe"}'),
    ("not-an-object", [1, 2]),
    ("missing-field", _but(conversations=...)),
    ("wrong-type", _but(conversations="hello")),
    ("wrong-type", _but(conversations=["hello"])),
    ("empty-field", _but(conversations=[])),
    ("missing-field", _but(conversations=[{"from": "human"}, {"from": "gpt", "value": "x"}])),
    ("wrong-type", _but(conversations=[{"from": "human", "value": 5}, {"from": "gpt", "value": "x"}])),
    ("odd-turns", _but(conversations=_say("<image>\nWhat?"))),
    ("odd-turns", _but(conversations=_say("<image>\nWhat?", "A cat.", "And?"))),
    ("turn-order", _but(conversations=_say("a", "b")[::-1])),
    ("unknown-role", _but(conversations=[{"from": "robot", "value": "a"}, {"from": "gpt", "value": "x"}])),
    ("empty-answer", _but(conversations=_say("<image>\nWhat?", " \n"))),
    ("empty-question", _but(image=..., conversations=_say("", "A cat."))),
    ("empty-question", _but(conversations=_say("<image>", "A cat.", " ", "A dog."))),
    ("missing-image", _but(image=...)),
    ("missing-image", _but(image="nowhere.png")),
    ("missing-image", _but(image="a.png/b.png")),
    ("missing-image", _but(conversations=_say("<image> <image>", "x"))),
    ("unused-image", _but(image=["a.png", "a.png"])),
    ("image-mark-in-answer", _but(conversations=_say("What?", "<image>"))),
    ("path-escape", _but(image="../secret.png")),
    ("path-escape", _but(image="/etc/passwd")),
    ("path-escape", _but(image="link.png")),
    ("remote-image", _but(image="https://example.org/a.png")),
    ("bad-path", _but(image="a\0.png")),
    ("empty-field", _but(image="")),
    ("wrong-type", _but(image=5)),
    ("wrong-type", _but(image={"path": "a.png"})),
    ("unreadable-image", _but(image="猫")),
    ("zero-byte-file", _but(image="zero.png")),
    ("image-and-video", _but(video="a.mp4")),
    ("missing-video", _but(image=..., video="a.mp4")),
    ("path-escape", _but(image=..., video="../secret.mp4")),
    ("duplicate-id", {**GOOD, "conversations": _say("<image>\nOther?", "Yes.")}),
    ("bad-id", _but(id=2433684022797123456.0)),
    ("bad-id", _but(id=["x"])),
    ("bad-id", _but(id="")),
    ("invalid-unicode", r'{"id": "bad", "conversations": [{"from": "human", "value": "\ud800"}, {"from": "gpt"}]}'),
]


@pytest.mark.parametrize(("reason", "bad"), BAD)
def test_a_bad_record_is_rejected_and_reading_goes_on(write_lines: Write, images: Path, reason: str, bad: Any) -> None:
    (images / "link.png").symlink_to(images.parent / "secret.png")
    found = _read(write_lines(GOOD, bad, {**GOOD, "id": "after"}), images)
    assert [r.key for r in found if isinstance(r, SourceRecord)] == ["good", "after"]
    (reject,) = [r for r in found if isinstance(r, Reject)]
    assert reject.reason == reason
    assert reject.detail.startswith("data.jsonl:2")


def test_repeated_ids_can_be_numbered(write_lines: Write, images: Path) -> None:
    found = _read(write_lines(GOOD, GOOD, GOOD), images, duplicate_ids="number")
    assert [r.key for r in found] == ["good", "good#2", "good#3"]


def test_records_without_ids_are_numbered(write_lines: Write, images: Path) -> None:
    path = write_lines(json.dumps([_but(id=...), {"x": 1}, _but(id=...)]), name="d.json")
    found = _read(path, images)
    assert [r.key for r in found] == ["record-1", "record-2", "record-3"]
    assert [isinstance(r, Reject) for r in found] == [False, True, False]


def test_a_folder_has_a_shard_for_each_file(write_lines: Write, images: Path, tmp_path: Path) -> None:
    write_lines(GOOD, name="b.jsonl")
    write_lines(GOOD, name="a.json")
    source = Llava(LlavaParams(path=str(tmp_path), images=str(images), language="en"))
    assert source.shards() == ["a.json", "b.jsonl"]
    assert [r.key for s in source.shards() for r in source.read(s)] == ["a.json/good", "b.jsonl/good"]


def test_the_fingerprint_follows_contents_alone(write_lines: Write, images: Path, tmp_path: Path) -> None:
    path = write_lines(GOOD, _but(image="../secret.png"), b"\xff")

    def fingerprint() -> list[str]:
        return list(Llava(LlavaParams(path=str(path), images=str(images), language="en")).fingerprint_inputs())

    first = fingerprint()
    (images / "a.png").touch()
    (images / "unused.png").write_bytes(b"x")
    assert fingerprint() == first
    (images / "a.png").write_bytes((images / "猫" / "ب.png").read_bytes())
    changed = fingerprint()
    assert changed != first
    path.write_bytes(path.read_bytes() + b"\n")
    assert fingerprint() != changed


def test_wrong_parameters(write_lines: Write, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        Llava(LlavaParams(path=str(tmp_path / "none.json"), language="en"))
    with pytest.raises(UserError, match=r"no \.json or \.jsonl"):
        Llava(LlavaParams(path=str(images), language="en"))
    with pytest.raises(UserError, match="no such image folder"):
        Llava(LlavaParams(path=str(write_lines(GOOD)), images=str(tmp_path / "none"), language="en"))
    with pytest.raises(ValidationError, match="did you mean 'pt-BR'"):
        LlavaParams(path="x", language="pt_br")
    with pytest.raises(ValidationError, match="language_field"):
        LlavaParams(path="x")


def test_a_video_and_fields_of_a_record(write_lines: Write, images: Path) -> None:
    (images / "clip.mp4").write_bytes(b"clip")
    data = _but(
        image=..., video="clip.mp4", conversations=_say("<image>\nأجب\nما هذا؟", "قطة"), ask="أجب ", part="scenes"
    )
    fields = {"instruction_field": "ask", "split_field": "part", "task_field": "nowhere", "licence_field": "licence"}
    source = Llava(LlavaParams(path=str(write_lines(data)), images=str(images), language="ar", task="qa", **fields))
    (record,) = source.read(*source.shards())
    assert isinstance(record, SourceRecord), record
    assert (record.instruction, record.turns) == ("أجب", (Turn("ما هذا؟", "قطة"),))
    assert (record.split, record.task, record.licence) == ("scenes", "qa", "")
    assert [(blob.kind, blob.data) for blob in record.media] == [("video", b"clip")]
    before = source.fingerprint_inputs()
    (images / "clip.mp4").write_bytes(b"other")
    assert source.fingerprint_inputs() != before


def test_an_instruction_that_is_not_there(write_lines: Write, images: Path) -> None:
    path = write_lines(_but(ask="Other"))
    source = Llava(LlavaParams(path=str(path), images=str(images), language="en", instruction_field="ask"))
    (record,) = source.read(*source.shards())
    assert isinstance(record, Reject)
    assert record.reason == "other-instruction"
