"""``--set``."""

from __future__ import annotations

from pathlib import Path

import pytest

from polysee.recipe.load import load_recipe
from polysee.schema.errors import UserError

SAMPLE = Path(__file__).parent.parent / "data" / "recipe.yaml"


def test_values_are_yaml_and_entries_go_by_name_or_number() -> None:
    recipe = load_recipe(
        SAMPLE,
        [
            "mix.temperature=3",
            "stages.0.steps=5",
            "stages.tune.steps=6",
            "stages.tune.learning_rate={vision: 1e-3, connector: 2e-3, language: 3e-3}",
            "sources.web.params.language=ja",
            "stages.align.train=[connector, language]",
            "stages.align.learning_rate.language=1e-4",
            "report=null",
        ],
    )
    assert recipe.mix.temperature == 3.0
    assert [stage.steps for stage in recipe.stages] == [5, 6]
    assert recipe.stages[1].learning_rate == {"vision": 1e-3, "connector": 2e-3, "language": 3e-3}
    assert recipe.stages[0].train == ("connector", "language")
    assert recipe.sources[0].params["language"] == "ja"
    assert recipe.report is None


def test_norwegian_and_the_last_word_wins() -> None:
    recipe = load_recipe(SAMPLE, ["sources.web.params.language=yes", "sources.web.params.language=no"])
    assert recipe.sources[0].params["language"] == "no"


def test_a_section_that_is_not_there_is_made() -> None:
    recipe = load_recipe(SAMPLE, ["select=[{name: s, where: \"language = 'ar'\"}]", "report.gallery=3"])
    assert recipe.select[0].where == "language = 'ar'"
    assert recipe.report is not None
    assert recipe.report.gallery == 3


def test_equals_signs_in_the_value() -> None:
    recipe = load_recipe(SAMPLE, ["select=[{name: s, where: task = 'a'}]", "select.s.where=task = 'b' AND split != ''"])
    assert recipe.select[0].where == "task = 'b' AND split != ''"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("mix.temprature=2", "--set mix.temprature: unknown key\nhint: did you mean `temperature`?"),
        ("stages.tun.steps=2", "--set stages.tun.steps: stages has no entry `tun`\nhint: did you mean `tune`?"),
        ("stages.7.steps=2", "--set stages.7.steps: stages has no entry `7`\nhint: entries: align, tune"),
        (
            "stages.tune.steps=0",
            "--set stages.tune.steps: expected a whole number of at least 1, got 0\n"
            "hint: write a whole number of at least 1",
        ),
        (
            "sources.web.params.langauge=ar",
            "--set sources.web.params.langauge: unknown key\n"
            "hint: did you mean `language`?",
        ),
        (
            "name.first=x",
            "--set name.first: name is a single value and has no key `first`\n"
            "hint: write --set key.key=value, for instance --set stages.align.steps=5",
        ),
        (
            "seed",
            "--set seed: this is not of the form key=value\n"
            "hint: write --set key.key=value, for instance --set stages.align.steps=5",
        ),
        (
            "mix={a: 1, a: 2}",
            "--set mix: duplicate key `a`\nhint: keep one of the two",
        ),
        ("seed=[1", "--set seed: this is not valid YAML: expected ',' or ']', but got '<stream end>'\n"
         "hint: close the bracket"),
    ],
)  # fmt: skip
def test_mistakes_name_the_option(override: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(SAMPLE, [override])
    assert expected in str(caught.value).split("\nerror: ")


def test_what_is_missing_below_a_new_section_is_said_at_the_option(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: x\nsources: [{name: a, use: llava, params: {path: a.json, language: en}}]\nmodel: {}\n")
    with pytest.raises(UserError) as caught:
        load_recipe(path, ["encoder.batch=3"])
    assert str(caught.value).startswith("--set encoder.batch: encoder.steps: missing")
