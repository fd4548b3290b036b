"""The card: front matter that the Hub can read, warnings, shares, funnel, recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from export_run import RECIPE, make_run, sample, shapes
from polysee.recipe.load import load_recipe
from polysee.schema.licences import is_non_commercial
from polysee.schema.provenance import provenance
from polysee.schema.sample import Origin
from polysee.sources.readback import open_export
from polysee.store import exports
from polysee.store.exports.facts import step_uses
from polysee.store.exports.selection import Wanted
from polysee.store.exports.write import Request, export
from polysee.store.manifest import FunnelRow, ManifestFolder
from polysee.store.run import RunStore


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("card")
    run = make_run(folder / "shapes", *shapes())
    export(RunStore.open_read_only(run), Request("parquet", folder / "out", Wanted()), open_export)
    return (folder / "out" / "README.md").read_text(encoding="utf-8")


def test_front_matter(text: str) -> None:
    front = YAML(typ="safe", pure=True).load(text.split("---\n")[1])
    assert front["language"] == ["am", "ar", "en", "he", "hi", "ja", "nb", "pt", "th", "ur", "zh"]
    assert "zh-Hant" in front["language_details"]
    assert front["license"] == ["cc-by-4.0", "cc-by-nc-4.0", "cc0-1.0", "unknown"]
    assert front["size_categories"] == "n<1K"
    (config,) = front["configs"]
    assert config["data_files"][0]["split"] == "train"
    assert "not-for-commercial-use" in front["tags"]
    assert "video-text-to-text" in front["task_categories"]


def test_licences_and_warnings(text: str) -> None:
    assert "**Not for commercial use.** 1 sample stands under a licence that forbids it: CC-BY-NC-4.0." in text
    assert "**Licence not stated.** 1 sample comes from a source" in text
    assert "| photos | **CC-BY-NC-4.0** | 1 |" in text
    assert "| x\\|y | unknown | 1 |" in text


def test_shares_and_funnel(text: str) -> None:
    assert "| `ar` | Arabic | 1 | 0.0% | 100.0% | 0.0% |" in text
    assert "| all |  | 11 | 90.9% | 9.1% | 0.0% |" in text
    assert "Models that made text: nllb-200." in text
    assert "| `ar` | 1 | 1 |" in text
    assert "- clean, `ar`: clean 2" in text
    assert "- 1 of 11 samples have words that a model translated or wrote" in text


def test_a_score_loses_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", *shapes())
    store = RunStore.open_read_only(run)
    (first, *others) = store.manifests.all()
    back = tuple(FunnelRow("back", "score", row.language, 3, 1, unknown=2) for row in first.funnel)
    ManifestFolder(run / "steps", lambda line: None).write(replace(first, funnel=(*first.funnel, *back)))
    assert not others
    export(RunStore.open_read_only(run), Request("parquet", tmp_path / "out", Wanted()), open_export)
    said = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    gone, unrated = said.split("What went, and why:")[1].split("What has no value of a score, and stayed:")
    assert "back" not in gone
    assert "- back, `ar`: unknown 2" in unrated
    assert "| language | clean | back | here |" in said
    assert "| `ar` | 1 | 3 | 1 |" in said


def test_recipe_is_there_as_it_was(text: str) -> None:
    assert f"```yaml\n{RECIPE}```" in text


@pytest.mark.parametrize("kind", exports.names())
def test_the_way_back_is_a_recipe(kind: str, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", *shapes())
    export(RunStore.open_read_only(run), Request(kind, tmp_path / "out"), open_export)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    block = card.split("## Reading it with polysee\n\n```yaml\n")[1].split("```")[0]
    path = tmp_path / "recipe.yaml"
    path.write_text("name: again\n" + block.replace("path/to/this/folder", str(tmp_path / "out")), encoding="utf-8")
    (source,) = load_recipe(path).sources
    assert source.use == kind


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("CC-BY-NC-4.0", True),
        ("cc by nc sa 4.0", True),
        ("Non-Commercial", True),
        ("noncommercial use", True),
        ("research only", True),
        ("CC-BY-4.0", False),
        ("Unicode-3.0 AND NCSA", False),
        ("Apache-2.0", False),
        ("Tencent", False),
    ],
)
def test_non_commercial(licence: str, expected: bool) -> None:
    assert is_non_commercial(licence) is expected


STEPS = {"into-arabic": "translate", "ask": "instruct"}


@pytest.mark.parametrize(
    ("tags", "origin", "expected"),
    [
        ((), Origin("s", "k", ""), "authentic"),
        ((), Origin("s", "k", "", step="ask", parameters="f"), "authentic"),
        ((), Origin("s", "k", "", step="into-arabic"), "translated"),
        ((), Origin("s", "k", "", step="ask", service="translator", model="m"), "translated"),
        ((), Origin("s", "k", "", step="more", service="chat", model="m"), "synthetic"),
        (("made:translated",), Origin("s", "k", "", model="m"), "translated"),
        (("translated:en",), Origin("s", "k", ""), "translated"),
        (("made:synthetic",), Origin("s", "k", "", step="into-arabic"), "synthetic"),
        (("concept:translator",), Origin("s", "k", ""), "authentic"),
    ],
)
def test_making(tags: tuple[str, ...], origin: Origin, expected: str) -> None:
    assert provenance(sample("ar", ("ما", "هو"), origins=(origin,), tags=tags), STEPS) == expected


def test_steps_of_a_recipe() -> None:
    assert step_uses(RECIPE) == STEPS
    assert step_uses("a: [") == {}
    assert step_uses("transforms: x") == {}
