"""Tiny models in the real formats, taught a few translations by heart, loaded by the real loaders."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import pytest

from polysee.schema.errors import MissingExtra, UserError
from polysee.services.base import Failure, Segment
from polysee.services.config import Seq2SeqConfig
from polysee.services.translators.seq2seq import LONGEST, Seq2SeqTranslator
from services.translators.tiny_translators import save_madlad, save_nllb

QUESTIONS = [
    Segment("a dog", "en", "es"),
    Segment("a cat is here.", "en", "es"),
    Segment("a dog", "en", "ar"),
    Segment("a dog", "en", "zh"),
    Segment("a dog", "en", "zh-Hans"),
]
ANSWERS = ["un perro", "un gato", "كلب", "狗", "狗"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("translators")
    return {"madlad": save_madlad(root / "madlad"), "nllb": save_nllb(root / "nllb")}


def _translator(folder: Path, **more: object) -> Seq2SeqTranslator:
    return Seq2SeqTranslator(Seq2SeqConfig(name="tiny", model=str(folder), **more))


@pytest.mark.parametrize("kind", ["madlad", "nllb"])
def test_it_translates_into_the_language_asked_for(folders: dict[str, Path], kind: str) -> None:
    translator = _translator(folders[kind], batch_tokens=64)
    assert translator.translate(QUESTIONS) == ANSWERS
    assert translator.translate(QUESTIONS[::-1]) == ANSWERS[::-1]
    assert _translator(folders[kind], beam=3).translate(QUESTIONS[:2]) == ANSWERS[:2]


@pytest.mark.parametrize("kind", ["madlad", "nllb"])
def test_ctranslate2_gives_the_same(folders: dict[str, Path], kind: str) -> None:
    pytest.importorskip("ctranslate2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's own
        converters = importlib.import_module("ctranslate2.converters")
        target = folders[kind].parent / f"{kind}-ct2"
        files = ["tokenizer.json", "tokenizer_config.json"]
        converters.TransformersConverter(str(folders[kind]), copy_files=files).convert(str(target), force=True)
    translator = _translator(target, engine="ctranslate2", batch_tokens=64)
    translator.probe()
    assert translator.translate(QUESTIONS) == ANSWERS


def test_languages_are_those_of_the_tokenizer(folders: dict[str, Path]) -> None:
    madlad, nllb = _translator(folders["madlad"]), _translator(folders["nllb"])
    assert madlad.supports("en", "es")
    assert madlad.supports("fr", "he")  # its token is <2iw>
    assert madlad.supports("en", "nb")
    for tag in ("fr", "zh-Hant", "pt-PT", "lij", "en"):
        assert not madlad.supports("en", tag)
    assert nllb.supports("pt-PT", "zh-Hant")
    assert nllb.supports("en", "lij")
    assert not nllb.supports("en", "pt-PT")
    answer = madlad.translate([Segment("a dog", "en", "lij")])[0]
    assert isinstance(answer, Failure)
    assert answer.reason == "unsupported-language"


def test_what_is_too_long_fails_alone(folders: dict[str, Path]) -> None:
    translator = _translator(folders["madlad"])
    found = translator.translate([Segment("dog " * LONGEST, "en", "es"), QUESTIONS[0]])
    assert isinstance(found[0], Failure)
    assert found[0].reason == "too-long"
    assert found[1] == "un perro"


def test_licences_are_shown() -> None:
    assert Seq2SeqTranslator(Seq2SeqConfig(name="a")).licence == "Apache-2.0"
    nllb = Seq2SeqTranslator(Seq2SeqConfig(name="b", model="facebook/nllb-200-distilled-1.3B"))
    assert (nllb.licence, nllb.model) == ("CC-BY-NC-4.0", "facebook/nllb-200-distilled-1.3B")


def test_what_cannot_be_loaded_says_why(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="cannot be loaded"):
        _translator(tmp_path / "nothing").supports("en", "es")
    with pytest.raises(UserError, match="no model for CTranslate2"):
        _translator(folders["madlad"], engine="ctranslate2").probe()
    import_module = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name == "ctranslate2":
            raise ImportError(name)
        return import_module(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtra, match=r"polysee\[translate\]"):
        _translator(folders["madlad"], engine="ctranslate2").probe()


def test_pickled_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    import torch

    folder = tmp_path / "pickled"
    shutil.copytree(folders["madlad"], folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickled weights are refused"):
        _translator(folder).probe()


def test_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither of the MADLAD-400 nor of the NLLB kind"):
        _translator(save_madlad(tmp_path / "plain", targets=("es",), steps=0)).supports("en", "es")
