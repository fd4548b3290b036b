"""A byte-level tokenizer: no script is unknown, and equal texts give equal files."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.models.tokenizer import END, IMAGE_CONTEXT, IMAGE_END, IMAGE_START, PAD, SPECIAL, VIDEO, train_tokenizer

TEXTS = {
    "Arabic": "ما هذا؟ قِطَّةٌ سوداء، ١٢٣",
    "Chinese": "这是什么？黑猫、白狗。",
    "Thai": "นี่คืออะไร แมวน้ำ",
    "Hindi": "यह क्या है? बिल्ली और कुत्ता।",
    "Amharic": "ይህ ምንድን ነው? ድመት፣ ውሻ።",
    "Georgian": "ეს რა არის? კატა და ძაღლი",
    "Hebrew": "מה זה? חָתוּל",
    "Persian": "لاک\u200cپشت",
    "Korean": "이것은 무엇인가요? 고양이",
    "emoji": "👩🏽‍🚀🐈‍⬛🇬🇪1️⃣",
    "spaces": "  two  spaces\n\tand a tab \n",
    "Adlam": "𞤀𞤣𞤤𞤢𞤥",
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer([TEXTS["Arabic"], TEXTS["Chinese"]] * 3, 512)


@pytest.mark.parametrize("script", TEXTS)
def test_every_script_comes_back(tokenizer: Any, script: str) -> None:
    text = unicodedata.normalize("NFC", TEXTS[script])
    ids = tokenizer.encode(TEXTS[script], add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id not in ids
    assert not set(ids) & set(tokenizer.all_special_ids)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(alphabet="aéüçñ ابتثةسع猫狗这แมวนำ้हिन्दीድመትუკ🐈\n؟。"))
def test_any_mixture_comes_back(text: str) -> None:
    made = train_tokenizer_once()
    assert made.decode(made.encode(text, add_special_tokens=False)) == unicodedata.normalize("NFC", text)


_made: list[Any] = []


def train_tokenizer_once() -> Any:
    if not _made:
        _made.append(train_tokenizer(list(TEXTS.values()), 600))
    return _made[0]


def test_decomposed_text_is_composed(tokenizer: Any) -> None:
    encode = tokenizer.encode
    assert encode("cafe\u0301", add_special_tokens=False) == encode("café", add_special_tokens=False)


def test_training_texts_become_fewer_tokens(tokenizer: Any) -> None:
    plain = len(TEXTS["Arabic"].encode())
    assert len(tokenizer.encode(TEXTS["Arabic"], add_special_tokens=False)) < plain / 2
    assert len(tokenizer) <= 512
    assert len(train_tokenizer(TEXTS.values(), 300)) == 300


def test_special_tokens_are_one_id_each(tokenizer: Any) -> None:
    for number, token in enumerate(SPECIAL):
        assert tokenizer.encode(token, add_special_tokens=False) == [number]
    assert tokenizer.pad_token == PAD
    assert tokenizer.eos_token == END
    assert tokenizer.context_image_token == IMAGE_CONTEXT
    assert (tokenizer.start_image_token, tokenizer.end_image_token) == (IMAGE_START, IMAGE_END)
    assert tokenizer.video_token == VIDEO


def test_equal_texts_give_equal_files(tmp_path: Path) -> None:
    for name in ("one", "other"):
        train_tokenizer(iter(TEXTS.values()), 600).save_pretrained(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} <= set(files)
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_a_saved_tokenizer_loads_as_it_was(tmp_path: Path, tokenizer: Any) -> None:
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    for text in TEXTS.values():
        assert loaded.encode(text, add_special_tokens=False) == tokenizer.encode(text, add_special_tokens=False)
        assert loaded.decode(loaded.encode(text, add_special_tokens=False)) == unicodedata.normalize("NFC", text)
    assert loaded.chat_template == tokenizer.chat_template
    assert loaded.context_image_token_id == tokenizer.context_image_token_id
    assert loaded.padding_side == "right"


@pytest.mark.parametrize("word", ["बिल्ली", "แมวน้ำ", "กระต่าย", "কুকুর", "חָתוּל", "قِطَّةٌ"])
def test_a_word_with_marks_can_be_one_token(word: str) -> None:
    """Vowel signs and points belong to their word: cut at each of them, it costs three times the tokens."""
    made = train_tokenizer([f"{word} {word}"] * 50, 512)
    assert len(made.encode(word, add_special_tokens=False)) == 1
