"""Which languages a model is good for."""

from __future__ import annotations

import pytest

from polysee.scores.model_languages import languages_of, listed_as
from polysee.text.languages import canonical


@pytest.mark.parametrize(
    ("model", "known", "unknown"),
    [
        ("Unbabel/wmt22-cometkiwi-da", ("ar", "zh-Hant", "th", "hi", "am", "nn", "pt-BR", "fil"), ("bo", "ceb", "und")),
        ("Unbabel/XCOMET-XL", ("sw", "ja"), ("rw",)),
        ("sentence-transformers/LaBSE", ("am", "bo", "ceb", "es-419", "nb"), ("ps", "br")),
        ("sentence-transformers/paraphrase-multilingual-mpnet-base-v2", ("ar", "th", "zh"), ("am", "sw")),
    ],
)
def test_languages(model: str, known: tuple[str, ...], unknown: tuple[str, ...]) -> None:
    languages = languages_of(model)
    assert languages is not None
    assert {tag for tag in (*known, *unknown) if listed_as(tag) in languages} == set(known)
    # Every code that a sample may have is found as it stands in the list.
    assert {tag for tag in map(canonical, languages) if tag is not None and listed_as(tag) not in languages} == set()
    assert {tag for tag in languages if canonical(tag) is None} <= {"hmn"}


def test_a_model_that_nobody_listed() -> None:
    assert languages_of("/models/mine") is None
