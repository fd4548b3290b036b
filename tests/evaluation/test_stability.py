"""Spread over question types and wordings, and curves over worse pictures."""

from __future__ import annotations

import numpy as np
import pytest
from made_answers import answers, row

from polysee.evaluation.stability import robustness, type_spreads, wording_spreads

DRAW = {"resamples": 400, "seed": 0}


def test_spread_over_types_by_hand() -> None:
    tags = ["ability:counting"]
    rows = [row("open", "ar", n, n < 60, metric="exact_match", chance=None, tags=tags) for n in range(100)]
    rows += [row("yes", "ar", n, n < 80, metric="yes_no", chance=0.5, tags=tags) for n in range(100)]
    rows += [row("four", "ar", n, n < 40, tags=[*tags, "type:four"]) for n in range(100)]
    [found] = type_spreads(answers(rows), **DRAW)
    assert found.types == ("exact_match", "four", "yes_no")
    assert found.scores == pytest.approx((0.6, 0.2, 0.6))
    assert found.spread == pytest.approx(np.std([0.6, 0.2, 0.6], ddof=1))
    assert 0 < found.noise < found.spread
    assert found.beyond == pytest.approx(np.sqrt(found.spread**2 - found.noise**2))


def test_noise_alone_is_not_taken_for_a_spread() -> None:
    rng = np.random.default_rng(0)
    beyond, spread = [], []
    for _ in range(40):
        rows = [
            row(f"t{k}", "hi", 100 * k + n, rng.random() < 0.6, tags=["ability:a", f"type:{k}"], chance=None)
            for k in range(4)
            for n in range(50)
        ]
        [found] = type_spreads(answers(rows), resamples=200, seed=0)
        beyond.append(found.beyond**2)
        spread.append(found.spread**2)
    # Unbiased squares: what is left of pure noise is much less than the spread itself.
    assert np.mean(beyond) < 0.5 * np.mean(spread)


def test_one_type_has_no_spread() -> None:
    assert type_spreads(answers([row("naming", "ar", n, 1) for n in range(5)]), **DRAW) == []


def test_wordings() -> None:
    scores = {0: (1, 1), 1: (1, 0), 2: (0, 0), 3: (1, 1)}
    rows = [
        row("naming", "zh", number, score, tags=[f"wording:{number}"], sample=f"s{number}-{turn}")
        for number, pair in scores.items()
        for turn, score in enumerate(pair)
    ]
    rows.append(row("naming", "zh", 9, 1, tags=["wording:9"]))
    [found] = wording_spreads(answers(rows), **DRAW)
    assert found.questions == 4
    assert found.mean.value == pytest.approx(5 / 8)
    assert found.worst.value == pytest.approx(0.5)
    assert found.changes.value == pytest.approx(0.25)
    assert found.deviation == pytest.approx(0.125)


def test_robustness_curve() -> None:
    rows = [row("naming", "am", n, n < 85) for n in range(100)]
    for level, right in ((1, 85), (2, 55), (3, 25)):
        rows += [row("naming", "am", n, n < right, variant=f"blur-{level}") for n in range(100)]
    rows += [row("naming", "am", n, n < 90, variant="reasoned") for n in range(100)]
    [found] = robustness(answers(rows), **DRAW)
    assert (found.kind, found.group, found.clean) == ("blur", "am", pytest.approx(0.85))
    assert [(level, one.value) for level, one in found.levels] == [
        (1, pytest.approx(0.0)),
        (2, pytest.approx(-0.3)),
        (3, pytest.approx(-0.6)),
    ]
    assert found.kept == pytest.approx((0.55 - 0.25) / (0.85 - 0.25))
    assert found.levels[0][1].adjusted == 1.0
    assert found.levels[2][1].adjusted < 0.001


def test_nothing_distorted() -> None:
    assert robustness(answers([row("naming", "am", 1, 1)]), **DRAW) == []
