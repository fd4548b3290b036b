"""The command line as a user meets it: speed, imports, exit codes, messages. Real processes throughout."""

from __future__ import annotations

import importlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import polysee
from polysee.cli.main import COMMANDS, cli
from polysee.cli.plan import _not_here
from polysee.recipe.plan import Estimate
from polysee.schema.errors import MissingData

SAMPLE = Path(__file__).parent.parent / "data" / "recipe.yaml"
HEAVY = ("torch", "lance", "transformers", "numba", "pyarrow", "pydantic", "ray", "PIL", "rich")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(polysee.__file__).parents[1])}


def polysee_command(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "polysee.cli.main", *words]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env={**ENVIRONMENT, **changes}, timeout=120
    )


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        done = polysee_command("--help")
        seconds.append(time.perf_counter() - start)
        assert done.returncode == 0
    # The best of five: other programs may be busy on this machine.
    assert min(seconds) <= 0.4


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from polysee.cli.main import _run; rc = _run(sys.argv[1:]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(rc)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stderr.strip()) == (0, "[]")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_its_help_line_and_examples(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help is not None
    assert command.help.split("\n")[0] == COMMANDS[name][1]
    assert re.search(rf"Examples:\n +polysee {name} ?", command.help)


@pytest.mark.parametrize(("name", "option"), [("show", "--save"), ("chat", "--about"), ("doctor", "--need")])
def test_examples_show_what_a_name_does_not_tell(name: str, option: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    examples = getattr(importlib.import_module(module), attribute).help.partition("Examples:")[2]
    assert f" {option} " in examples


def test_help_lists_every_command() -> None:
    text = polysee_command("--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)
    assert cli.list_commands(click.Context(cli)) == list(COMMANDS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shw"], "error: no command is called 'shw'\nhint: did you mean `polysee show`?\n"),
        (["show"], "error: missing argument 'RUN'\nhint: see `polysee show --help`\n"),
        (["show", "x", "--limit", "0"], "error: invalid value for '--limit': 0 is not in the range x>=1\n"
         "hint: see `polysee show --help`\n"),
        (["plan", "no-such.yaml"], "error: no-such.yaml: there is no such file\nhint: check the path of the recipe\n"),
        (["show", "no-such-run"], "error: no-such-run: this is not a run folder\n"
         "hint: name a folder that `polysee run` has made\n"),
        (["run", str(SAMPLE), "--set", "mix.temprature=2"],
         "error: --set mix.temprature: unknown key\nhint: did you mean `temperature`?\n"),
    ],
)  # fmt: skip
def test_mistakes_end_with_2_and_no_traceback(words: list[str], message: str) -> None:
    done = polysee_command(*words)
    assert (done.returncode, done.stderr, done.stdout) == (2, message, "")


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_file_that_is_not_there_is_told_with_its_place_in_the_recipe(verb: str, tmp_path: Path) -> None:
    path, gone = tmp_path / "r.yaml", tmp_path / "بيانات.json"
    path.write_text(
        f"name: x\nsources:\n  - name: talks\n    use: llava\n    params:\n      path: {gone}\n      language: ar\n",
        encoding="utf-8",
    )
    done = polysee_command(verb, str(path), "--workdir", str(tmp_path / "runs"))
    cause = f"{path}:6:13: sources.talks.params.path: {gone}: there is no such file or folder"
    assert (done.returncode, done.stderr.splitlines()[-2]) == (2, f"error: {cause}")
    other = f"{gone}2"
    change = f"sources.talks.params.path={other}"
    done = polysee_command(verb, str(path), "--workdir", str(tmp_path / "runs"), "--set", change)
    assert f"error: --set sources.talks.params.path: {other}: there is no such file" in done.stderr


@pytest.mark.parametrize(("names", "said"), [("a", "the files of 1 source are not"), ("ab", "of 2 sources are not")])
def test_sources_without_files_are_counted(names: str, said: str) -> None:
    gone = Estimate(missing=MissingData("there is no such file", "fetch it", place="x.json"))
    first, *others = _not_here(dict.fromkeys(names, gone))
    assert said in first
    assert others == [f"  {name}: x.json: there is no such file" for name in names]


def test_every_mistake_of_a_recipe_is_an_error_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("nam: x\nmix: {temprature: 2}\n")
    lines = polysee_command("plan", str(path)).stderr.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["error", "hint"] * 4
    assert f"error: {path}:2:7: mix.temprature: unknown key" in lines


def test_interrupt_ends_with_130_and_says_how_to_go_on() -> None:
    # A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that.
    line = ["env", "--default-signal=INT", sys.executable, "-c", _INTERRUPTED]
    done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 130
    assert done.stderr == "\ninterrupted: run the same command again to go on\n"


_INTERRUPTED = f"""
import os, threading, time
from polysee.cli import main, doctor
def examine(*words):
    threading.Timer(0.3, lambda: os.kill(os.getpid(), {int(signal.SIGINT)})).start()
    time.sleep(60)
doctor.examine = examine
main.main(["doctor"])
"""


def test_terminal_without_utf_8_does_not_break_printing(tmp_path: Path) -> None:
    path = tmp_path / "كتب.yaml"
    path.write_text("name: قطة\n", encoding="utf-8")
    done = polysee_command("plan", str(path), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 2
    assert "name: expected text of the form" in done.stderr
    assert "Traceback" not in done.stderr
