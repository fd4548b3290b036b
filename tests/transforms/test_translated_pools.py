"""Instruction pools of a language that has none, by a real translator."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from polysee.schema.errors import UserError
from polysee.services.base import Failure, Segment
from polysee.transforms.instruct import Pool, load_pool
from polysee.transforms.translated_pools import translate_pool

SCRIPT = Path(__file__).parents[2] / "scripts" / "translate_pools.py"
POOL = Pool(
    language="en", reviewed=True, pools={"naming": ("What is it?", "Name it.", "Say it."), "vqa": ("Name it.",)}
)


class Known:
    """A translator that knows two sentences and fails at the third."""

    name = model = "known"
    version = 1
    licence = None

    def __init__(self) -> None:
        self.asked: list[str] = []

    def supports(self, source: str, target: str) -> bool:
        return target in ("ar", "th")

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        self.asked += [segment.text for segment in segments]
        answers = {"What is it?": "ما هذا؟", "Name it.": "ما  هذا؟"}
        return [answers.get(one.text) or Failure("none", "not known") for one in segments]


def test_each_sentence_is_asked_once_and_losses_are_counted() -> None:
    translator = Known()
    made = translate_pool(POOL, "ar", translator)
    assert translator.asked == ["What is it?", "Name it.", "Say it."]
    assert made.pool == Pool(language="ar", reviewed=False, pools={"naming": ("ما هذا؟",), "vqa": ("ما هذا؟",)})
    assert (made.failed, made.alike) == (1, 1)


def test_what_cannot_be_translated_is_an_error() -> None:
    with pytest.raises(UserError, match="does not translate en to hi"):
        translate_pool(POOL, "hi", Known())
    with pytest.raises(UserError, match="no sentence of en"):
        translate_pool(POOL, "ar", Known(), ["counting"])


def test_the_script_writes_pools_that_instruct_reads(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), str(tmp_path), "--target", "es", "--target", "ca", "--task", "naming"]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    own = load_pool("en")
    assert own is not None
    for tag in ("es", "ca"):
        pool = load_pool(tag, tmp_path)
        assert pool is not None
        assert (pool.reviewed, set(pool.pools)) == (False, {"naming"})
        assert len(pool.pools["naming"]) == len(own.pools["naming"])
        assert not set(pool.pools["naming"]) & set(own.pools["naming"])
    wrong = subprocess.run([*words, "--source", "xx"], capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert wrong.returncode == 2
    assert "there is no pool in 'xx'" in wrong.stderr
