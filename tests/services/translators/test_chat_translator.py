"""The chat translator through the real chat service, against a scripted server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polysee.schema.errors import UserError
from polysee.services.base import Failure, Segment, Translator
from polysee.services.config import ChatTranslatorConfig
from polysee.services.open import Services
from polysee.services.translators.chat import prompt_in
from polysee.services.translators.guarded import translate_texts
from polysee.text.languages import is_known
from polysee.text.translation_codes import towervision_languages
from services.server import Server, last_text

SCRIPTS = {"ar": "ترجم", "zh": "翻译", "ja": "翻訳", "th": "แปล", "hi": "अनुवाद", "am": "ተርጉም", "he": "תרגם"}


def _answer(body: dict[str, Any]) -> str:
    return {"a dog": "كلب", "[[1]] dogs": "【１】 كلاب"}.get(last_text(body), "؟")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(answer=_answer).running() as running:
        yield running


_OPEN: list[Services] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def _translator(server: Server, folder: Path, **changes: Any) -> Translator:
    config = {"name": "writer", "base_url": server.url, "model": "tiny", "reasks": 1, "backoff_s": 0.01, **changes}
    _OPEN.append(Services([ChatTranslatorConfig.model_validate(config)], folder))
    return _OPEN[-1].translator("writer")


def test_it_translates_and_is_asked_once(server: Server, tmp_path: Path) -> None:
    translator = _translator(server, tmp_path, licence="CC0-1.0")
    segments = [Segment(text, "en", "ar") for text in ("a dog", "12 dogs", "a dog", "7 dogs")]
    assert translate_texts(translator, segments) == ["كلب", "12 كلاب", "كلب", "7 كلاب"]
    assert server.posts == 2
    assert (translator.name, translator.model, translator.licence) == ("writer", "tiny", "CC0-1.0")
    system = server.bodies[0]["messages"][0]["content"]
    assert "English" in system
    assert "Arabic" in system


@pytest.mark.parametrize("tag", ["target", "ar"])
def test_the_prompt_can_be_in_the_targets_language(server: Server, tmp_path: Path, tag: str) -> None:
    translator = _translator(server, tmp_path, prompt_language=tag)
    assert translator.translate([Segment("a dog", "en", "ar")]) == ["كلب"]
    system = server.bodies[0]["messages"][0]["content"]
    assert "العربية" in system
    assert SCRIPTS["ar"] in system


def test_an_empty_answer_is_asked_again_and_then_fails(tmp_path: Path) -> None:
    with Server(answer=lambda body: " ").running() as server:
        found = _translator(server, tmp_path, retries=1).translate([Segment("a dog", "en", "th")])[0]
        _OPEN.pop().close()
        assert isinstance(found, Failure)
        assert server.posts > 1


def test_what_it_supports(server: Server, tmp_path: Path) -> None:
    english = _translator(server, tmp_path / "1")
    assert english.supports("en", "lij")
    assert not english.supports("en", "en")
    assert not english.supports("en", "xx-nothing")
    native = _translator(server, tmp_path / "2", prompt_language="target")
    assert native.supports("en", "zh-Hant")
    assert not native.supports("en", "lij")
    failure = native.translate([Segment("a dog", "en", "lij")])[0]
    assert isinstance(failure, Failure)
    assert failure.reason == "unsupported-language"
    with pytest.raises(UserError, match="no translation prompt in 'lij'"):
        _translator(server, tmp_path / "3", prompt_language="lij").supports("en", "ar")


def test_prompts_fit_their_languages() -> None:
    for tag, word in SCRIPTS.items():
        prompt = prompt_in(tag)
        assert prompt is not None
        assert word in prompt
    for tag in towervision_languages():
        prompt = prompt_in(tag)
        assert prompt is not None
        assert is_known(tag)
        assert "[[1]]" in prompt.format(source="S", target="T")
        assert prompt.index("{source}") < prompt.index("{target}")
    assert prompt_in("es-419") == prompt_in("es")
    assert prompt_in("pt-BR") != prompt_in("pt-PT")
    assert prompt_in("sr-Latn") is None
