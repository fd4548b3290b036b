"""Cosines of a real embedder's vectors, tiny and with random weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from polysee.scores import get
from polysee.scores.similarity import Similarity
from polysee.services.config import EmbedConfig
from polysee.services.open import Services
from scores.translated import CAT, CATS, caption, values
from services.tiny_sentences import save_sentence_model


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    pytest.importorskip("sentence_transformers")
    folder = tmp_path_factory.mktemp("sentence")
    model = save_sentence_model(folder, [CAT, *(text for _, text in CATS), "ክፍት ቤት"])
    made = Services((EmbedConfig(name="tiny", model=str(model)),), folder / ".services")
    yield made
    made.close()


def cosine(services: Services, one: str, two: str) -> float:
    vectors = services.embedder("tiny").embed([one, two]).astype(np.float64)
    return float(vectors[0] @ vectors[1])


def test_translations_beside_their_sources(services: Services) -> None:
    score = get("similarity")(Similarity.Params(service="tiny"), services=services)
    found = values(score, [caption(*cat) for cat in CATS])
    assert found == pytest.approx([cosine(services, CAT, text) for _, text in CATS])
    assert len(set(found)) == len(CATS)
    assert values(score, [caption("ar", CAT)]) == pytest.approx([1.0])


def test_the_lowest_of_a_samples_texts_counts(services: Services) -> None:
    score = get("similarity")(Similarity.Params(service="tiny"), services=services)
    language, text = CATS[1]
    turns = [(f"<image> {CAT}", text), ("7", "7")]
    (both,) = values(score, [(language, turns, "en", [(CAT, CAT), ("7", "7")], ())])
    assert both == pytest.approx(cosine(services, CAT, text))


def test_what_is_unknown(services: Services) -> None:
    rows = [
        caption("ar", "قطة", None),
        caption("ar", "٧", "7"),
        ("ar", [("", "قطة"), ("", "حمراء")], "en", [("", CAT)], ()),
        caption("am", CATS[4][1], CAT, "dataset:other"),
        caption("am", CATS[4][1], CAT, "dataset:cats"),
        caption("ti", "ድሙ", CAT, "dataset:cats"),
    ]
    params = Similarity.Params(service="tiny", tags=("dataset:cats",), languages=("en", "am"))
    assert [value is None for value in values(get("similarity")(params, services=services), rows)] == [
        True, True, True, True, False, True
    ]  # fmt: skip


def test_answers_beside_their_questions(services: Services) -> None:
    score = get("similarity")(Similarity.Params(service="tiny", against="question"), services=services)
    rows = [
        ("am", [("ክፍት ቤት", CATS[4][1])], "en", None, ()),
        ("am", [("<image>", CATS[4][1])], "en", None, ()),
        ("am", [("ክፍት ቤት", "፯")], "en", None, ()),
    ]
    found = values(score, rows)
    assert found[0] == pytest.approx(cosine(services, "ክፍት ቤት", CATS[4][1]))
    assert found[1:] == [None, None]
