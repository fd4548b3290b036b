"""Parquet as the ``datasets`` library and the Hub's viewer take it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export_run import make_run, picture, ref, sample, shapes
from polysee.sources.readback import open_export
from polysee.store.exports.parquet import ROWS_PER_GROUP
from polysee.store.exports.selection import Wanted
from polysee.store.exports.write import Request, export
from polysee.store.run import RunStore


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures only: decoding a video needs torchcodec."""
    base = tmp_path_factory.mktemp("parquet")
    run = make_run(base / "run", *shapes())
    wanted = Wanted(languages=("zh-Hant", "ar", "hi", "en", "th", "ja", "nb"))
    export(RunStore.open_read_only(run), Request("parquet", base / "out", wanted), open_export)
    return base / "out"


@pytest.mark.filterwarnings("ignore")
def test_datasets_loads_folder_and_decodes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    made, _ = shapes()
    assert set(loaded) >= {"train", "scenes"}
    assert sum(map(len, loaded.values())) == 7
    rows = {row["language"]: row for split in loaded.values() for row in split}
    chinese, english = rows["zh-Hant"], rows["en"]
    assert [image.size for image in english["images"]] == [(9, 6), (10, 6)]
    assert chinese["images"][0].convert("RGB").getpixel((0, 0)) == (1, 40, 90)
    assert chinese["turns"] == [{"input": "這是什麼？", "output": "猫"}]
    assert chinese["options"] == ["猫", "狗"]
    assert rows["nb"]["images"] == []
    assert rows["ja"]["media"][0]["box"] == [1.0, 0.5, 4.25, 5.0]
    assert {row["quality"] for row in rows.values()} == {0.5, 0.75}
    assert rows["ar"]["origins"][1]["key"] == "٧"
    assert made[0].id == chinese["id"]


@pytest.mark.filterwarnings("ignore")
def test_datasets_loads_files_by_pattern(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pattern = str(folder / "data" / "train-*.parquet")
    loaded = datasets.load_dataset("parquet", data_files=pattern, split="train", cache_dir=str(tmp_path))
    assert isinstance(loaded.features["images"].feature, datasets.Image)
    assert [image.format for row in loaded for image in row["images"]] == ["PNG", "JPEG", "PNG", "JPEG", "JPEG"]


def test_row_groups_are_small_and_shared_pictures_are_stored_once(tmp_path: Path) -> None:
    blobs = [picture(n, "BMP") + bytes(40_000) for n in range(2)]
    samples = [sample("sw", (f"Nini {n}?", "paka"), media=(ref(blobs[n % 2]),)) for n in range(250)]
    run = make_run(tmp_path / "run", samples, blobs)
    export(RunStore.open_read_only(run), Request("parquet", tmp_path / "out"), open_export)
    (path,) = (tmp_path / "out" / "data").iterdir()
    assert path.name == "train-00000-of-00001.parquet"
    found = pq.ParquetFile(path).metadata
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [ROWS_PER_GROUP, ROWS_PER_GROUP, 50]
    assert path.stat().st_size < 3 * 2 * 41_000 + 60_000


def test_no_extension_types(folder: Path) -> None:
    for path in (folder / "data").iterdir():
        for field in pq.read_schema(path):
            assert not isinstance(field.type, pa.ExtensionType)
