"""The survey as people see it: on a phone, right to left, without a script, and one whole way through by clicks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser import LAYOUT, Browser
from small_survey import QUESTIONS, Visitor, make_survey, served

from polysee.survey.votes import add_tokens

PHONE, SMALL, DESK = (390, 844), (320, 640), (1280, 900)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, list[str]]]:
    folder = tmp_path_factory.mktemp("web") / "survey"
    make_survey(folder, each_criterion=True)
    tokens = add_tokens(folder, 8)
    with served(folder) as (port, _):
        yield port, tokens


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as one:
        yield one


def check(found: dict[str, Any], direction: str) -> None:
    assert found["direction"] == direction
    assert found["scroll"] <= found["width"], f"the page can be scrolled sideways: {found}"
    assert not found["out"]
    assert not found["small"]


@pytest.mark.parametrize(
    ("language", "direction", "window"),
    [("ar", "rtl", PHONE), ("ar", "rtl", DESK), ("he", "rtl", PHONE), ("hi", "ltr", PHONE), ("zh", "ltr", PHONE)],
)
def test_welcome_fits(
    browser: Browser, site: tuple[int, list[str]], language: str, direction: str, window: tuple[int, int]
) -> None:
    port, tokens = site
    browser.forget()
    browser.window(*window)
    browser.open(f"http://127.0.0.1:{port}/t/{tokens[0]}")
    browser.open(f"http://127.0.0.1:{port}/welcome?language={language}")
    assert browser.evaluate("document.documentElement.lang") == language
    check(browser.evaluate(LAYOUT), direction)


@pytest.mark.parametrize(
    ("number", "language", "direction", "window", "places"),
    [(1, "ar", "rtl", SMALL, 6), (2, "he", "rtl", DESK, 1), (3, "en", "ltr", SMALL, 2)],
)
def test_questions_fit_and_read_in_their_own_direction(
    browser: Browser,
    site: tuple[int, list[str]],
    number: int,
    language: str,
    direction: str,
    window: tuple[int, int],
    places: int,
) -> None:
    port, tokens = site
    visitor = Visitor(port)
    visitor.ask(f"/t/{tokens[number]}")
    reads = {f"reads-{question[1]}": "1" for question in QUESTIONS}
    visitor.ask("/welcome", {"language": language, "country": "SA", "agree": "1", "dialect": "", **reads})
    visitor.close()
    browser.forget()
    browser.window(*window)
    browser.open(f"http://127.0.0.1:{port}/t/{tokens[number]}")
    for place in range(1, places + 1):
        browser.open(f"http://127.0.0.1:{port}/question/{place}")
        check(browser.evaluate(LAYOUT), direction)
        shown = browser.evaluate(
            "[...document.querySelectorAll('.text')].map(e => [e.lang, getComputedStyle(e).direction])"
        )
        assert shown
        assert all(way == ("rtl" if tag in ("ar", "he") else "ltr") for tag, way in shown)
        assert browser.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")


def test_a_whole_survey_by_clicks(browser: Browser, site: tuple[int, list[str]]) -> None:
    port, tokens = site
    browser.forget()
    browser.window(*PHONE)
    browser.open(f"http://127.0.0.1:{port}/t/{tokens[5]}")
    browser.open(f"http://127.0.0.1:{port}/welcome?language=ar")
    submit = "document.querySelector('button').click()"
    browser.evaluate("document.querySelector('select').value = 'MA'")
    browser.evaluate("document.querySelectorAll('input[type=checkbox]').forEach(e => e.checked = true)")
    with browser.navigation():
        browser.evaluate(submit)
    for place in range(1, 7):
        assert browser.evaluate("location.pathname") == f"/question/{place}"
        browser.evaluate("document.querySelectorAll('fieldset').forEach(f => f.querySelector('input').click())")
        with browser.navigation():
            browser.evaluate(submit)
    assert browser.evaluate("location.pathname") == "/last"
    browser.evaluate("document.querySelector('input[type=radio]').click()")
    with browser.navigation():
        browser.evaluate(submit)
    assert "شكرًا" in browser.evaluate("document.body.innerText")
