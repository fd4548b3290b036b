"""`show --instructions`: how many instructions a run's samples have, and how much they differ."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_a_line_a_language(workdir: Path, command: Command) -> None:
    done = command("show", workdir / "scenes", "--instructions")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.split()[:4] == ["language", "samples", "without", "instructions"]
    assert [line.split()[0] for line in lines] == ["ar", "en", "hi"]
    for line in lines:
        _, samples, without, instructions, *spreads = line.split()
        assert 0 < int(instructions) <= int(samples.replace(",", ""))
        assert without == "0"
        assert spreads.count("±") == 3


def test_a_choice_of_samples(workdir: Path, command: Command) -> None:
    done = command("show", workdir / "scenes", "--instructions", "--language", "ar", "--task", "counting")
    (_, line) = done.stdout.splitlines()
    assert line.split()[0] == "ar"
    assert int(line.split()[3]) <= 10
    assert line.rstrip().endswith("–")  # one task has nothing across tasks
