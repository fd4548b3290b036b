"""The run folder: one writer, readers beside it, and what it gives to them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.schema import UserError
from polysee.store.manifest import FunnelRow, Manifest
from polysee.store.media import MediaTable
from polysee.store.rowhash import hash_rows
from polysee.store.run import RunStore, kept_condition
from polysee.store.sealed import Damaged, read_sealed, write_sealed

HOLDER = """
import sys, time
from polysee.store.run import RunStore
store = RunStore(sys.argv[1])
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    from polysee.engines.data_steps import SelectStep, SourceStep
    from polysee.engines.local import run_steps

    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "fakes"))
    with RunStore(tmp_path / "run") as store:
        run_steps((SourceStep("demo", "fake"), SelectStep("arabic", "language = 'ar'")), store, workers=0)
    return RunStore.open_read_only(tmp_path / "run")


def test_second_process_is_told_who_has_the_run(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(UserError, match=rf"another polysee process \(pid {holder.pid}\)"):
            RunStore(tmp_path)
        RunStore.open_read_only(tmp_path)
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout is not None:
            holder.stdout.close()
    RunStore(tmp_path).close()


def test_lock_is_given_back(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    assert store.writable
    with pytest.raises(UserError, match=f"pid {os.getpid()}"):
        RunStore(tmp_path)
    store.close()
    store.close()
    RunStore(tmp_path).close()


def test_unwritable_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write here"):
        RunStore(tmp_path / "file" / "run")


def test_empty_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run folder"):
        RunStore.open_read_only(tmp_path)
    with RunStore(tmp_path) as store:
        assert store.funnel() == []
        assert store.rejects().num_rows == 0
        assert store.manifest("demo") is None
        with pytest.raises(UserError, match="no samples yet"):
            store.samples()


def test_samples_with_columns_and_conditions(made: RunStore) -> None:
    assert made.samples(columns=["language"]).column_names == ["language"]
    assert made.count("language = 'th'") == made.samples(where="language = 'th'").num_rows == 3
    assert made.count(made.kept()) == 4
    batches = list(made.sample_batches(["id"], batch_size=10))
    assert [batch.num_rows for batch in batches] == [10, 10, 4]
    assert pa.Table.from_batches(batches).equals(made.samples(["id"]).combine_chunks())
    with pytest.raises(UserError, match="the samples have the columns id, task"):
        made.samples(columns=["nothing"])
    with pytest.raises(UserError, match="the samples have the columns id, task"):
        made.count("nothing > 1")


def test_media_by_hash(made: RunStore) -> None:
    hashes = made.media_table()
    wanted = [row["media"][0]["sha256"] for row in made.samples(["media"]).to_pylist()]
    stored = made.media(wanted)
    assert len(stored) == len(hashes) == 10
    assert stored[wanted[5]] == made.read_media(wanted[5])
    assert wanted[0] in hashes
    assert "0" * 64 not in hashes
    with pytest.raises(KeyError, match="0000"):
        made.media([wanted[0], "0" * 64])
    assert made.media([]) == {}
    # Not with its open file: another process opens its own.
    again: MediaTable = pickle.loads(pickle.dumps(hashes))
    assert again.read(wanted[3]) == stored[wanted[3]]


def test_nothing_is_written_by_a_reader(made: RunStore) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.path.rglob("*")}
    made.samples()
    made.media_table()
    made.rejects()
    made.dataset_hash()
    assert {path: path.stat().st_mtime_ns for path in made.path.rglob("*")} == before


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.floats(allow_nan=False))))
def test_dataset_hash_ignores_order_and_storage(rows: list[tuple[str, float | None]]) -> None:
    schema = pa.schema([("a", pa.string()), ("b", pa.float64())])
    table = pa.Table.from_pylist([{"a": a, "b": b} for a, b in rows], schema=schema)
    other = pa.Table.from_pylist([{"a": a, "b": b} for a, b in reversed(rows)], schema=schema).select(["b", "a"])
    first = hash_rows(schema, table.to_batches())
    assert first == hash_rows(other.schema, other.to_batches(max_chunksize=2))
    more = pa.concat_tables([table, table.slice(0, 1)])
    assert (first == hash_rows(schema, more.to_batches())) == (not rows)
    assert first != hash_rows(pa.schema([*schema, pa.field("c", pa.null())]), [])


def test_funnel_row_that_leaks_is_refused() -> None:
    FunnelRow("s", "select", "ar", 5, 2, (("short", 1),), unknown=1, failed=1)
    with pytest.raises(ValueError, match="leaks: 5 in, 4 accounted"):
        FunnelRow("s", "select", "ar", 5, 2, (("short", 1),), unknown=1)


def test_manifest_survives_its_file(tmp_path: Path) -> None:
    with RunStore(tmp_path) as store:
        manifest = Manifest(
            index=7,
            name="train",
            verb="train",
            version=2,
            fingerprint="f" * 64,
            previous="",
            parameters={"languages": ["አማርኛ"], "rate": 1e-3},
            inputs=("a",),
            funnel=(FunnelRow("train", "train", "am", 3, 2, (("too-long", 1),)),),
            summary="done",
            polysee="0.1.0",
            outputs=("checkpoints/a",),
        )
        store.manifests.write(manifest)
        assert store.manifest("train") == manifest
        assert (tmp_path / "steps/07-train.json").is_file()


def test_sealed_file_notices_any_change(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_sealed(path, {"n": 1, "text": "மேகம்"})
    assert read_sealed(path) == {"n": 1, "text": "மேகம்"}
    path.write_text(path.read_text().replace('"n": 1', '"n": 2'))
    with pytest.raises(Damaged, match="checksum"):
        read_sealed(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Damaged):
        read_sealed(path)


def test_kept_condition() -> None:
    assert kept_condition([]) is None
    assert kept_condition(["keep_a", "keep_b"]) == "`keep_a` IS TRUE AND `keep_b` IS TRUE"
