"""The real Apertium of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from polysee.schema.errors import UserError
from polysee.services.base import Failure, Segment
from polysee.services.config import ApertiumConfig
from polysee.services.translators.apertium import ApertiumTranslator

CONFIG = ApertiumConfig(name="rules")


def test_it_translates_a_mixed_batch_in_order() -> None:
    translator = ApertiumTranslator(CONFIG)
    texts = ["The dog is red.", "two\nlines\n\nof text", "", "[[1]] dogs and ^x$ {y} @z *w"]
    segments = [Segment(text, "en", tag) for text in texts for tag in ("es", "ca")]
    answers = translator.translate([*segments, Segment("a dog", "en", "th")])
    assert answers[0] == "El perro es rojo."
    assert answers[1] == "El gos és vermell."
    assert answers[4:6] == ["", ""]
    assert isinstance(answers[6], str)
    assert answers[6].startswith("[[1]] perros")
    assert all(isinstance(answer, str) and "\n" not in answer for answer in answers[:8])
    assert isinstance(answers[8], Failure)
    assert answers[8].reason == "unsupported-language"


def test_a_translation_does_not_depend_on_the_rest_of_the_batch() -> None:
    translator = ApertiumTranslator(CONFIG)
    segments = [Segment(text, "en", "eo") for text in ("A brown hen.", "a cat sleeps", "the big")]
    alone = [translator.translate([segment])[0] for segment in segments]
    assert translator.translate(segments) == alone
    assert translator.translate(segments[::-1]) == alone[::-1]


def test_it_says_what_it_supports() -> None:
    translator = ApertiumTranslator(CONFIG)
    translator.probe()
    assert translator.supports("en", "es")
    assert translator.supports("en", "ca-valencia")
    assert not translator.supports("en", "pt")
    assert not translator.supports("en", "en")
    assert (translator.name, translator.model, translator.version) == ("rules", "apertium", 1)


def test_a_missing_program_is_named_with_its_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get install apertium apertium-eng-spa"):
        ApertiumTranslator(CONFIG).supports("en", "es")


def test_a_failing_program_stops_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "apertium"
    program.write_text('#!/bin/sh\n[ "$1" = -l ] && echo en-es && exit 0\necho broken data >&2\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(UserError, match="broken data"):
        ApertiumTranslator(CONFIG).translate([Segment("a dog", "en", "es")])
