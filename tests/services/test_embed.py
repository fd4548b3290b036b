"""A real sentence-transformers model, tiny and with random weights, saved and loaded as real ones are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from polysee.schema.errors import MissingExtra, UserError
from polysee.services.config import EmbedConfig
from polysee.services.embed import SentenceEmbedder
from polysee.services.ledger import read_totals
from polysee.services.open import Services
from services.tiny_sentences import save_sentence_model

TEXTS = ("قطة حمراء", "一只红猫", "แมวแดง", "लाल बिल्ली", "赤い猫", "ቀይ ድመት", "a red cat", "قطة حمراء")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sentence_transformers")
    return save_sentence_model(tmp_path_factory.mktemp("sentence"), TEXTS)


def test_vectors_are_unit_long_in_order_and_kept(model: Path, tmp_path: Path) -> None:
    services = Services((EmbedConfig(name="labse", model=str(model)),), tmp_path / ".services")
    services.probe(["labse"])
    embedder = services.embedder("labse")
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 16)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors[0], vectors[-1])
    assert not np.allclose(vectors[0], vectors[1])
    assert np.array_equal(embedder.embed(TEXTS[::-1]), vectors[::-1])
    assert embedder.embed([]).shape == (0, 0)
    (totals,) = read_totals(tmp_path / ".services")
    assert (totals.attempts, totals.hits) == (7, 7)
    services.close()


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(UserError, match="cannot be loaded"):
        SentenceEmbedder(EmbedConfig(name="x", model=str(tmp_path / "nothing"))).embed(["a"])


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as caught:
        SentenceEmbedder(EmbedConfig(name="x")).probe()
    assert caught.value.fix == "pip install 'polysee[embed]'"
