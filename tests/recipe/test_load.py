"""What a person sees who made a mistake in a recipe."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from polysee.recipe.load import dump_recipe, load_recipe
from polysee.recipe.models import Recipe
from polysee.recipe.problems import RecipeError
from polysee.schema.errors import UserError

SAMPLE = Path(__file__).parent.parent / "data" / "recipe.yaml"

HEAD = "name: x\nsources: [{name: a, use: llava, params: {path: a.json, language: en}}]\n"
"""Two lines that are right, so that a mistake below them is the only one."""

STAGE = (
    "tokenizer: {}\nmodel: {}\nstages:\n  - name: align\n    train: [connector]\n    learning_rate: {connector: 1e-3}\n"
)
"""Lines 3 to 8 of a recipe with a stage; a case adds ``steps`` and more from line 9 on."""

GOLDEN = {
    "unknown key": (
        HEAD + "mix:\n  temprature: 2\n",
        "r.yaml:4:3: mix.temprature: unknown key\nhint: did you mean `temperature`?",
    ),
    "unknown key at the top": (
        HEAD + "tolerence: 0.1\n",
        "r.yaml:3:1: tolerence: unknown key\nhint: did you mean `tolerance`?",
    ),
    "unknown key with nothing near": (
        HEAD + "mix: {zzzz: 2}\n",
        "r.yaml:3:7: mix.zzzz: unknown key\nhint: known keys: temperature",
    ),
    "unknown key in an entry of a list": (
        HEAD + STAGE + "    steps: 5\n    warmup: 3\n",
        "r.yaml:10:5: stages.align.warmup: unknown key\nhint: did you mean `warmup_steps`?",
    ),
    "unknown key in params": (
        "name: x\nsources:\n- name: a\n  use: llava\n  params:\n    path: a.json\n    langauge: ar\n    language: ar\n",
        "r.yaml:7:5: sources.a.params.langauge: unknown key\nhint: did you mean `language`?",
    ),
    "unknown key of a closed mapping": (
        HEAD + "tokenizer: {}\nmodel: {}\nstages:\n- name: s\n  train: [vision]\n  steps: 1\n"
        "  learning_rate: {vision: 1e-3, visoin: 1}\n",
        "r.yaml:9:33: stages.s.learning_rate.visoin: unknown key\nhint: did you mean `vision`?",
    ),
    "missing key": (
        HEAD + STAGE,
        "r.yaml:6:5: stages.align.steps: missing\nhint: add `steps`: a whole number of at least 1",
    ),
    "wrong type": (
        HEAD + STAGE + "    steps: many\n",
        "r.yaml:9:12: stages.align.steps: expected a whole number of at least 1, got 'many'\n"
        "hint: write a whole number of at least 1",
    ),
    "number in quotes": (
        HEAD + "seed: '7'\n",
        "r.yaml:3:7: seed: expected a whole number of at least 0 and below 4,294,967,296, got '7'\n"
        "hint: write 7 without quotes, underscores or commas",
    ),
    "number with underscores": (
        HEAD + "seed: 1_000\n",
        "r.yaml:3:7: seed: expected a whole number of at least 0 and below 4,294,967,296, got '1_000'\n"
        "hint: write 1000 without quotes, underscores or commas",
    ),
    "true is no number": (
        HEAD + "workers: true\n",
        "r.yaml:3:10: workers: expected a whole number from 1 to 1,024, got true\n"
        "hint: write a whole number from 1 to 1,024, or leave it out to take 2",
    ),
    "fraction": (
        HEAD + "workers: 2.5\n",
        "r.yaml:3:10: workers: expected a whole number from 1 to 1,024, got 2.5\n"
        "hint: write a whole number from 1 to 1,024, or leave it out to take 2",
    ),
    "out of range": (
        "name: x\nsources: [{name: a, use: llava, repeat: 9, params: {path: a.json, language: en}}]\n",
        "r.yaml:2:41: sources.a.repeat: expected a number above 0 and at most 4, got 9\n"
        "hint: write a number above 0 and at most 4, or leave it out to take 1.0",
    ),
    "not a number": (
        HEAD + "tolerance: .nan\n",
        "r.yaml:3:12: .nan is not a finite number\nhint: write a number",
    ),
    "too large for a float": (
        HEAD + "tolerance: 1e999\n",
        "r.yaml:3:12: 1e999 is not a finite number\nhint: write a number",
    ),
    "not one of the choices": (
        HEAD + STAGE.replace("[connector]", "[conector]") + "    steps: 5\n",
        "r.yaml:7:13: stages.align.train.0: expected one of `vision`, `connector`, `language`, got 'conector'\n"
        "hint: did you mean `connector`?",
    ),
    "a word where a list belongs": (
        HEAD + STAGE.replace("[connector]", "connector") + "    steps: 5\n",
        "r.yaml:7:12: stages.align.train: expected a list of at least 1 (each entry: one of `vision`, `connector`, "
        "`language`), got 'connector'\nhint: write a list: [connector]",
    ),
    "a number where text belongs": (
        HEAD.replace("name: x", "name: 2026"),
        "r.yaml:1:7: name: expected text of the form `name-2` (small letters a to z, digits, hyphens), got 2026\n"
        'hint: put quotes around it: "2026"',
    ),
    "a name with a space": (
        HEAD.replace("name: x", "name: my run"),
        "r.yaml:1:7: name: expected text of the form `name-2` (small letters a to z, digits, hyphens), got 'my run'\n"
        "hint: write text of the form `name-2` (small letters a to z, digits, hyphens)",
    ),
    "a name that leaves the folder": (
        HEAD.replace("name: x", "name: ../../etc"),
        "r.yaml:1:7: name: expected text of the form `name-2` (small letters a to z, digits, hyphens), "
        "got '../../etc'\nhint: write text of the form `name-2` (small letters a to z, digits, hyphens)",
    ),
    "an empty section": (
        HEAD + "mix:\nseed: 1\n",
        "r.yaml:3:1: mix: expected a mapping, got nothing\nhint: write a mapping, or remove the key",
    ),
    "no sources": (
        "name: x\nsources: []\n",
        "r.yaml:2:10: sources: a recipe needs at least one source\nhint: add an entry to `sources:`",
    ),
    "unknown source": (
        "name: x\nsources: [{name: a, use: lava}]\n",
        "r.yaml:2:26: sources.a.use: no source is called 'lava'\nhint: did you mean 'llava'?",
    ),
    "a part's own check": (
        HEAD + "model:\n  vision: {hidden: 130}\n",
        "r.yaml:4:20: model.vision.hidden: hidden (130) must be a multiple of heads (4)\n"
        "hint: change `hidden`, or what it is held against",
    ),
    "a name twice": (
        HEAD + "select:\n- name: a\n  where: task = 'x'\n",
        "r.yaml:4:9: select.a.name: the name `a` is taken by an entry of `sources`\n"
        "hint: give every source, transform, score, select and stage a name of its own",
    ),
    "a reserved name": (
        HEAD.replace("name: a,", "name: report,"),
        "r.yaml:2:18: sources.report.name: polysee has a step of its own called `report`\n"
        "hint: call it `my-report`, say",
    ),
    "a name that a stage's step has": (
        HEAD.replace("name: a,", "name: pack-align,") + STAGE + "    steps: 5\n",
        "r.yaml:2:18: sources.pack-align.name: polysee has a step of its own called `pack-align`\n"
        "hint: call it `my-pack-align`, say",
    ),
    "a select that is no identifier": (
        HEAD + "select: [{name: keep-good, where: task = 'x'}]\n",
        "r.yaml:3:17: select.keep-good.name: expected text of the form `name_2` (small letters a to z, digits, "
        "underscores), got 'keep-good'\nhint: write text of the form `name_2` (small letters a to z, digits, "
        "underscores)",
    ),
    "stages without a model": (
        HEAD + "tokenizer: {}\nstages: [{name: s, train: [vision], steps: 1, learning_rate: {vision: 1}}]\n",
        "r.yaml:4:9: stages: this needs a `model` section\nhint: add `model:` to the recipe",
    ),
    "an image that fits no pack": (
        HEAD + STAGE + "    steps: 5\n    image_tiles: 12\n    max_tiles: 12\n",
        "r.yaml:11:16: stages.align.max_tiles: one image can take 13 tiles (image_tiles 12, and a thumbnail where it "
        "is cut), a pack holds 12\nhint: set max_tiles to 13 or more, or image_tiles to 11",
    ),
    "an image with too many tokens": (
        HEAD + STAGE + "    steps: 5\n    max_tokens: 112\n",
        "r.yaml:10:17: stages.align.max_tokens: one image can take 7 tiles (image_tiles 6, and a thumbnail where it "
        "is cut) of 16 tokens: 112 tokens, a pack holds 112\nhint: set max_tokens well above 112, or image_tiles lower",
    ),
    "measured on what was trained on": (
        HEAD + "evaluate:\n  splits: [scenes, train]\n",
        "r.yaml:4:20: evaluate.splits.1: what was trained on cannot measure a model\nhint: name held-out splits only",
    ),
    "a curve of one checkpoint": (
        HEAD + STAGE + "    steps: 5\n    keep_every: 5\nevaluate:\n  checkpoints: all\n",
        "r.yaml:12:16: evaluate.checkpoints: a curve needs two checkpoints, and one stage of 5 steps makes one\n"
        "hint: let the stage keep more: give it `keep_every`, below its steps",
    ),
    "a distortion that does not exist": (
        HEAD + STAGE + "    steps: 5\nevaluate:\n  tasks: [{task: a, metric: choice, distortions: [blurr]}]\n",
        "r.yaml:11:51: evaluate.tasks.0.distortions.0: expected one of `blur`, `noise`, `jpeg`, `contrast`, "
        "`pixelate`, got 'blurr'\nhint: did you mean `blur`?",
    ),
    "a column that does not exist": (
        HEAD + "select:\n- name: b\n  where: langauge = 'no'\n",
        "r.yaml:5:10: select.b.where: there is no column `langauge`\nhint: did you mean `language`?",
    ),
    "no condition": (
        HEAD + "select:\n- name: b\n  where: language\n",
        "r.yaml:5:10: select.b.where: this is not a condition\nhint: compare something, such as `quality >= 0.85`",
    ),
    "two statements": (
        HEAD + "select:\n- name: b\n  where: task = ';'; drop\n",
        "r.yaml:5:10: select.b.where: a predicate has no `;`\nhint: write one condition, such as `language = 'ar'`",
    ),
    "duplicate key": (
        HEAD + "seed: 1\nseed: 2\n",
        "r.yaml:4:1: duplicate key `seed`\nhint: keep one of the two; the first is in line 3",
    ),
    "tab": ("name: x\nmix:\n\ttemperature: 2\n", "r.yaml:3:1: a tab cannot indent YAML\nhint: use spaces"),
    "a stray indentation": (
        "name: x\n  seed: 1\n",
        "r.yaml:2:7: a `key: value` cannot stand here\n"
        "hint: indent this line like its neighbours, or put quotes around a value that holds `: `",
    ),
    "an open bracket": (
        "name: x\nmix: {temperature: 2\n",
        "r.yaml:3:1: this is not valid YAML: expected ',' or '}', but got '<stream end>'\nhint: close the bracket",
    ),
    "two documents": (
        "name: x\n---\nname: y\n",
        "r.yaml:2:1: a second document starts here\nhint: the file is one document: remove the `---`",
    ),
    "a merge key": (
        "<<: {seed: 1}\n" + HEAD,
        "r.yaml:1:1: merge keys (<<) are not part of YAML 1.2\nhint: repeat the keys that you need",
    ),
    "a Python object": (
        HEAD + "seed: !!python/object/apply:os.getcwd []\n",
        "r.yaml:3:7: the tag tag:yaml.org,2002:python/object/apply:os.getcwd is not allowed here\n"
        "hint: remove the tag; write a plain value",
    ),
    "a list": (
        "- name: x\n",
        "r.yaml:1:1: a recipe is a mapping of keys to values, this is a list of 1\nhint: start with `name: my-run`",
    ),
    "empty": ("# nothing yet\n", "r.yaml:1:1: the recipe is empty\nhint: start with `name: my-run`"),
    "a control character": (
        "name: x\nmix: \x07\n",
        "r.yaml:2:6: the control character U+0007 has no place in YAML\nhint: delete it",
    ),
}


def complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, *overrides: str) -> str:
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        load_recipe("r.yaml", overrides)
    return str(caught.value)


@pytest.mark.parametrize("case", GOLDEN)
def test_each_mistake_has_its_line_and_its_fix(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, expected = GOLDEN[case]
    found = complaint(tmp_path, monkeypatch, text).split("\nerror: ")
    assert expected in found
    assert len(found) <= (3 if case == "a Python object" else 1), found


def test_all_mistakes_at_once_in_the_order_of_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "name: X\nsources:\n- {name: a, use: llava, params: {path: 3, language: no}}\n- {name: a, use: nope}\n"
        "mix: {temperature: hot}\nselect: [{name: s, where: nothing = 1}]\nstages: [{nam: t}]\n"
    )
    found = complaint(tmp_path, monkeypatch, text, "seeed=3").split("\nerror: ")
    assert [problem.split(": ")[0] for problem in found] == [
        "r.yaml:1:7",
        "r.yaml:3:40",
        "r.yaml:4:10",
        "r.yaml:4:18",
        "r.yaml:5:20",
        "r.yaml:6:27",
        *["r.yaml:7:9"] * 2,  # needs a model and a tokenizer
        *["r.yaml:7:10"] * 4,  # name, train, steps, learning_rate
        "r.yaml:7:11",
        "--set seeed",
    ]


def test_error_keeps_all_problems_when_pickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text("nam: x\nseed: q\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe("r.yaml")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert (again.place, len(again.problems)) == ("r.yaml:1:1", len(caught.value.problems))
    assert len(again.problems) == 4


def test_norwegian_is_text_and_small_numbers_are_numbers() -> None:
    recipe = load_recipe(SAMPLE)
    assert recipe.sources[0].params["language"] == "no"
    assert recipe.stages[0].learning_rate == {"connector": 0.001}
    assert recipe.stages[1].learning_rate["vision"] == 1e-5
    assert recipe.sources[1].params["path"] == "data/كتب.jsonl"


def test_defaults_of_parameters_are_filled_in() -> None:
    recipe = load_recipe(SAMPLE)
    assert recipe.sources[0].params["split"] == "train"
    assert recipe.sources[0].parsed_params().model_dump(mode="json") == recipe.sources[0].params


def test_file_that_is_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = complaint(tmp_path, monkeypatch, b"name: x\nmix: {}  # " + "é".encode("latin-1"))
    assert said == "r.yaml:2:12: the byte 0xE9 is not UTF-8\nhint: save the file as UTF-8"


def test_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert load_recipe(path).name == "x"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a: &a [*a]\n", "an alias refers to itself"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdef", "bcdefg", strict=True)
        ), "more than 100,000 values"),
        ("[" * 60 + "]" * 60, "more than 50 levels"),
        ("[" * 2_000, "this is not valid YAML (RecursionError)"),
    ],
)  # fmt: skip
def test_hostile_yaml_ends_in_a_message(text: str, cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cause in complaint(tmp_path, monkeypatch, text)


def test_missing_file_directory_and_huge_file(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * ((1 << 20) + 1))
    for path, cause in ((tmp_path / "no.yaml", "no such file"), (tmp_path, "a directory"), (huge, "too many")):
        with pytest.raises(UserError, match=cause) as caught:
            load_recipe(path)
        assert caught.value.place == str(path)


def test_dump_reads_back_equal_also_by_yaml_1_1(tmp_path: Path) -> None:
    recipe = load_recipe(SAMPLE)
    path = tmp_path / "recipe.yaml"
    path.write_text(dump_recipe(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe
    old = YAML(typ="safe", pure=True)
    old.version = (1, 1)
    assert json.dumps(old.load(path)) == json.dumps(recipe.model_dump(mode="json"))


@settings(max_examples=60, deadline=None)
@given(
    where=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    values=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from(["no", "1e-3", "~", "", " x", "a: b", "- a", "#", "नमस्ते", "አማርኛ", "⁧x", "\u2028", "\x85"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["k", "no", "ключ"]), inner),
        max_leaves=6,
    ),
)  # fmt: skip
def test_any_recipe_survives_dump_and_parse(where: str, values: object) -> None:
    from polysee.schema.document import parse

    source = {"name": "a", "use": "llava", "params": {"value": values}}
    tree = {"name": "x", "sources": [source], "select": [{"name": "s", "where": where}]}
    recipe = Recipe.model_validate_json(json.dumps(tree))
    document = parse(dump_recipe(recipe), "r")
    assert document.problems == ()
    assert document.value == recipe.model_dump(mode="json")


def test_recipe_made_in_python_is_checked_too() -> None:
    with pytest.raises(ValueError, match=r"sources\.1\.name: the name `a` is taken"):
        Recipe.model_validate({"name": "x", "sources": [{"name": "a", "use": "llava"}] * 2})


def test_condition_is_stored_as_nfc(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(HEAD + "select: [{name: s, where: \"task = 'e\u0301'\"}]\n", encoding="utf-8")
    assert load_recipe(path).select[0].where == "task = 'é'"
