"""API keys stay out of recipes, and out of the messages about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.recipe.load import load_recipe
from polysee.schema.errors import UserError
from polysee.schema.secrets import looks_secret

SAMPLE = Path(__file__).parent.parent / "data" / "recipe.yaml"

# Made up here, and put together from halves so that scanners of repositories do not take them for real ones.
KEYS = [
    "sk-" + "abcdEFGH1234ijklMNOP5678",
    "sk-proj-" + "a1B2c3D4e5F6g7H8",
    "sk-ant-api03-" + "Xy9_zW8-vU7tS6rQ5pO4",
    "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNm12345678",
    "hf_" + "abcdefghijklmnopqrstuvwxyzabcdefgh",
    "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    "Bearer " + "0123456789abcdef",
    "https://user:" + "hunter2@example.org/data.json",
    "4f9a1c" + "77e2b84d06a3f5c1d98e7b602f",
    "Zx8Kq2Lm" + "9Wv4Rt7Yp1Ns6Bd3Hf5Jg0Ce",
    "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
]

HARMLESS = [
    "OpenGVLab/InternVL2_5-8B-MPO",
    "google/siglip2-so400m-patch14-384",
    "/data/2026-11-20/ShareGPT4V/sharegpt4v_instruct_gpt4-vision_cap100k.json",
    "3ff3a48c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "550e8400-e29b-41d4-a716-446655440000",
    "data/sk-captions-2024.jsonl",
    "hf_internal_testing/tiny-random-model",
    "similarity >= 0.80 AND quality >= 0.85",
    "OPENAI_API_KEY",
    "https://example.org/v1",
    "الصورة الأولى ١٢٣٤٥٦٧٨٩٠ في المجلد",
    "这是一个很长的句子没有空格没有空格没有空格没有空格没有空格1234",
    "ภาพถ่ายของแมวสองตัวนั่งอยู่บนโซฟาสีแดง2567",
]


@pytest.mark.parametrize("key", KEYS)
def test_key_is_refused_and_never_shown(key: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    text = SAMPLE.read_text(encoding="utf-8")
    path.write_text(text.replace("data/web.jsonl", f'"{key}"'), encoding="utf-8")
    with pytest.raises(UserError, match=r"r\.yaml:8:20: sources\.web\.params\.path: this looks like an API key") as one:
        load_recipe(path)
    with pytest.raises(UserError, match=r"--set sources\.web\.params\.path: .*this looks like an API key") as two:
        load_recipe(SAMPLE, [f"sources.web.params.path='{key}'"])
    for caught in (one, two):
        assert key[-8:] not in str(caught.value)
        assert caught.value.__cause__ is None
        assert "_env" in caught.value.fix


@pytest.mark.parametrize("text", HARMLESS)
def test_names_paths_hashes_and_sentences_are_no_keys(text: str) -> None:
    assert not looks_secret(text)


@given(st.lists(st.sampled_from(["vision", "language", "model", "v2", "large", "2024", "step-1000"]), max_size=9))
def test_words_in_any_number_are_no_key(words: list[str]) -> None:
    assert not looks_secret("-".join(words))
    assert not looks_secret("_".join(words))


def test_key_in_a_place_of_its_own_wrong_kind(tmp_path: Path) -> None:
    key = KEYS[0]
    texts = ["{}: 1", "name: {}", "seed: {}", "mix: [{}]", "{}", "x: !{} 1", "x: *{}", "{0}: 1\n{0}: 2", "x: [{}"]
    for text in (form.format(key) + "\n" for form in texts):
        path = tmp_path / "r.yaml"
        path.write_text(text)
        with pytest.raises(UserError) as caught:
            load_recipe(path)
        assert key not in str(caught.value), text


def test_override_without_a_value_is_not_repeated_when_it_is_a_key() -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(SAMPLE, [KEYS[0]])
    assert KEYS[0] not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("api_key_env: OPENAI_API_KEY", True),
        (f"api_key_env: {KEYS[3]}", False),
        ("api_key_env: not a name", False),
        ("api_key: short", False),
        ("password: ''", True),
        ("max_tokens: '12'", True),
        ("tokenizer: gemma", True),
    ],
)
def test_fields_for_secrets_take_names_of_variables_only(line: str, right: bool, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(f"name: x\nsources: [{{name: a, use: llava, params: {{path: p, language: en, {line}}}}}]\n")
    with pytest.raises(UserError) as caught:
        load_recipe(path)
    # llava has no such parameter: a field that is right as a secret is still an unknown key.
    assert ("unknown key" in str(caught.value)) is right
    assert ("environment variable" in str(caught.value)) is not right
