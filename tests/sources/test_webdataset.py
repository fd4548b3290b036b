"""WebDataset shards that somebody else may have changed: nothing is extracted, and damage is seen."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export_run import picture
from polysee.schema.errors import UserError
from polysee.schema.sample import Origin, Turn
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.webdataset import WebDataset, WebDatasetParams

RECORD: dict[str, Any] = {
    "id": "a" * 32,
    "task": "vqa",
    "language": "ar",
    "split": "train",
    "instruction": "أجب",
    "turns": [{"input": " ما هذا؟", "output": "قطة\n"}],
    "options": [],
    "tags": ["concept:🐈"],
    "origins": [{"source": "s", "key": "k", "licence": "CC0-1.0"}],
    "media": [{"kind": "image", "box": [0, 1.5, 2, 3], "span": None, "file": "png"}],
}


def _tar(path: Path, members: Sequence[tuple[str, bytes | tarfile.TarInfo]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            if isinstance(data, tarfile.TarInfo):
                data.name = name
                tar.addfile(data)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def _json(**changes: Any) -> bytes:
    return json.dumps({**RECORD, **changes}, ensure_ascii=False).encode()


def _good(key: str = "b") -> list[tuple[str, bytes | tarfile.TarInfo]]:
    return [(f"{key}.json", _json(id=key)), (f"{key}.png", picture(1))]


def _read(path: Path) -> list[SourceRecord | Reject]:
    source = WebDataset(WebDatasetParams(path=str(path)))
    return [record for shard in source.shards() for record in source.read(shard)]


def test_all_fields(tmp_path: Path) -> None:
    (record,) = _read(_tar(tmp_path / "a.tar", _good("x")))
    assert isinstance(record, SourceRecord)
    assert (record.key, record.language, record.licence) == ("x", "ar", "CC0-1.0")
    assert record.turns == (Turn(" ما هذا؟", "قطة\n"),)
    assert record.origins == (Origin("s", "k", "CC0-1.0"),)
    (blob,) = record.media
    assert (blob.data, blob.box) == (picture(1), (0.0, 1.5, 2.0, 3.0))


def _link(kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    ("reason", "members"),
    [
        ("missing-field", [("x.png", picture(1))]),
        ("missing-image", [("x.json", _json())]),
        ("missing-image", [("x.json", _json()), ("x.jpg", picture(1))]),
        ("bad-json", [("x.json", b"{"), ("x.png", picture(1))]),
        ("invalid-utf8", [("x.json", b'{"id": "\xff"}')]),
        ("bad-field", [("x.json", b"[1]")]),
        ("bad-field", [("x.json", _json(turns=[]))]),
        ("bad-field", [("x.json", _json(turns=[{"input": 3, "output": ""}]))]),
        ("bad-field", [("x.json", _json(media=[{"kind": "sound", "file": "wav"}]))]),
        ("bad-field", [("x.json", _json(media=[{"kind": "image", "box": [1, 2], "file": "png"}]))]),
        ("bad-field", [("x.json", _json(media=[{"kind": "image", "box": [1, 2, 3, float("nan")]}]))]),
        ("bad-field", [("x.json", json.dumps({**RECORD, "task": "\ud800"}).encode())]),
        ("unknown-language", [("x.json", _json(language="klingon")), ("x.png", picture(1))]),
        ("bad-id", [("x.json", _json(id="")), ("x.png", picture(1))]),
        ("zero-byte-file", [("x.json", _json()), ("x.png", b"")]),
        ("not-a-file", [("x.json", _json()), ("x.png", _link(tarfile.SYMTYPE, "/etc/passwd"))]),
        ("not-a-file", [("x.json", _json()), ("x.png", _link(tarfile.LNKTYPE, "b.png"))]),
        ("not-a-file", [("x.json", _json()), ("x.png", _link(tarfile.FIFOTYPE, ""))]),
        ("duplicate-member", [("x.json", _json()), ("x.png", picture(1)), ("x.png", picture(2))]),
        ("duplicate-id", [("x.json", _json(id="b")), ("x.png", picture(1))]),
    ],
)
def test_a_bad_sample_is_rejected_and_reading_goes_on(reason: str, members: list[Any], tmp_path: Path) -> None:
    found = _read(_tar(tmp_path / "a.tar", [*_good(), *members, *_good("c")]))
    assert [record.key for record in found if isinstance(record, SourceRecord)] == ["b", "c"]
    (reject,) = [record for record in found if isinstance(record, Reject)]
    assert reject.reason == reason


def test_names_lead_nowhere_and_pickles_are_not_read(tmp_path: Path) -> None:
    bomb = b"cos\nsystem\n(S'touch bomb'\ntR."
    members = [("../../x.json", _json(id="x")), ("../../x.png", picture(1)), ("../../x.pkl", bomb), ("/y.pyd", bomb)]
    (record, other) = _read(_tar(tmp_path / "a.tar", members))
    assert isinstance(record, SourceRecord)
    assert isinstance(other, Reject)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("size", [100, 512, 700, 1024, 1536, 2048, 2560, 3072, 3584])
def test_a_shard_that_is_cut_short_says_so(size: int, tmp_path: Path) -> None:
    whole = _tar(tmp_path / "a.tar", [*_good("b"), *_good("c")]).read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:size])
    *good, last = _read(tmp_path / "a.tar")
    assert isinstance(last, Reject)
    assert last.reason == "corrupt-archive"
    assert [record.key for record in good if isinstance(record, SourceRecord)] == ["b"][: size // 3072]


def test_damage_in_the_middle_is_no_end(tmp_path: Path) -> None:
    whole = bytearray(_tar(tmp_path / "a.tar", [*_good("b"), *_good("c")]).read_bytes())
    at = whole.index(b"c.json")
    whole[at : at + 512] = bytes([7]) * 512
    (tmp_path / "a.tar").write_bytes(whole)
    found = _read(tmp_path / "a.tar")
    assert isinstance(found[-1], Reject)
    assert found[-1].reason == "corrupt-archive"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, 4000), byte=st.integers(0, 255), cut=st.integers(0, 5000))
def test_any_damage_gives_records_or_rejects(at: int, byte: int, cut: int, tmp_path: Path) -> None:
    data = bytearray(_tar(tmp_path / "a.tar", [*_good("b"), *_good("c")]).read_bytes())
    data[at] = byte
    (tmp_path / "a.tar").write_bytes(data[: max(1, len(data) - cut)])
    assert all(isinstance(record, SourceRecord | Reject) for record in _read(tmp_path / "a.tar"))


def test_no_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no tar file"):
        WebDataset(WebDatasetParams(path=str(tmp_path)))


def test_the_fingerprint_is_that_of_the_bytes(tmp_path: Path) -> None:
    source = WebDataset(WebDatasetParams(path=str(_tar(tmp_path / "a.tar", _good()))))
    before = source.fingerprint_inputs()
    _tar(tmp_path / "a.tar", _good("other"))
    assert source.fingerprint_inputs() != before
