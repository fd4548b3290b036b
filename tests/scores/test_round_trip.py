"""Translations back by Apertium itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from polysee.scores import get
from polysee.scores.round_trip import RoundTrip
from polysee.services.config import ApertiumConfig
from polysee.services.open import Services
from scores.translated import CATS, caption, values

pytestmark = pytest.mark.skipif(shutil.which("apertium") is None, reason="Apertium is missing")


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = Services((ApertiumConfig(name="mt"),), tmp_path / ".services")
    yield made
    made.close()


def test_a_right_translation_comes_back_better_than_a_wrong_one(services: Services) -> None:
    score = get("round_trip")(RoundTrip.Params(service="mt"), services=services)
    right = caption("es", "El gato rojo come 3 peces.", "The red cat eats 3 fish.")
    wrong = caption("es", "La casa es grande.", "The red cat eats 3 fish.")
    same = caption("eo", "Ĝi estas domo.", "It is a house.")
    good, bad, house = values(score, [right, wrong, same])
    assert good is not None
    assert bad is not None
    assert house is not None
    assert 0.0 < bad < 0.4 < good <= 1.0
    assert house > 0.5


def test_what_cannot_be_translated_back_is_unknown(services: Services) -> None:
    score = get("round_trip")(RoundTrip.Params(service="mt"), services=services)
    assert values(score, [caption(*cat) for cat in CATS]) == [None] * len(CATS)
    mixed = ("es", [("¿Qué es?", "un gato")], "en", [("What is it?", "a cat")], ())
    assert values(score, [mixed])[0] is not None
