"""The catalogue against the papers, and its own rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from polysee import sources
from polysee.schema.errors import UserError
from polysee.sources import catalogue
from polysee.text.languages import is_known

ENTRIES = catalogue.entries()


def _rows(paper: str, table: int) -> list[tuple[catalogue.Entry, catalogue.TableRow]]:
    return [(one, row) for one in ENTRIES for row in one.rows if (row.paper, row.table) == (paper, table)]


def test_the_papers_totals_and_their_rows() -> None:
    found = {(one.paper, one.table): (one.printed, one.rows) for one in catalogue.totals()}
    assert found == {
        ("m3it", 7): (None, 2_006_964),
        ("m3it", 3): (2_005_264, 2_005_264),
        ("visionblocks", 8): (6_313_286, 6_351_515),
    }


def test_where_visionblocks_totals_part() -> None:
    rows = {one.name: row.samples or 0 for one, row in _rows("visionblocks", 8)}
    several = sum(
        n for name, n in rows.items() if name.startswith(("pangea-", "culturalground-")) or "translated" in name
    )
    assert (several, sum(rows.values()) - several) == (2_330_655, 4_020_860)


def test_where_m3its_two_tables_part() -> None:
    rows = [row for _, row in _rows("m3it", 7)]
    assert len(rows) == 40
    chinese = sum(row.val or 0 for row in rows if row.section == "Chinese")
    reasoning = sum(row.test or 0 for row in rows if row.section == "Reasoning")
    # Table 3 says 77,306 and 10,000: together the 1,700 by which the tables differ.
    assert (chinese - 77_306, reasoning - 10_000) == (900, 800)


def test_every_row_of_every_table_is_there() -> None:
    assert len(_rows("visionblocks", 8)) == 30
    assert len(_rows("internvl", 4)) == 137
    assert len(_rows("internvl", 5)) == 189
    assert all(one.rows for one in ENTRIES)
    assert sum(row.samples or 0 for _, row in _rows("visionblocks", 8) if row.tag.startswith("Translated")) == 1_065_396


def test_m3it_holds_out_video_chinese_viquae_and_winoground() -> None:
    held = {one.name for one, row in _rows("m3it", 7) if row.used is False}
    by_section = {one.name for one, row in _rows("m3it", 7) if row.section in ("Video", "Chinese")}
    assert held == by_section | {"viquae", "winoground"}
    assert all(catalogue.entry(name).held_out for name in held)


def test_translated_sets_are_for_evaluation_only_in_80_languages() -> None:
    found = [one for one in ENTRIES if one.evaluation_only and one.name != "winoground"]
    assert len(found) == 7
    assert {(len(one.languages), one.origin, one.adapter) for one in found} == {(80, "translated", "m3it-translated")}


@pytest.mark.parametrize("one", ENTRIES, ids=lambda one: one.name)
def test_an_entry_is_sound(one: catalogue.Entry) -> None:
    assert all(is_known(tag) for tag in one.languages)
    assert len(set(one.languages)) == len(one.languages)
    assert one.adapter is None or one.adapter in sources.names()
    assert all(is_known(tag) for row in one.rows for tag in row.languages)


def test_all_of_m3it_and_visionblocks_has_adapters() -> None:
    assert [one.name for one in ENTRIES if {"m3it", "visionblocks"} & set(one.papers) and one.adapter is None] == []


def test_search() -> None:
    assert [one.name for one in catalogue.search(["GQA"], paper="m3it")] == ["gqa"]
    vietnamese = {one.name for one in catalogue.search(language="vi") if not one.evaluation_only}
    assert vietnamese == {"mtvqa", "viet-sharegpt4o", "pangea-cultural", "pangea-multi"}
    for called in ("VI", "Vietnamese", "tiếng việt"):
        assert catalogue.search(language=called) == catalogue.search(language="vi")
    with pytest.raises(UserError, match="'klingonisch' is no language"):
        catalogue.search(language="klingonisch")
    assert {one.use for one in catalogue.search(use="held-out")} == {"held-out"}
    assert {one.origin for one in catalogue.search(origin="translated")} == {"translated"}
    assert [one.name for one in catalogue.search(["InfoVQA"])] == ["infographicvqa"]
    assert {"pixmo-cap-translated", "llava-video-178k-translated"} <= {
        one.name for one in catalogue.search(language="pt")
    }
    assert catalogue.search(["held", "out"], language="zh", task="dialogue") == [catalogue.entry("mmchat")]
    assert all(one.adapter is None for one in catalogue.search(adapter="none"))
    assert {one.licence for one in catalogue.search(licence="cc-by-nc")} == {"CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"}
    assert catalogue.search(["no such words"]) == []


def test_internvl_rows_have_the_papers_spelling() -> None:
    printed = {(row.table, one.name): row.printed for one in ENTRIES for row in one.rows if row.paper == "internvl"}
    assert printed[4, "coco-captions"] == "COCO-Caption"
    assert (printed[4, "textcaps"], printed[5, "textcaps"]) == ("TextCap", "TextCaps")
    assert (printed[4, "refcoco"], printed[5, "refcoco"]) == ("RefCOCO", "RefCOCO/+/g")
    assert printed[5, "mtvqa"] == "MTVQA"


def test_languages_by_name() -> None:
    called = {"arabic": "ar", "हिन्दी": "hi", "አማርኛ": "am", "中文": "zh", "ARABIC ": "ar"}
    assert {name: catalogue.named(name) for name in called} == called
    assert catalogue.named("ar") is None


def test_ids_on_the_hub_that_are_for_evaluation_only() -> None:
    assert catalogue.evaluation_only_hub("mminstruction/m3it-80") == "m3it-80-imagenet"
    assert catalogue.evaluation_only_hub("facebook/winoground") == "winoground"
    assert catalogue.evaluation_only_hub("lmms-lab/GQA") is None


def test_a_name_that_is_nearly_right() -> None:
    with pytest.raises(UserError, match="not in the catalogue") as error:
        catalogue.entry("A-OKVQ")
    assert "a-okvqa" in error.value.fix


def test_the_page_has_the_catalogue_as_it_is() -> None:
    import runpy

    root = Path(__file__).parents[3]
    made = runpy.run_path(str(root / "scripts" / "build_catalogue_docs.py"))["page"]()
    assert (root / "docs" / "catalogue.md").read_text(encoding="utf-8") == made, "run scripts/build_catalogue_docs.py"
