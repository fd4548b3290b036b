"""The recipes that ship: each loads and plans, without its data, and says where its values come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from polysee.cli.plan import plan
from polysee.recipe.costs import service_estimates
from polysee.recipe.licences import check_commercial
from polysee.recipe.load import load_recipe
from polysee.recipe.models import Recipe
from polysee.recipe.plan import Estimate, estimate
from polysee.schema.errors import UserError
from polysee.sources import catalogue

RECIPES = Path(__file__).parents[2] / "recipes"
FULL = ("ain-data", "m3it", "visionblocks")
_NUMBER = re.compile(r"[ \[{]\d[\d.]*(?![\w-])")
_MARKED = re.compile(r"\b(?:paper|public config|ours)\b")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which no data are."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _planned(name: str) -> tuple[Recipe, dict[str, Estimate]]:
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    return recipe, estimate(recipe)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_loads_and_plans(path: Path, nowhere: Path) -> None:
    done = CliRunner().invoke(plan, [str(path), "--workdir", "runs"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert load_recipe(path).name == path.stem
    assert " steps will run" in done.output
    assert not (nowhere / "runs").exists()


@pytest.mark.parametrize("name", [f"{name}{twin}" for name in FULL for twin in ("", "-tiny")])
def test_numbers_say_where_they_come_from(name: str) -> None:
    lines = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    parts = [line.partition("#") for line in lines]
    numbers = [(body, comment) for body, _, comment in parts if _NUMBER.search(body)]
    assert [body for body, comment in numbers if not _MARKED.search(comment)] == []
    assert len(numbers) >= 8


def test_missing_data_are_named_and_a_run_stops_there(nowhere: Path) -> None:
    done = CliRunner().invoke(plan, [str(RECIPES / "m3it.yaml")], catch_exceptions=False)
    lines = done.stderr.splitlines()
    assert lines[0].startswith("warning: the files of 49 sources are not here")
    assert (
        "  coco-goi: data/coco/annotations/instances_train2017.json: there is no such file for `annotations`" in lines
    )
    assert "its files are not here" in done.stdout
    recipe = load_recipe(RECIPES / "m3it.yaml")
    source = recipe.sources[0]
    with pytest.raises(UserError, match="no such file"):
        source.implementation()(source.parsed_params(), seed=1)


def test_m3it_has_the_sizes_of_its_table(nowhere: Path) -> None:
    recipe, sizes = _planned("m3it")
    rows = [row for one in catalogue.entries() for row in one.rows if row.paper == "m3it" and row.table == 7]
    trained = {source.name for source in recipe.sources if source.params["split"] == "train"}
    assert sum(sizes[name].rows or 0 for name in trained) == sum(row.train or 0 for row in rows if row.used)
    languages = recipe.transforms[-1].params["targets"]
    assert isinstance(languages, list)
    assert set(languages) == set(catalogue.entry("m3it-80-vqa-v2").languages)
    # 500 of each split of seven sets, but 497 of one and all 800 of Winoground.
    translated = 8 * 500 + 497 + 800
    assert (sizes["translate"].rows or 0) - (sizes["instruct"].rows or 0) == 80 * translated


def test_visionblocks_has_the_rows_of_its_table(nowhere: Path) -> None:
    recipe, sizes = _planned("visionblocks")
    rows = {one.name: row.samples for one in catalogue.entries() for row in one.rows if row.paper == "visionblocks"}
    made = {"pixmo-cap-translated", "llava-video-178k-translated", "llava-video-178k"}
    read = [sizes[source.name].rows or 0 for source in recipe.sources if source.name != "llava-video"]
    assert sorted(read) == sorted(number or 0 for name, number in rows.items() if name not in made)
    total = sum(number or 0 for number in rows.values())
    assert abs((sizes["videos-translated"].rows or 0) - total) <= 19
    tags = next(one.params["tags"] for one in recipe.transforms if one.name == "generated")
    assert isinstance(tags, list)
    generated = {
        f"dataset:{one.name}" for one in catalogue.entries() for row in one.rows if row.tag.startswith("Synthetic")
    }
    assert set(tags) == generated


def test_ain_has_the_papers_size_and_share(nowhere: Path) -> None:
    _, sizes = _planned("ain-data")
    read, made = sizes["instruct"].rows or 0, sizes["translate"].rows or 0
    translated = made - read
    assert abs(made - 3_600_000) < 5_000
    assert (read - translated) / (made - translated) == pytest.approx(0.35, abs=0.001)


def test_requests_and_their_cost_are_foreseen(nowhere: Path) -> None:
    recipe, sizes = _planned("visionblocks")
    found = {one.step: one for one in service_estimates(recipe, sizes, nowhere)}
    synthetic = sum(row.samples or 0 for one in catalogue.entries() for row in one.rows if row.tag.startswith("Synth"))
    assert found["generated"].calls == synthetic
    assert found["generated"].cost == pytest.approx(synthetic * (1150 * 0.3 + 80 * 2.5) / 1e6)
    # Half of the videos' conversations, three texts each; a server of one's own has no price.
    assert found["videos-translated"].calls == 3 * 697_617
    assert found["videos-translated"].cost is None


@pytest.mark.parametrize(
    ("name", "score", "service", "threshold"),
    [("visionblocks", "quality", "kiwi", "quality >= 0.85"), ("ain-data", "similarity", "labse", "similarity >= 0.80")],
)
def test_translations_are_judged_as_the_papers_do(
    name: str, score: str, service: str, threshold: str, nowhere: Path
) -> None:
    recipe, sizes = _planned(name)
    assert [(one.use, one.params["service"]) for one in recipe.scores] == [(score, service)]
    assert [one.where.endswith(f" OR {threshold}") for one in recipe.select] == [True]
    (line,) = (one.line() for one in service_estimates(recipe, sizes, nowhere) if one.step == score)
    assert line.endswith("how often is not known yet")


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("m3it", ["'imagenet' is non-commercial", "'multi30k-de'", "nllb-200-distilled-1.3B) is CC-BY-NC-4.0"]),
        (
            "visionblocks",
            ["'dvqa' is CC-BY-NC-4.0", "Unbabel/Tower-Plus-9B", "Unbabel/wmt22-cometkiwi-da) is CC-BY-NC-SA-4.0"],
        ),
        ("ain-data", ["'scienceqa' is CC-BY-NC-SA-4.0"]),
    ],
)
def test_what_is_not_for_commercial_use_is_refused_by_name(name: str, refused: list[str], nowhere: Path) -> None:
    with pytest.raises(UserError, match="not for commercial use") as error:
        check_commercial(load_recipe(RECIPES / f"{name}.yaml"))
    assert all(part in error.value.cause for part in refused)
    assert "'vqa-v2'" not in error.value.cause


def test_what_apertium_writes_stands_under_no_licence_of_its_own() -> None:
    recipe = load_recipe(RECIPES / "ain-data-tiny.yaml")
    (mt,) = recipe.services
    assert mt.effective_licence == ""
    assert check_commercial(recipe) == []
