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
    *rows, last = out.splitlines()
    assert [line.split()[0] for line in rows] == ["name", "chartqa", "dvqa", "plotqa", "3"]
    assert last == "VisionBlocks: Table 8 prints a total of 6,313,286; its rows come to 6,351,515"
    assert "199,995" in out


def test_one_in_full() -> None:
    code, out, _ = _run("mmchat")
    assert code == 0
    assert "held-out" in out
    assert "Multimodal Chat" in out
    assert "3,000" in out


def test_a_name_wins_over_other_finds() -> None:
    assert "428,708" in _run("vqa-v2")[1]


def test_json() -> None:
    code, out, _ = _run("winoground", "--paper", "m3it", "--json", "--adapter", "winoground")
    (found,) = json.loads(out)
    assert (code, found["held_out"], found["rows"][0]["test"]) == (0, True, 800)


def test_use_origin_and_a_language_by_name() -> None:
    code, out, _ = _run("--language", "العربية", "--use", "evaluation-only")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()[1:-1]} == {
        "m3it-80-imagenet", "m3it-80-msrvtt", "m3it-80-msrvtt-qa", "m3it-80-ok-vqa", "m3it-80-vist", "m3it-80-vqa-v2",
        "m3it-80-winoground",
    }  # fmt: skip
    found = json.loads(_run("--language", "chinese", "--use", "held-out", "--origin", "authentic", "--json")[1])
    assert {one["name"] for one in found} == {"chinese-food-net", "coco-cn", "flickr8k-cn", "fm-iqa", "mmchat"}
    assert {one["use"] for one in found} == {"held-out"}


def test_what_a_task_may_be() -> None:
    code, _, err = _run("--task", "captioning")
    assert code == 1
    assert "the tasks are caption, chart" in err


def test_m3its_two_tables_are_told_apart() -> None:
    assert "Table 7 come to 2,006,964, those of Table 3 to 2,005,264" in _run("--paper", "m3it", "--task", "vqa")[1]


@pytest.mark.parametrize("arguments", [["no-such-thing"], ["--language", "tlh"]])
def test_nothing_found(arguments: list[str]) -> None:
    code, out, err = _run(*arguments)
    assert (code, out) == (1, "")
    assert "no dataset fits" in err
