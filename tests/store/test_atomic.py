"""Files are whole or the old ones; full disks and unwritable folders are told to people."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polysee.schema import UserError
from polysee.store import atomic
from polysee.store.atomic import (
    full_disk_errors,
    make_folder,
    replacing,
    sweep,
    to_json,
    user_errors,
    write_bytes,
    write_json,
    write_text,
)


def test_write_and_replace(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"ب": [1, "นก"], "a": None})
    assert path.read_text(encoding="utf-8") == '{\n  "a": null,\n  "ب": [\n    1,\n    "นก"\n  ]\n}\n'
    write_text(path, "鳥")
    assert path.read_bytes() == "鳥".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_equal_values_give_equal_text() -> None:
    assert to_json({"b": 1, "a": {"d": 2, "c": 3}}) == to_json({"a": {"c": 3, "d": 2}, "b": 1})
    with pytest.raises(ValueError, match="JSON"):
        to_json(float("nan"))


def _write_half(path: Path) -> None:
    path.write_bytes(b"half")
    raise ZeroDivisionError


def test_failure_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        _write_half(temporary)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(UserError, match="the disk is full"):
        write_bytes(tmp_path / "a", b"x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "the disk is full"),
        (OSError("LanceError(IO): No space left on device (os error 28), rust/x.rs"), "the disk is full"),
        (ValueError("Permission denied (os error 13), rust/x.rs"), r"cannot write here \(permission denied"),
        (PermissionError(errno.EACCES, "Permission denied"), r"cannot write here \(permission denied\)"),
        (OSError(errno.EROFS, "Read-only file system"), r"cannot write here \(read-only file system\)"),
    ],
)
def test_errors_of_the_system_become_errors_for_people(error: Exception, message: str) -> None:
    with pytest.raises(UserError, match=message), user_errors("/data/run"):
        raise error


class _Library(Exception):
    """As safetensors and tokenizers have: no `OSError`."""


@pytest.mark.parametrize(
    "error", [_Library("I/O error: No space left on device (os error 28)"), OSError(errno.ENOSPC, "whatever")]
)
def test_full_disk_in_the_words_of_any_library(error: Exception) -> None:
    with pytest.raises(UserError, match="/data/run: the disk is full"), full_disk_errors("/data/run"):
        raise error


def test_full_disk_only() -> None:
    with pytest.raises(PermissionError), full_disk_errors("/data/run"):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="something else"), user_errors("/data/run"):
        raise ValueError("something else")


def test_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="cannot write here"):
        make_folder(tmp_path / "run" / "steps")
    with pytest.raises(UserError, match="cannot write here"):
        make_folder(tmp_path / "run")


def test_sweep_takes_only_leftovers(tmp_path: Path) -> None:
    for name in (".a.json.tmp-12", "a.json", ".hidden", "b.tmp-3"):
        (tmp_path / name).write_text("")
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "a.json", "b.tmp-3"]
    sweep(tmp_path / "nowhere")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_run_on_a_disk_that_is_really_full(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from polysee.engines.data_steps import SourceStep
    from polysee.engines.local import run_steps
    from polysee.store.run import RunStore

    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "fakes"))
    step = SourceStep("demo", "fake", {"shards": 20, "per_shard": 40})
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * 150_000)
    with RunStore(small_disk / "run") as store, pytest.raises(UserError, match="the disk is full"):
        run_steps((step,), store, workers=0)
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    with RunStore(small_disk / "run") as store:
        run_steps((step,), store, workers=0)
        assert store.count() == 800
