"""What `polysee.recipe.plan` knows before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from polysee.engines.build import build_steps
from polysee.recipe.load import load_recipe
from polysee.recipe.models import Recipe, SourceConfig
from polysee.recipe.plan import Estimate, Rate, estimate, read_rates, total_seconds, write_rates
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
    assert found["train-align"] == Estimate(tokens=10 * 3 * 512, tiles=10 * 3 * 8, at_most=True)
    assert found["train-tune"] == Estimate(tokens=20 * 4 * 1024, tiles=20 * 4 * 16, at_most=True)
    assert found["encoder"] == Estimate(tiles=50 * 16)
    assert found["web"] == Estimate()
    # The very names that the engine gives the steps.
    assert set(found) == {step.name for step in build_steps(recipe)}
    assert total_seconds(found) is None


def test_rows_pass_through_scores_but_not_through_transforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text("[]")
    tree: dict[str, Any] = {
        "name": "x",
        "sources": [{"name": n, "use": "llava", "params": {"path": "a.json", "language": "en"}} for n in ("a", "b")],
        "scores": [{"name": "length", "use": "image_size"}],
        "select": [{"name": "long", "where": "min_side > 3"}],
    }
    made = SourceConfig.model_validate(tree["sources"][0]).implementation()
    monkeypatch.setattr(made, "estimate", lambda self: 100, raising=False)
    found = estimate(Recipe.model_validate(tree))
    assert [found[name] for name in ("a", "b", "length", "long")] == [
        *[Estimate(rows=100, at_most=True)] * 2,
        *[Estimate(rows=200, at_most=True)] * 2,
    ]
    tree["transforms"] = [{"name": "ask", "use": "instruct"}]
    found = estimate(Recipe.model_validate(tree))
    assert [found[name].rows for name in ("a", "ask", "length")] == [100, None, None]


def test_seconds_follow_from_the_last_run(recipe: Recipe) -> None:
    rates: Mapping[str, Rate] = {
        "train-align": Rate(60.0, tokens=5120, tiles=1),
        "encoder": Rate(10.0, tiles=400),
        "web": Rate(5.0, rows=10),
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
