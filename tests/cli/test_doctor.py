"""What `doctor` finds, and that it knows what the package needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import polysee
from polysee.cli import doctor
from polysee.cli.doctor import BASE, DEBIAN, EXTRAS, Finding, examine

ROOT = Path(__file__).parents[2]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[]", requirement)[0] for requirement in requirements}


def test_it_examines_exactly_the_packages_that_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(BASE) == names(project["dependencies"])
    optional = {extra: names(needs) for extra, needs in project["optional-dependencies"].items()}
    assert optional.pop("all") == {"polysee"}
    assert {extra: set(packages) for extra, packages in EXTRAS.items()} == {
        extra: needs for extra, needs in optional.items() if extra != "dev"
    }


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Finding]:
    monkeypatch.setitem(BASE, "nothing-1", "no_such_module_1")
    monkeypatch.setitem(EXTRAS["data"], "nothing-2", "no_such_module_2")
    monkeypatch.setitem(EXTRAS["eval"], "nothing-3", "no_such_module_3")
    monkeypatch.setitem(DEBIAN, "fonts-nothing", "usr/share/fonts/nothing.ttf")
    return {finding.name: finding for finding in examine(tmp_path / "runs" / "deep", frozenset({"data"}))}


def test_each_lack_has_its_line(found: dict[str, Finding]) -> None:
    fixes = {name: (finding.state, finding.fix) for name, finding in found.items() if "nothing" in name}
    assert fixes == {
        "nothing-1": ("missing", "pip install polysee"),
        "nothing-2": ("missing", "pip install 'polysee[data]'"),
        "nothing-3": ("note", "pip install 'polysee[eval]'"),
        "fonts-nothing": (
            "note",
            "scripts/debian-packages (or: sudo apt-get install --no-install-recommends fonts-nothing)",
        ),
    }


def test_each_package_is_told_once(tmp_path: Path) -> None:
    told = [finding.name for finding in examine(tmp_path, frozenset({"translate"}))]
    assert len(told) == len(set(told))
    assert {"torch", "tokenizers", "apertium"} <= set(told)


def test_apertium_is_told_of_and_never_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "apertium"
    monkeypatch.setenv("PATH", str(tmp_path))
    absent = doctor._apertium()
    assert absent.state == "note"
    assert "sudo apt-get install apertium apertium-eng-spa" in absent.fix
    program.write_text("#!/bin/sh\necho eng-spa\necho en-eo-bytecode\n")
    program.chmod(0o755)
    assert doctor._apertium() == Finding("ok", "apertium", "en-es")
    program.write_text("#!/bin/sh\n")
    assert "no pair" in doctor._apertium().detail


def test_every_finding_that_is_not_ok_says_what_to_do(found: dict[str, Finding]) -> None:
    assert all(finding.fix for finding in found.values() if finding.state != "ok")
    assert {"python", "write", "disk", "cores", "memory", "locale", "numpy", "unicode-cldr-core"} <= set(found)
    assert not any(finding.fix for finding in found.values() if finding.state == "ok")


def test_data_that_was_unpacked_without_root_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "polysee" / "debian" / "usr/share/fonts/nothing.ttf"
    file.parent.mkdir(parents=True)
    file.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "DEBIAN", {"fonts-nothing": "usr/share/fonts/nothing.ttf"})
    assert list(doctor._debian("missing")) == [Finding("ok", "fonts-nothing", str(file))]


def test_workdir_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "polysee.cli.main", "doctor", "--workdir", "/proc/runs"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(Path(polysee.__file__).parents[1])},
    )
    assert done.returncode == 1
    assert re.search(r"missing  write +cannot write in /proc", done.stdout)
    assert done.stdout.endswith("1 needed thing is missing\n")


@pytest.mark.parametrize(("needs", "state"), [(frozenset(), "note"), (frozenset({"microworld"}), "missing")])
def test_pillow_without_fribidi(
    needs: frozenset[str], state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def finding() -> Finding:
        return next(finding for finding in examine(tmp_path, needs) if finding.name == "libfribidi0")

    assert finding().state == "ok"
    monkeypatch.setattr("PIL.features.check", lambda feature: feature != "raqm")
    fix = "scripts/debian-packages (or: sudo apt-get install --no-install-recommends libfribidi0)"
    assert (finding().state, finding().fix) == (state, fix)


def test_the_script_brings_what_doctor_asks_for() -> None:
    script = (ROOT / "scripts" / "debian-packages").read_text()
    line = re.search(r"^packages='(.*)'$", script, re.MULTILINE)
    assert line is not None
    assert set(line[1].split()) == {*DEBIAN, "libfribidi0"}
