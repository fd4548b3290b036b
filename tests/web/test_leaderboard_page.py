"""The leaderboard in a browser: fits, sorts, filters, and has two themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import LAYOUT, Browser
from made_answers import model, write

from polysee.report.leaderboard import Options, write_leaderboard


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaderboard")
    tags = ("am", "ar", "de", "el", "en", "fa", "fr", "he", "hi", "ja", "ka", "ko", "ru", "th", "tr", "ur", "zh")
    runs = [
        (name, write(folder / name, model(seed, pictures=20, tags=tags, rate=rate)))
        for name, seed, rate in (("قديم", 1, 0.4), ("new", 2, 0.7), ("mid", 3, 0.55))
    ]
    return write_leaderboard(runs, folder / "board.html", Options(resamples=100, checkpoints=True))


@pytest.fixture(scope="module")
def browser(page: Path) -> Iterator[Browser]:
    with Browser() as one:
        yield one


@pytest.mark.parametrize("window", [(390, 844), (1280, 900)])
def test_fits(browser: Browser, page: Path, window: tuple[int, int]) -> None:
    browser.window(*window)
    browser.open(page.as_uri())
    found = browser.evaluate(LAYOUT)
    assert found["scroll"] <= found["width"], found
    assert not found["small"]


def test_sorts_filters_and_changes_theme(browser: Browser, page: Path) -> None:
    browser.window(1280, 900)
    browser.open(page.as_uri())
    column = """(() => {
      const table = document.querySelector('#languages table');
      table.querySelectorAll('.sort')[3].click();
      return [...table.tBodies[0].rows].map(row => Number(row.cells[3].dataset.sort));
    })()"""
    down = browser.evaluate(column)
    assert down == sorted(down, reverse=True)
    assert browser.evaluate(column) == sorted(down)
    names = "(() => { const t = document.querySelector('#overall table'); t.querySelector('.sort').click();"
    names += " return [...t.tBodies[0].rows].map(row => row.cells[0].dataset.sort); })()"
    assert browser.evaluate(names)[:2] == ["mid", "new"]
    shown = "[...document.querySelectorAll('article.answer')].filter(e => !e.hidden).map(e => e.dataset.language)"
    browser.evaluate("document.querySelector('#duel-language').value = 'ar'")
    browser.evaluate("document.querySelector('#duel-pickers').dispatchEvent(new Event('change'))")
    assert set(browser.evaluate(shown)) == {"ar"}
    assert browser.evaluate("getComputedStyle(document.querySelector('article:not([hidden]) dl')).direction") == "rtl"
    paper = "getComputedStyle(document.body).backgroundColor"
    before = browser.evaluate(paper)
    browser.evaluate("document.querySelector('#theme').click()")
    assert browser.evaluate(paper) != before
