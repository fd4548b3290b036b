"""Counts and edit distances of instructions."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from polysee.schema.errors import UserError
from polysee.transforms.diversity import diversity, families, family, pool_diversity, spread

SCRIPT = Path(__file__).parents[2] / "scripts" / "instruction_statistics.py"


def test_distances_within_and_across_pools() -> None:
    found = diversity({"vqa": ["abc", "abd"], "story": ["xyz"], "mine": ["abc d"]})
    assert found.instructions == 4
    assert found.families == (("vqa", 2), ("generation", 1), ("other", 1))
    assert (found.within.mean, found.within.count) == (1.0, 1)
    # abc-xyz 3, abc-"abc d" 2, abd-xyz 3, abd-"abc d" 2, xyz-"abc d" 5
    assert (found.across.mean, found.across.count) == (3.0, 5)
    assert found.words.mean == 1.25


def test_a_sentence_twice_in_a_pool_is_one() -> None:
    assert diversity({"vqa": ["a", "a", "b"]}).instructions == 2


def test_a_letter_with_its_signs_is_one_edit() -> None:
    # कि and कु: one grapheme each, made of two code points that differ in one; कि and ख differ in two code points.
    assert diversity({"vqa": ["कि", "कु"]}).within.mean == 1.0
    assert diversity({"vqa": ["कि", "ख"]}).within.mean == 1.0


def test_words_where_they_are_not_spaced() -> None:
    assert diversity({"vqa": ["图中有什么"]}).words.mean == 5


def test_spread() -> None:
    assert (spread([2.0, 4.0]).mean, spread([2.0, 4.0]).deviation, str(spread([2.0, 4.0]))) == (3.0, 1.0, "3.0 ± 1.0")
    assert str(spread([])) == "–"


def test_polysees_english_pools_are_as_many_as_m3its() -> None:
    found = pool_diversity("en")
    assert found.instructions >= 400
    counts = dict(found.families)
    assert all(counts[name] >= 10 * len(pools) for name, pools in families().items() if name != "chinese")
    assert found.within.mean < found.across.mean
    assert family("nothing") == "other"


def test_no_pools_in_a_language() -> None:
    with pytest.raises(UserError, match="no instruction pools in 'xh'"):
        pool_diversity("xh")


def test_the_script_prints_a_line_a_language(capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("instruction_statistics", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["am", "zh"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["language", "am", "zh"]
    assert "  captioning" in "\n".join(lines)
    assert module.main(["xh"]) == 2
    assert "error: there are no instruction pools" in capsys.readouterr().err
