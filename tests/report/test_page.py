from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from markup import parse
from small_run import NONE, SCRIPT, TEXT, VISION, manifest

from export_run import make_run as make_export_run
from export_run import shapes
from polysee.report import write_report
from polysee.schema.errors import UserError
from polysee.store.atomic import write_json
from polysee.store.manifest import FunnelRow, ManifestFolder

SECTIONS = ("scores", "gallery", "data", "training", "packs", "recipe", "provenance")


def test_every_section_and_language_is_there(page: str) -> None:
    root = parse(page)
    ids = [e.attributes["id"] for e in root.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert set(SECTIONS) <= set(ids)
    links = {a.attributes["href"] for a in root.all("a")}
    assert {f"#{name}" for name in SECTIONS} <= links
    assert all(link.removeprefix("#") in ids for link in links)
    chips = {bdi.attributes["lang"] for chip in root.all("li", "chip") for bdi in chip.all("bdi")}
    assert chips == {*VISION, *TEXT, *NONE}
    assert "small-run" in root.all("h1")[0].text
    assert not root.all("", "missing") or all("hidden" in e.attributes for e in root.all("", "missing"))


def test_headline_figures_are_those_of_the_files(page: str, finished: Path) -> None:
    macro = json.loads((finished / "scores.json").read_text())["macro"]
    hero = parse(page).all("header", "hero")[0]
    assert hero.all("", "big")[0].text == f"{100 * macro['four_way']:.1f}"
    interval = f"{100 * macro['four_way_low']:.1f}–{100 * macro['four_way_high']:.1f}"
    assert interval in hero.text
    tiles = {t.all("dt")[0].text: t.all("", "value")[0].text for t in hero.all("div", "tile")}
    assert tiles["languages"] == "11"
    assert tiles["scripts"] == "8"
    assert tiles["parameters"] == "4,400"
    assert tiles["training samples"] == "120"


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    for element in parse(page).all():
        for name, value in element.attributes.items():
            if name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
                assert value.startswith(("data:", "#")), (element.tag, name, value[:60])
            assert name != "style", "the policy would block it"
            assert not name.startswith("on"), (element.tag, name)
    style = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_policy_allows_only_this_style_and_this_script(page: str) -> None:
    root = parse(page)
    policy = next(
        m.attributes["content"] for m in root.all("meta") if m.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_html_in_data_is_shown_and_never_runs(copy: Path) -> None:
    recipe = copy / "recipe.yaml"
    text = recipe.read_text().replace("gallery: 22", "gallery: 400").replace("# every value", f"# {SCRIPT} every value")
    recipe.write_text(text)
    page = write_report(copy).read_text()
    root = parse(page)
    assert len(root.all("script")) == 1
    assert "alert(" not in root.all("script")[0].text
    assert {i.attributes["src"][:16] for i in root.all("img")} == {"data:image/webp;"}
    hostile = [c for c in root.all("article", "answer") if "alert" in c.text]
    assert hostile, "the hostile sample is in the gallery"
    assert SCRIPT in hostile[0].all("", "question")[0].text
    assert SCRIPT in hostile[0].all("img")[0].attributes["alt"]
    assert SCRIPT in root.all("pre")[0].text
    provenance = next(e for e in root.all("section") if e.attributes["id"] == "provenance")
    assert SCRIPT in provenance.text


def test_text_carries_its_language_and_direction(page: str) -> None:
    cards = parse(page).all("article", "answer")
    assert {c.attributes["data-language"] for c in cards} == {*VISION, *TEXT, *NONE}
    for card in cards:
        tag = card.attributes["data-language"]
        for dd in card.all("dd"):
            assert dd.attributes["lang"] == tag
            assert dd.attributes["dir"] == "auto"
        for block in (*card.all("p", "question"), *card.all("p", "asked")):
            assert (block.attributes["lang"], block.attributes["dir"]) == (tag, "auto")
        for table in card.all("table", "options"):
            assert table.attributes["dir"] == ("rtl" if tag in ("ar", "he", "ur") else "ltr")
            assert all(th.attributes["dir"] == "auto" for th in table.all("tbody")[0].all("th"))
            assert all(bdi.attributes["dir"] == "ltr" for bdi in table.all("bdi"))
    for name in parse(page).all("bdi", "autonym"):
        assert name.attributes["dir"] == "auto"
        assert name.attributes["lang"]


def test_tables_and_figures_speak_to_screen_readers(page: str) -> None:
    root = parse(page)
    for table in root.all("table"):
        heads = table.all("thead")
        assert heads
        assert all(th.attributes.get("scope") in ("col", "row", "rowgroup") for th in table.all("th"))
        assert all(th.text for th in heads[0].all("th")), table.text[:80]
    for image in root.all("img"):
        assert image.attributes["alt"]
        assert int(image.attributes["width"]) > 0
    for drawing in root.all("svg"):
        assert drawing.attributes.get("aria-hidden") == "true" or (
            drawing.attributes["role"] == "img" and drawing.attributes["aria-label"]
        )
    for region in root.all("", "scroll"):
        if "tabindex" in region.attributes:
            assert region.attributes["aria-label"]


def test_wide_tables_scroll_in_a_box_that_says_so(page: str) -> None:
    root = parse(page)
    boxed = [id(table) for box in root.all("div", "sideways") for table in box.all("table", "heat")]
    assert boxed == [id(table) for table in root.all("table", "heat")] != []
    scrolling = {id(table) for box in root.all("div", "scroll") for table in box.all("table")}
    assert all(id(table) in scrolling for table in root.all("table", "plain"))
    assert re.search(r"\.scroll \{ overflow-x: auto;", page)
    assert re.search(r'\.sideways::before \{ content: "[^"]*sideways', page)


def test_equal_runs_give_equal_bytes(copy: Path) -> None:
    first = write_report(copy).read_bytes()
    os.utime(copy / "scores.json", (1, 1))
    ManifestFolder(copy / "steps", lambda line: None).write(manifest(9, "report", "report"))
    assert write_report(copy).read_bytes() == first
    moved = copy.with_name("elsewhere")
    shutil.copytree(copy, moved)
    assert write_report(moved).read_bytes() == first


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("predictions.lance", "There are no answers yet"),
        ("scores.json", "The model has not been evaluated yet."),
        ("train.jsonl", "This run has not been trained yet."),
        ("plans", "No packs have been planned yet."),
        ("funnel.json", "There is no funnel yet"),
        ("tokenizer", "the run has no tokenizer yet"),
        ("checkpoints", "no checkpoint"),
        ("recipe.yaml", "The run has no recipe.yaml."),
        ("steps", "the samples that they belong to cannot be read"),
        ("media.lance", "the run does not hold this medium"),
    ],
)
def test_a_missing_part_is_said(copy: Path, gone: str, said: str) -> None:
    target = copy / gone
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    page = write_report(copy).read_text()
    assert said in parse(page).text


def test_a_run_that_has_only_begun(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: begun\n")
    root = parse(write_report(tmp_path).read_text())
    assert "begun" in root.all("h1")[0].text
    assert len(root.all("p", "missing")) >= 6


def test_a_recipe_that_makes_data_alone(tmp_path: Path) -> None:
    run = make_export_run(tmp_path / "shapes", *shapes())
    write_json(run / "funnel.json", {"steps": [FunnelRow("clean", "select", "ar", 3, 3).to_json()]})
    (run / "recipe.yaml").write_text("name: shapes\nsources:\n  - {name: world, use: microworld}\n")
    root = parse(write_report(run).read_text(encoding="utf-8"))
    ids = {e.attributes["id"] for e in root.all() if "id" in e.attributes}
    assert ids & set(SECTIONS) == {"data", "recipe", "provenance"}
    assert all(a.attributes["href"].removeprefix("#") in ids for a in root.all("a"))
    assert "Data only: the recipe trains no model." in root.all("header", "hero")[0].text
    for wrong in ("Trained with", "evaluated", "Never seen in training", "no checkpoint", "tokenizer cuts"):
        assert wrong not in root.text, wrong


def test_damaged_files_are_named(copy: Path) -> None:
    (copy / "scores.json").write_text('{"tasks": [{"task": 1}]}')
    (copy / "funnel.json").write_text("{")
    (copy / "plans" / "align.arrow").write_bytes(b"no arrow")
    (copy / "recipe.yaml").write_text("a: [")
    (copy / "checkpoints" / "tune" / "model.safetensors").write_bytes(b"\xff" * 40)
    log = copy / "train.jsonl"
    log.write_text(log.read_text() + '{"stage": "tune", "st')
    notes = parse(write_report(copy).read_text()).all("aside", "notes")[0].text
    for name in ("scores.json", "funnel.json", "plans/align.arrow", "recipe.yaml", "train.jsonl: 1 line"):
        assert name in notes, notes


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run folder"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_unreviewed_words_are_said(page: str) -> None:
    text = parse(page).text
    assert "instruction sentences have not yet been reviewed by native speakers" in text
    assert "words of the microworld have not yet been reviewed" in text


def test_heat_map_has_every_score(page: str, finished: Path) -> None:
    rows = json.loads((finished / "scores.json").read_text())["tasks"]
    panels = parse(page).all("div", "panel")
    cells = [cell for panel in panels for cell in panel.all("td", "cell") if "title" in cell.attributes]
    assert len(cells) == len(rows)
    by_panel = {(p.attributes["data-split"], p.attributes["data-model"]) for p in panels}
    assert by_panel == {(r["split"], r["baseline"] or "") for r in rows}
    hint = next(c.attributes["title"] for c in cells if c.attributes["title"].startswith("Thai"))
    assert re.search(r"% \(\d+\.\d–\d+\.\d\), \d+ answers", hint)
    assert "chance 25 %" in hint
    model = next(p for p in panels if p.attributes["id"] == "heat-scenes-model")
    assert {"mean", "chance", "blank picture"} <= {th.text for th in model.all("tr", "beside") for th in th.all("th")}
