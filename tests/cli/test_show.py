"""`show`: samples, their media and origins, in any script."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_samples_with_media_origins_and_fate(workdir: Path, command: Command) -> None:
    done = command("show", workdir / "scenes", "--language", "ar", "--split", "scenes", "--limit", 3)
    assert done.returncode == 0
    samples = done.stdout.split("\n\n")
    assert len(samples) == 4
    assert samples[-1] == "3 of 10 samples\n"
    for text in samples[:-1]:
        assert re.match(r"[0-9a-f]{32}  \u2068\w+\u2069  ar  scenes  kept\n", text)
        assert re.search(r"^  image +64 x 64 px, [\d.]+ kB, sha256 [0-9a-f]{12}$", text, re.MULTILINE)
        assert re.search(r"^  ask +\u2068[\u0600-\u06ff].*\u2069$", text, re.MULTILINE)
        assert re.search(r"^  from +\u2068world\u2069 \u2068scenes/.*, licence \u2068OFL.*, step ", text, re.MULTILINE)
        assert text.count("\u2068") == text.count("\u2069")


def test_dropped_samples_name_what_dropped_them(workdir: Path, command: Command) -> None:
    done = command("show", workdir / "scenes", "--language", "hi", "--limit", 2)
    assert done.stdout.count("dropped by arabic") == 2


def test_task_and_limit(workdir: Path, command: Command) -> None:
    done = command("show", workdir / "scenes", "--task", "counting", "--split", "train", "--limit", 100)
    assert done.stdout.count("\u2068counting\u2069") == 12
    assert done.stdout.endswith("12 of 12 samples\n")


@pytest.mark.parametrize(
    ("words", "asked", "known"),
    [
        (["--language", "no"], "language no", "language: ar, en, hi"),
        (["--task", "x' OR 'a'='a"], "task x' OR 'a'='a", "task: colour, counting, matching, naming, position"),
        (
            ["--split", "train", "--language", "sw"],
            "split train, language sw",
            "split: scenes, train; language: ar, en, hi",
        ),
    ],
)
def test_nothing_found_says_what_there_is(
    words: list[str], asked: str, known: str, workdir: Path, command: Command
) -> None:
    done = command("show", workdir / "scenes", *words)
    message = f"error: {workdir / 'scenes'}: no sample has {asked}\nhint: the run has {known}\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_pictures_are_saved_as_they_are(workdir: Path, tmp_path: Path, command: Command) -> None:
    words = ("show", workdir / "scenes", "--language", "ar", "--limit", 2, "--save", tmp_path / "pictures")
    done = command(*words)
    assert done.returncode == 0
    names = re.findall(r"sha256 ([0-9a-f]{12})$", done.stdout, re.MULTILINE)
    saved = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in saved] == sorted(f"{name}.png" for name in set(names))
    assert all(hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem) for path in saved)
