from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from polysee.cli.compare_translators import compare_translators
from polysee.schema.errors import UserError
from polysee.services.config import service_configs
from services.server import Server, last_text

ARABIC = {"a dog": "كلب كبير", "a cat": "قطة كبيرة", "[[1]] dogs": "[[١]] كلاب"}


@pytest.fixture
def server() -> Iterator[Server]:
    # Told in Arabic it translates, told in English it does not.
    def answer(body: dict[str, object]) -> str:
        arabic = "ترجم" in body["messages"][0]["content"]  # type: ignore[index]
        return ARABIC[last_text(body)] if arabic else "؟ [[1]]"

    with Server(answer=answer).running() as running:
        yield running


def _run(*words: str) -> str:
    result = CliRunner().invoke(compare_translators, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def _files(tmp_path: Path, url: str) -> tuple[str, str]:
    services, pairs = tmp_path / "services.yaml", tmp_path / "pairs.tsv"
    services.write_text(
        f"services:\n- kind: chat-translate\n  name: gpt\n  base_url: {url}\n  model: tiny\n  price_out: 1000000\n"
        "- kind: chat\n  name: talker\n  base_url: http://127.0.0.1:1/v1\n  model: m\n"
    )
    rows = [("a dog", "كلب كبير"), ("a cat", "قطة كبيرة"), ("5 dogs", "5 كلاب")]
    pairs.write_text("source\treference\n" + "".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    return str(services), str(pairs)


def test_the_language_of_the_prompt_is_compared(server: Server, tmp_path: Path) -> None:
    services, pairs = _files(tmp_path, server.url)
    saved = tmp_path / "winner.yaml"
    prompts = ("--prompt-language", "en", "--prompt-language", "ar")
    words = (services, "--reference", pairs, "--target", "ar", *prompts, "--save", str(saved))
    found = json.loads(_run(*words, "--json"))
    rows = {row["system"]: row for row in found["results"]}
    assert found["winner"] == "gpt-ar"
    assert rows["gpt-ar"]["chrf"]["value"] == pytest.approx(100.0)
    assert rows["gpt-ar"]["cost"] > 0
    assert rows["gpt-en"]["chrf"]["value"] < 50
    config = service_configs.validate_json(json.dumps(YAML(typ="safe").load(saved.read_text())["services"]))[0]
    assert (config.name, getattr(config, "prompt_language", "")) == ("gpt-ar", "ar")
    for row in rows.values():
        assert all(0.0 <= row[score][end] <= 100.0 for score in ("chrf", "bleu") for end in ("value", "low", "high"))
        assert row["seconds"]["value"] > 0
        assert row["seconds"]["low"] is row["seconds"]["high"] is None
    table = _run(*words)
    assert "100.0 (100.0-100.0)" in table
    assert " (-)" in table
    assert "gpt-en" in table
    assert table.rstrip().endswith("best: gpt-ar")


def test_mistakes_are_explained(server: Server, tmp_path: Path) -> None:
    services, pairs = _files(tmp_path, server.url)
    for words, cause in (
        ((services, "--reference", pairs, "--target", "ar", "--service", "gtp"), "no translator is called 'gtp'"),
        ((services, "--reference", "tuxpaint"), "wants languages"),
        ((pairs, "--reference", pairs, "--target", "ar"), "file of services"),
        ((services, "--reference", pairs, "--target", "ar", "--target", "th"), "no language has the tag"),
        (("--reference", "tuxpaint", "--target", "spanish"), "(?s)no language has the tag 'spanish'.*'es'"),
        ((services, "--reference", pairs, "--target", "العربية"), "(?s)no language has the tag.*'ar'"),
        ((services, "--reference", pairs, "--source", "english"), "'en'"),
        ((services, "--reference", pairs, "--target", "ar", "--prompt-language", "arabic"), "'ar'"),
    ):
        with pytest.raises(UserError, match=cause):
            CliRunner().invoke(compare_translators, list(words), catch_exceptions=False)
    bad = tmp_path / "bad.yaml"
    bad.write_text("services:\n- kind: apertium\n  nane: x\n")
    with pytest.raises(UserError, match=r"services\.0\.apertium"):
        CliRunner().invoke(compare_translators, [str(bad), "--reference", pairs], catch_exceptions=False)


def test_apertium_is_compared_without_any_file(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"source": "The dog is red.", "reference": "El perro es rojo."}), encoding="utf-8")
    assert "100.0" in _run("--reference", str(pairs), "--target", "es")
    with pytest.raises(UserError, match="no translator has any of th"):
        CliRunner().invoke(compare_translators, ["--reference", str(pairs), "--target", "th"], catch_exceptions=False)
