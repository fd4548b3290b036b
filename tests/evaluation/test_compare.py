"""Two models on the same questions; abilities by language; what carries over to other languages."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from made_answers import TAGS, answers, model, row, write

from polysee.evaluation.abilities import Table
from polysee.evaluation.compare import compare, pair
from polysee.evaluation.items import Cell, Scope, headline, read_answers
from polysee.schema.errors import UserError
from polysee.store.atomic import to_json

DRAW = {"resamples": 300, "seed": 1}


def test_difference_by_hand() -> None:
    old = [row("naming", "ar", n, n < 4) for n in range(10)] + [row("naming", "th", n, n < 5) for n in range(10)]
    new = [row("naming", "ar", n, n < 7) for n in range(10)] + [row("naming", "th", n, n < 4) for n in range(10)]
    found = compare(pair(answers(old), answers(new), **DRAW))
    assert (found.overall.base, found.overall.new) == pytest.approx((0.45, 0.55))
    assert found.languages["ar"].value == pytest.approx(0.3)
    assert found.languages["th"].value == pytest.approx(-0.1)
    assert found.overall.value == pytest.approx(0.1)
    assert found.languages["ar"].clusters == 10
    assert found.shared == 20
    assert set(found.cells) == {Cell("naming", "scenes", tag, "choice") for tag in ("ar", "th")}
    assert found.languages["th"].adjusted == 1.0


def test_swap_turns_every_sign() -> None:
    one, other = answers(model(1, tasks=("naming", "colour"))), answers(model(2, tasks=("naming", "colour"), rate=0.7))
    there, back = compare(pair(one, other, **DRAW)), compare(pair(other, one, **DRAW))
    for tag, found in there.languages.items():
        swapped = back.languages[tag]
        assert found.value == pytest.approx(-swapped.value)
        assert (found.low, found.high) == pytest.approx((-swapped.high, -swapped.low))
        assert found.adjusted == pytest.approx(swapped.adjusted)
        assert (found.base, found.new) == (swapped.new, swapped.base)


def test_order_of_rows_changes_not_a_bit() -> None:
    rows, theirs = model(1), model(2)
    straight = compare(pair(answers(rows), answers(theirs), **DRAW))
    random.Random(3).shuffle(rows)
    random.Random(4).shuffle(theirs)
    assert to_json(compare(pair(answers(rows), answers(theirs), **DRAW)).to_json()) == to_json(straight.to_json())


def test_languages_share_their_pictures() -> None:
    """Equal answers in all languages are no more evidence than those in one."""
    many_old, many_new = [], []
    one_old, one_new = [], []
    rng = random.Random(5)
    for number in range(80):
        before, after = rng.random() < 0.5, rng.random() < 0.65
        for tag in TAGS:
            many_old.append(row("naming", tag, number, before))
            many_new.append(row("naming", tag, number, after))
        one_old.append(row("naming", "am", number, before))
        one_new.append(row("naming", "am", number, after))
    many = compare(pair(answers(many_old), answers(many_new), **DRAW)).overall
    one = compare(pair(answers(one_old), answers(one_new), **DRAW)).overall
    assert many.value == pytest.approx(one.value)
    assert many.p == pytest.approx(one.p)
    assert many.detectable == pytest.approx(one.detectable)


def test_only_what_both_answered_counts() -> None:
    old = [*model(1), row("naming", "am", 900, 1)]
    new = [*model(2), row("naming", "am", 901, 1), row("naming", "am", 902, 0, failure="timeout")]
    found = compare(pair(answers(old), answers(new), **DRAW))
    assert (found.only_base, found.only_new, found.failed) == (1, 1, 1)
    assert found.shared == len(model(1))
    with pytest.raises(UserError, match="no answer to the same question"):
        pair(answers(model(1)), answers([row("other", "am", 1, 1)]), **DRAW)


def test_scope_and_baselines() -> None:
    rows = [*model(1, tasks=("naming", "colour")), row("naming", "am", 1, 0, baseline="blank")]
    assert len(answers(rows).items) == len(rows) - 1
    found = pair(answers(rows), answers(rows), Scope(tasks=("colour",), languages=("am", "th")), **DRAW)
    assert {(cell.task, cell.language) for cell in found.cells} == {("colour", "am"), ("colour", "th")}


def test_rotations_are_one_question() -> None:
    rows = [
        row("quiz", "hi", number, score, group=f"g{number}", answer=str(turn))
        for number, scores in enumerate([(1, 1, 1, 1), (1, 0, 1, 1)])
        for turn, score in enumerate(scores)
    ]
    found = {(item.key.cell.metric, item.key.sample): item.score for item in answers(rows).items}
    assert found[("choice", "quiz-hi-0")] == 1.0
    assert found[("choice", "quiz-hi-1")] == 0.75
    assert found[("circular", "quiz-hi-0")] == 1.0
    assert found[("circular", "quiz-hi-1")] == 0.0
    chance = answers(rows).chance
    assert chance[Cell("quiz", "scenes", "hi", "circular")] == pytest.approx(0.25**4)


def test_headline_counts_each_question_once() -> None:
    four = {Cell("naming", "scenes", "am", "choice"): 0.25, Cell("naming", "scenes", "am", "exact_match"): None}
    four |= {Cell("naming", "concepts", "am", "choice"): 0.25, Cell("naming", "languages", "bg", "choice"): 0.25}
    assert headline(four) == [Cell("naming", "languages", "bg", "choice"), Cell("naming", "scenes", "am", "choice")]
    free = {Cell("caption", "test", "th", "meteor"): None, Cell("caption", "test", "th", "chrf"): None}
    free |= {Cell("quiz", "test", "th", "letter"): 0.2, Cell("quiz", "test", "th", "letter", "reasoned"): None}
    assert headline(free) == [Cell("caption", "test", "th", "chrf"), Cell("quiz", "test", "th", "letter")]


def test_overall_is_over_languages_trained_with_pictures() -> None:
    rows = model(1, tags=("am", "ar"))
    found = compare(pair(answers(rows, am="vl", ar="none"), answers(rows, am="vl", ar="none"), **DRAW))
    assert found.overall.answers == 60
    assert found.overall.base == pytest.approx(found.languages["am"].base)


def test_abilities_by_tag_and_language() -> None:
    rows = [row("dots", "am", n, n % 2, tags=["ability:counting"]) for n in range(10)]
    rows += [row("apples", "am", n, 1, tags=["ability:counting"]) for n in range(10)]
    rows += [row("naming", "ar", n, 0) for n in range(10)]
    found = Table(answers(rows), **DRAW).matrix()
    assert set(found) == {("counting", "am"), ("naming", "ar")}
    assert found["counting", "am"].value == pytest.approx(0.75)


def test_transfer_gap() -> None:
    rows = [row("naming", "am", n, n % 10 < 8) for n in range(100)]
    rows += [row("naming", "bg", n + 1000, n % 10 < 3, split="languages") for n in range(100)]
    rows += [row("colour", "am", n, 0) for n in range(100)]
    table = Table(answers(rows, am="vl", bg="none"), **DRAW)
    [gap] = table.gaps()
    assert (gap.group, gap.tasks) == ("unseen", ("naming",))
    assert gap.interval.value == pytest.approx(0.5)
    assert 0.35 < gap.interval.low < 0.5 < gap.interval.high < 0.65
    assert gap.p < 0.001
    assert Table(answers(rows), **DRAW).gaps() == []


def test_reading_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no answers here"):
        read_answers(tmp_path)
    scores = [{"task": "naming", "language": "am", "seen": "vl", "held_in": True}]
    found = read_answers(write(tmp_path / "a", model(1), scores))
    assert found.seen == {"am": "vl"}
    assert found.held_in == {"naming"}
    (tmp_path / "a" / "scores.json").write_text(json.dumps([1]), encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        read_answers(tmp_path / "a")
