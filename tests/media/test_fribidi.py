"""A FriBiDi that was unpacked without root is the one that Pillow uses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import polysee
from polysee.media.fribidi import LIBRARY, load_unpacked

PROGRAM = """
import polysee.media
from PIL import ImageFont, features
print(features.check("raqm"))
print(open("/proc/self/maps").read())
"""


def _system_copy() -> Path:
    found = [path for base in ("/usr/lib", "/lib", "/usr/lib64") for path in Path(base).glob(f"**/{LIBRARY}")]
    if not found:
        pytest.skip("no FriBiDi of the system to copy")
    return found[0]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pillow_uses_the_copy_in_the_cache(tmp_path: Path) -> None:
    folder = tmp_path / "polysee" / "debian" / "usr" / "lib" / "x-linux-gnu"
    folder.mkdir(parents=True)
    shutil.copy(_system_copy(), folder / LIBRARY)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(tmp_path),
            "PYTHONPATH": str(Path(polysee.__file__).parents[1]),
        },
    )
    assert done.stdout.startswith("True\n")
    loaded = {line.split()[-1] for line in done.stdout.splitlines() if "libfribidi" in line}
    assert loaded == {str(folder / LIBRARY)}


def test_a_library_of_another_machine_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "polysee" / "debian" / "usr" / "lib" / "other"
    folder.mkdir(parents=True)
    (folder / LIBRARY).write_bytes(b"\x7fELF of another kind")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert load_unpacked() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nowhere"))
    assert load_unpacked() is None
