"""``polysee catalogue``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from polysee.cli.catalogue import catalogue


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(catalogue, arguments, standalone_mode=False)
    assert result.exception is None, result.exception
    return result.return_value, result.stdout, result.stderr


def test_a_list() -> None:
    code, out, _ = _run("--paper", "visionblocks", "--task", "chart")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["name", "chartqa", "dvqa", "plotqa", "3"]


def test_one_in_full() -> None:
    code, out, _ = _run("mmchat")
    assert code == 0
    assert "held out" in out
    assert "Multimodal Chat" in out
    assert "3,000" in out


def test_a_name_wins_over_other_finds() -> None:
    assert "428,708" in _run("vqa-v2")[1]


def test_json() -> None:
    code, out, _ = _run("winoground", "--paper", "m3it", "--json", "--adapter", "winoground")
    (found,) = json.loads(out)
    assert (code, found["held_out"], found["rows"][0]["test"]) == (0, True, 800)


@pytest.mark.parametrize("arguments", [["no-such-thing"], ["--language", "tlh"]])
def test_nothing_found(arguments: list[str]) -> None:
    code, out, err = _run(*arguments)
    assert (code, out) == (1, "")
    assert "no dataset fits" in err
