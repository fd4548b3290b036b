"""The leaderboard as a browser reads it: well nested, closed to the net, right in every script, and true."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest
from markup import Element, parse
from small_run import SCRIPT

from polysee.report.leaderboard import Options, write_leaderboard
from polysee.report.leaderboard_data import read_board
from polysee.schema.errors import UserError

OPTIONS = Options(resamples=200, checkpoints=True, cards=24)
HOSTILE = f"نموذج {SCRIPT}"


@pytest.fixture(scope="module")
def runs(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    """A run, a model that answers much worse, and scores alone."""
    folder = tmp_path_factory.mktemp("board")
    scores = json.loads((finished / "scores.json").read_text(encoding="utf-8"))
    for row in scores["tasks"]:
        row["held_in"] = row["task"] == "naming"
    for name in ("worse", "scores"):
        (folder / name).mkdir()
        (folder / name / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    table = lance.dataset(str(finished / "predictions.lance")).to_table()
    choice = np.asarray(table["metric"].to_pylist()) == "choice"
    value = table["score"].to_numpy().copy()
    value[choice & (np.arange(len(value)) % 3 > 0)] = 0.0
    place = table.schema.get_field_index("score")
    worse = table.set_column(place, table.schema.field("score"), pa.array(value))
    lance.write_dataset(worse, str(folder / "worse" / "predictions.lance"))
    return [("worse", folder / "worse"), (HOSTILE, finished), ("scores", folder / "scores")]


@pytest.fixture(scope="module")
def text(runs: list[tuple[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "board.html"
    return write_leaderboard(runs, out, OPTIONS).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Element:
    return parse(text)


def _rows(page: Element, section: str) -> dict[str, list[Element]]:
    [found] = [one for one in page.all("section") if one.attributes.get("id") == section]
    return {row.all("th")[0].text: row.all("td") for row in found.all("tbody")[0].all("tr")}


def test_loads_nothing_and_allows_only_its_own_script(text: str, page: Element) -> None:
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert page.all("script")[0].text
    assert len(page.all("script")) == 1
    [policy] = [one.attributes["content"] for one in page.all("meta") if "http-equiv" in one.attributes]
    for tag in ("style", "script"):
        inner = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(inner) == 1
        digest = base64.b64encode(hashlib.sha256(inner[0].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<[^>]+\sstyle=", text)
    assert not re.search(r"<[^>]+\son\w+=", text)


def test_names_and_answers_are_text(text: str) -> None:
    assert SCRIPT not in text
    assert "نموذج &lt;script&gt;" in text


def test_equal_runs_give_equal_bytes(runs: list[tuple[str, Path]], text: str, tmp_path: Path) -> None:
    assert write_leaderboard(runs, tmp_path / "again.html", OPTIONS).read_text(encoding="utf-8") == text
    assert str(tmp_path) not in text


def test_the_best_comes_first_and_the_worse_is_marked(page: Element) -> None:
    rows = _rows(page, "overall")
    assert list(rows)[2] == "worse"
    assert "worse than the best" in rows["worse"][1].text
    assert "best" in rows[HOSTILE][1].text
    values = [float(cells[1].attributes["data-sort"]) for cells in rows.values()]
    assert values == sorted(values, reverse=True)
    assert rows["scores"][2].text == ""


def test_significance_against_a_model_with_answers(runs: list[tuple[str, Path]]) -> None:
    board = read_board(runs[:2], resamples=200, seed=0)
    worse, best = board.overall
    assert best.best
    assert best.against is None
    assert worse.worse
    assert worse.against is not None
    assert worse.against.value == pytest.approx(worse.value.value - best.value.value)
    assert worse.value.low is not None
    assert worse.value.low <= worse.value.value
    languages = board.marks(board.languages)
    assert {tag for tag, mark in languages[1].items() if mark.best} >= {"am", "ar"}


def test_equals_are_all_best(runs: list[tuple[str, Path]]) -> None:
    board = read_board([*runs, ("again", runs[1][1])], resamples=200, seed=0)
    assert [mark.best for mark in board.overall] == [False, True, True, True]
    assert board.overall[3].against is None or board.overall[3].against.value == 0.0
    for rows in board.marks(board.languages)[1:]:
        assert sum(mark.best for mark in rows.values()) == sum(
            mark.best for mark in board.marks(board.languages)[1].values()
        )


def test_every_language_in_its_own_script_and_direction(page: Element) -> None:
    [section] = [one for one in page.all("section") if one.attributes.get("id") == "languages"]
    heads = {b.attributes["lang"]: b.text for b in section.all("bdi") if "lang" in b.attributes}
    assert heads["ar"] == "العربية"
    assert heads["th"] == "ไทย"
    cards = {card.attributes["data-language"]: card for card in page.all("article")}
    assert set(cards) >= {"ar", "zh-Hant", "he"}
    for tag, card in cards.items():
        assert card.all("dl")[0].attributes["dir"] == ("rtl" if tag in ("ar", "he", "ur") else "ltr")


def test_cells_say_what_was_trained_on(page: Element) -> None:
    cells = _rows(page, "languages")
    assert any("trained on this dataset" in cell.text for cell in cells["worse"])
    assert not any("trained on this dataset" in cell.text for cell in cells[HOSTILE])


def test_cards_show_pictures_of_what_one_model_lost(page: Element) -> None:
    cards = page.all("article")
    assert 0 < len(cards) <= OPTIONS.cards
    assert all(card.attributes["data-winner"] == "second" for card in cards)
    images = [image for card in cards for image in card.all("img")]
    assert images
    assert all(image.attributes["src"].startswith("data:image/webp;base64,") for image in images)
    assert all(image.attributes["alt"] for image in images)


def test_curves_over_checkpoints(page: Element) -> None:
    [section] = [one for one in page.all("section") if one.attributes.get("id") == "checkpoints"]
    labels = [svg.attributes["aria-label"] for svg in section.all("svg")]
    assert labels[0].startswith("Overall score over 3 checkpoints")
    assert any(label.startswith("Arabic: from") for label in labels)
    assert any(label.startswith("naming: from") for label in labels)


def test_ability_by_language(page: Element) -> None:
    [section] = [one for one in page.all("section") if one.attributes.get("id") == "matrix"]
    assert [details.all("summary")[0].text for details in section.all("details")]
    assert section.all("tbody")[0].all("tr")[0].all("th")[0].text == "naming"


def test_notes_say_what_is_missing(page: Element) -> None:
    [notes] = page.all("aside")
    assert "scores: scores only" in notes.text


def test_what_cannot_be_compared(runs: list[tuple[str, Path]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither answers nor scores"):
        read_board([("a", tmp_path)], resamples=100, seed=0)
    with pytest.raises(UserError, match="two models are called"):
        read_board([("a", tmp_path), ("a", tmp_path)], resamples=100, seed=0)
    with pytest.raises(UserError, match="no model is called"):
        write_leaderboard(runs, tmp_path / "x.html", Options(duel=("a", "b"), resamples=100))
    (tmp_path / "scores.json").write_text('{"tasks": [{"baseline": null}]}', encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        read_board([("a", tmp_path)], resamples=100, seed=0)
    (tmp_path / "scores.json").write_text('{"tasks": []}', encoding="utf-8")
    with pytest.raises(UserError, match="in common"):
        read_board([("a", tmp_path), runs[1]], resamples=100, seed=0)


def test_one_model_alone(runs: list[tuple[str, Path]], tmp_path: Path) -> None:
    out = write_leaderboard(runs[1:2], tmp_path / "one.html", Options(resamples=100))
    page = parse(out.read_text(encoding="utf-8"))
    assert not page.all("article")
    assert len(_rows(page, "overall")) == 1
