"""What a worker's death, defect or refusal looks like from outside, and that finished units are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from polysee.engines.data_steps import SourceStep
from polysee.engines.local import run_steps
from polysee.engines.pool import WorkerFailed, WorkerPool
from polysee.schema import UserError
from polysee.store.run import RunStore


def run(path: Path, workers: int, **params: object) -> None:
    with RunStore(path) as store:
        run_steps((SourceStep("demo", "fake", {**params}),), store, workers=workers)  # type: ignore[dict-item]


def test_dead_worker_names_its_unit_and_the_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"died \(signal 9, SIGKILL\) while it worked on shard 's2' of demo"):
        run(tmp_path, 1, die_in="s2")
    journal = sorted(path.name for path in next((tmp_path / "journal/demo").iterdir()).glob("stage/*.json"))
    assert journal == ["000000.json", "000001.json"]


@pytest.mark.parametrize("workers", [0, 2])
def test_user_error_of_a_worker_reaches_the_user(tmp_path: Path, workers: int) -> None:
    with pytest.raises(UserError) as caught:
        run(tmp_path, workers, refuse_in="s1")
    assert (caught.value.cause, caught.value.fix, caught.value.place) == ("the archive is locked", "unlock it", "s1")


@pytest.mark.parametrize("workers", [0, 2])
def test_defect_of_a_worker_shows_its_traceback(tmp_path: Path, workers: int) -> None:
    with pytest.raises(WorkerFailed, match=r"(?s)shard 's1' of demo.*polysee_fakes.py.*a defect of the source"):
        run(tmp_path, workers, raise_in="s1")


def test_finished_units_are_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import polysee_fakes

    read: list[str] = []
    original = polysee_fakes.Fake._misbehave

    def note(self: polysee_fakes.Fake, shard: str) -> None:
        read.append(shard)
        if len(read) == 3:
            raise UserError("stop here", "go on")
        original(self, shard)

    monkeypatch.setattr("polysee_fakes.Fake._misbehave", note)
    with pytest.raises(UserError, match="stop here"):
        run(tmp_path, 0)
    run(tmp_path, 0)
    assert read == ["s0", "s1", "s2", "s2"]


@pytest.mark.parametrize("damage", ["journal", "rows", "media"])
def test_damaged_unit_is_done_again(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError):
        run(tmp_path / "a", 0, refuse_in="s2")
    scratch = next((tmp_path / "a/journal/demo").iterdir())
    if damage == "journal":
        (scratch / "stage/000000.json").write_text("{}")
    elif damage == "rows":
        (scratch / "000001.rows.arrow").unlink()
    else:
        for file in (tmp_path / "a/media.lance/data").iterdir():
            file.write_bytes(file.read_bytes()[:100])
    # The fingerprint holds `refuse_in`, so the source is made to work without changing it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("polysee_fakes.Fake._misbehave", lambda self, shard: None)
        run(tmp_path / "a", 0, refuse_in="s2")
        run(tmp_path / "b", 0, refuse_in="s2")
    assert ("is damaged" in capsys.readouterr().err) == (damage == "journal")
    first, second = RunStore.open_read_only(tmp_path / "a"), RunStore.open_read_only(tmp_path / "b")
    assert first.dataset_hash() == second.dataset_hash()
    assert len(first.media_table()) == len(second.media_table()) == 10


def test_closing_twice_is_harmless() -> None:
    pool = WorkerPool(2)
    pool.run([], lambda number, result: None)
    pool.close()
    pool.close()
