"""Reading text in pictures with Tesseract."""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import Any

import pytest

from polysee.media import ocr
from polysee.media.draw import draw_text
from polysee.media.ocr import model_of, read_tokens, require
from polysee.schema.errors import BadRecord, UserError


def _picture(text: str, size: int = 40) -> bytes:
    target = io.BytesIO()
    draw_text(text, size=size, padding=20).save(target, "PNG")
    return target.getvalue()


@pytest.mark.parametrize("size", [24, 90])
def test_words_and_their_places(size: int) -> None:
    data = _picture("GREEN DOOR\nNUMBER 25", size)
    tokens = read_tokens(data, "en")
    assert [token.text for token in tokens] == ["GREEN", "DOOR", "NUMBER", "25"]
    assert tokens[0].line == tokens[1].line != tokens[2].line
    assert all(token.confidence >= 60 for token in tokens)
    # The box of the first word: after the padding, and left of the second.
    x1, y1, x2, y2 = tokens[0].box
    assert abs(x1 - 20) < size / 2
    assert x2 < tokens[1].box[0]
    assert y1 < y2 < tokens[2].box[3]


def test_doubtful_words_are_left_out() -> None:
    data = _picture("DOOR")
    assert read_tokens(data, "en", min_confidence=100.0) == []


def test_a_picture_that_is_none() -> None:
    with pytest.raises(BadRecord, match="not-an-image"):
        read_tokens(b"GIF", "en")


@pytest.mark.parametrize(
    ("tag", "model"),
    [
        ("ar", "ara"), ("zh", "chi_sim"), ("zh-Hant", "chi_tra"), ("zh-TW", "chi_tra"), ("hi", "hin"), ("th", "tha"),
        ("ja", "jpn"), ("am", "amh"), ("pt-BR", "por"), ("sr", "srp"), ("sr-Latn", "srp_latn"), ("nb", "nor"),
        ("xh", None),
    ],
)  # fmt: skip
def test_models_of_languages(tag: str, model: str | None) -> None:
    assert model_of(tag) == model


def test_a_missing_model_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "installed", lambda: frozenset({"eng"}))
    assert require("en") == "eng"
    with pytest.raises(UserError, match="not installed") as caught:
        require("zh-Hant")
    assert caught.value.fix == "apt-get install --no-install-recommends tesseract-ocr-chi-tra"
    with pytest.raises(UserError, match="no model for 'xh'"):
        require("xh")


def test_without_tesseract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    ocr.installed.cache_clear()
    with pytest.raises(UserError, match="Tesseract is not installed") as caught:
        read_tokens(_picture("A"), "en")
    assert "apt-get install --no-install-recommends tesseract-ocr" in caught.value.fix


def test_a_hanging_or_failing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*args: Any, **options: Any) -> Any:
        raise subprocess.TimeoutExpired("tesseract", 120)

    monkeypatch.setattr(ocr, "require", lambda tag: "eng")
    monkeypatch.setattr(ocr, "_program", lambda: "tesseract")
    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(BadRecord, match="ocr-failed: no end"):
        read_tokens(_picture("A"), "en")
    failed = subprocess.CompletedProcess([], 1, b"", "خطأ في\nالملف".encode())
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: failed)
    with pytest.raises(BadRecord, match="ocr-failed: خطأ في الملف"):
        read_tokens(_picture("A"), "en")


def test_rows_that_are_no_words_are_left_out() -> None:
    head = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
    rows = [
        "4\t1\t1\t1\t1\t0\t10\t20\t90\t30\t-1\t",
        "5\t1\t1\t1\t1\t1\t10\t20\t40\t30\t91.5\tقطة",
        "5\t1\t1\t1\t1\t2\t60\t20\t40\t30\t95\t ",
        "5\t1\t1\t1\t2\t1\t10\t60\t40\t30\t80\tسوداء",
    ]
    one, two = ocr._tokens("\n".join([head, *rows]), 2)
    assert (one.text, one.box, one.confidence, one.line) == ("قطة", (5, 10, 25, 25), 91.5, 0)
    assert (two.text, two.line) == ("سوداء", 1)
