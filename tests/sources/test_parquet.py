"""Parquet tables that somebody else may have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export_run import picture, video
from polysee.schema.errors import UserError
from polysee.schema.sample import Turn
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.parquet import Parquet, ParquetParams

ROW: dict[str, Any] = {
    "id": "x",
    "task": "vqa",
    "language": "zh-Hant",
    "split": "train",
    "images": [{"bytes": picture(1), "path": "/etc/passwd"}],
    "videos": [],
    "turns": [{"input": "這是什麼？", "output": "猫"}],
    "media": [{"kind": "image", "box": None, "span": None}],
    "note": "further columns are nobody's business",
}


def _read(path: Path, *rows: dict[str, Any], schema: pa.Schema | None = None) -> list[SourceRecord | Reject]:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path / "a.parquet")
    source = Parquet(ParquetParams(path=str(path)))
    return list(source.read("a.parquet"))


def test_a_row(tmp_path: Path) -> None:
    (record,) = _read(tmp_path, ROW)
    assert isinstance(record, SourceRecord), record
    assert (record.key, record.language, record.turns) == ("x", "zh-Hant", (Turn("這是什麼？", "猫"),))
    assert [blob.data for blob in record.media] == [picture(1)]


def test_order_of_pictures_and_videos(tmp_path: Path) -> None:
    media = [{"kind": kind, "box": None, "span": None} for kind in ("page", "video", "image")]
    files = [{"bytes": picture(n), "path": ""} for n in (1, 2)]
    (record,) = _read(tmp_path, {**ROW, "media": media, "images": files, "videos": [{"bytes": video(), "path": ""}]})
    assert isinstance(record, SourceRecord)
    assert [blob.data for blob in record.media] == [picture(1), video(), picture(2)]
    assert [blob.kind for blob in record.media] == ["page", "video", "image"]


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("bad-field", {"turns": []}),
        ("bad-field", {"task": ""}),
        ("bad-field", {"language": None}),
        ("bad-field", {"media": [{"kind": "sound", "box": None, "span": None}]}),
        ("bad-field", {"media": [{"kind": "image", "box": [1.0], "span": None}]}),
        ("unknown-language", {"language": "xx-klingon"}),
        ("missing-image", {"images": []}),
        ("missing-image", {"images": [{"bytes": None, "path": "/etc/passwd"}]}),
        ("unused-image", {"media": []}),
        ("zero-byte-file", {"images": [{"bytes": b"", "path": "a"}]}),
        ("duplicate-id", {"id": "good"}),
    ],
)
def test_a_bad_row_is_rejected_and_reading_goes_on(reason: str, changes: dict[str, Any], tmp_path: Path) -> None:
    found = _read(tmp_path, {**ROW, "id": "good"}, {**ROW, **changes}, {**ROW, "id": "after"})
    assert [record.key for record in found if isinstance(record, SourceRecord)] == ["good", "after"]
    (reject,) = [record for record in found if isinstance(record, Reject)]
    assert reject.reason == reason
    assert reject.detail.startswith("a.parquet:2: ")


def test_other_tables(tmp_path: Path) -> None:
    pq.write_table(pa.table({"question": ["?"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="no column 'id'"):
        list(Parquet(ParquetParams(path=str(tmp_path))).read("a.parquet"))
    whole = (tmp_path / "a.parquet").read_bytes()
    for data in (b"", b"PAR1", whole[:-20], b"x" * 100):
        (tmp_path / "a.parquet").write_bytes(data)
        with pytest.raises(UserError, match="cannot be read"):
            list(Parquet(ParquetParams(path=str(tmp_path))).read("a.parquet"))
    with pytest.raises(UserError, match="no Parquet file"):
        Parquet(ParquetParams(path=str(tmp_path / "nowhere")))
