"""What `polysee.recipe.plan` knows before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from polysee import scores, transforms
from polysee.engines.build import build_steps
from polysee.recipe.load import load_recipe
from polysee.recipe.models import Recipe
from polysee.recipe.plan import ROW_BYTES, Estimate, Rate, estimate, read_rates, total_seconds, write_rates
from polysee.schema.errors import UserError

SAMPLE = Path(__file__).parent.parent / "data" / "recipe.yaml"


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The sample recipe, with its files."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for name in ("web", "كتب"):
        Path(f"data/{name}.jsonl").write_text("{}\n")
    return load_recipe(SAMPLE)


def test_training_is_bounded_by_its_budgets(recipe: Recipe) -> None:
    found = estimate(recipe)
    assert recipe.model is not None
    assert recipe.tokenizer is not None
    model = 4 * recipe.model.parameters(recipe.tokenizer.vocabulary)
    assert found["train-align"] == Estimate(tokens=10 * 3 * 512, tiles=10 * 3 * 8, bytes=model, at_most=True)
    assert found["train-tune"] == Estimate(tokens=20 * 4 * 1024, tiles=20 * 4 * 16, bytes=model, at_most=True)
    assert found["encoder"] == Estimate(tiles=50 * 16, bytes=4 * recipe.model.vision.parameters)
    assert found["tokenizer"] == Estimate(bytes=80 * recipe.tokenizer.vocabulary)
    assert found["web"].rows == 1
    # The very names that the engine gives the steps.
    assert set(found) == {step.name for step in build_steps(recipe)}
    assert total_seconds(found) is None


def test_rows_and_bytes_pass_through_scores_and_through_transforms_that_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    records = [{"id": str(i), "image": name, "conversations": []} for i, name in enumerate(["قطة.png", "猫.png"] * 50)]
    Path("a.json").write_text(json.dumps(records), encoding="utf-8")
    Path("b.json").write_text(json.dumps([*records, {"id": "x", "image": "absent.png"}]), encoding="utf-8")
    Path("قطة.png").write_bytes(b"0" * 3000)
    Path("猫.png").write_bytes(b"0" * 4000)
    tree: dict[str, Any] = {
        "name": "x",
        "sources": [{"name": n, "use": "llava", "params": {"path": f"{n}.json", "language": "en"}} for n in ("a", "b")],
        "transforms": [{"name": "ask", "use": "instruct"}],
        "scores": [{"name": "length", "use": "image_size"}],
        "select": [{"name": "long", "where": "min_side > 3"}],
    }
    found = estimate(Recipe.model_validate(tree))
    # A picture that a hundred records name is stored once.
    assert found["a"] == Estimate(rows=100, bytes=100 * ROW_BYTES + 7000, at_most=True)
    assert found["b"] == Estimate(rows=101, bytes=101 * ROW_BYTES + 7000, at_most=True)
    assert found["ask"] == Estimate(rows=201, bytes=201 * ROW_BYTES, at_most=True)
    columns = len(scores.get("image_size").outputs)
    assert found["length"] == Estimate(rows=201, bytes=201 * 8 * columns, at_most=True)
    assert found["long"] == Estimate(rows=201, bytes=201, at_most=True)
    monkeypatch.delattr(transforms.get("instruct"), "expansion")
    found = estimate(Recipe.model_validate(tree))
    assert [found[name].rows for name in ("a", "ask", "length")] == [100, None, None]
    assert [found[name].bytes for name in ("ask", "length", "long")] == [None, None, None]


def test_seconds_follow_from_the_last_run(recipe: Recipe) -> None:
    rates: Mapping[str, Rate] = {
        "train-align": Rate(60.0, tokens=5120, tiles=1),
        "encoder": Rate(10.0, tiles=400),
        "web": Rate(50.0, rows=10),
    }
    found = estimate(recipe, rates)
    assert found["train-align"].seconds == pytest.approx(60 * 10 * 3 * 512 / 5120)
    assert found["encoder"].seconds == pytest.approx(20.0)
    assert found["web"].seconds == 5.0
    assert found["train-tune"].seconds is None
    assert total_seconds({"a": Estimate(seconds=1.5), "b": Estimate(seconds=2.0)}) == 3.5


def test_rates_are_kept_and_merged(tmp_path: Path) -> None:
    assert read_rates(tmp_path) == {}
    write_rates(tmp_path, {"a": Rate(1.0, rows=3), "b": Rate(2.0)})
    write_rates(tmp_path, {"b": Rate(4.0, tokens=9)})
    assert read_rates(tmp_path) == {"a": Rate(1.0, rows=3), "b": Rate(4.0, tokens=9)}
    assert [path.name for path in tmp_path.iterdir()] == ["rates.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"steps": {"a": {"secs": 1}}}', '{"steps": {"a": 3}}'])
def test_damaged_rates_are_said_to_be(content: str, tmp_path: Path) -> None:
    (tmp_path / "rates.json").write_text(content)
    with pytest.raises(UserError, match="no file of rates"):
        read_rates(tmp_path)


def test_rates_file_is_plain_json(tmp_path: Path) -> None:
    write_rates(tmp_path, {"a": Rate(1.0, rows=3)})
    assert json.loads((tmp_path / "rates.json").read_text()) == {
        "steps": {"a": {"seconds": 1.0, "rows": 3, "tokens": None, "tiles": None}}
    }
