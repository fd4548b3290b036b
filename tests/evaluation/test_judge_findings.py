"""What verdicts come to: by hand, by closed forms, and whether the intervals hold what they promise."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest

from polysee.evaluation.answers import Asked
from polysee.evaluation.judge.config import JudgeConfig
from polysee.evaluation.judge.findings import Findings, find, verdict_rows
from polysee.evaluation.judge.judging import Draws, Judged, Spent, Verdict
from polysee.evaluation.judge.people import People
from polysee.evaluation.judge.questions import Place, Questions
from polysee.evaluation.metrics.significance import t_two_sided
from polysee.evaluation.statistics import wilson
from polysee.store.atomic import to_json

NAMES = ("ours", "theirs")
DRAWS = Draws(asked=2, read=2, unparsed=0, failed=0, tokens_in=1000, tokens_out=100)


def made(
    outcomes: Sequence[tuple[str, str, float | None]],
    *,
    config: JudgeConfig | None = None,
    models: tuple[str, ...] = NAMES,
    tasks: Sequence[str] = (),
) -> tuple[Judged, Questions]:
    """Verdicts of (language, picture, points that the first gets more than the second; None: came to nothing)."""
    verdicts, asked, places = [], [], {}
    for number, (language, picture, margin) in enumerate(outcomes):
        name = f"q{number:04}"
        values = None if margin is None else (5 + margin / 2, 5 - margin / 2)
        verdicts.append(Verdict(name, language, NAMES, "pair", values, (values, values), 0.0, DRAWS))
        asked.append(Asked(name, language, "all", "؟", "نعم", (("ours", "أ"), ("theirs", "ب"))))
        places[name] = Place(tasks[number] if tasks else "scenes", "test", language, picture, name)
    judged = Judged("judge", "tiny", config or JudgeConfig(), tuple(verdicts), Spent(0, 0, 0))
    return judged, Questions(models, tuple(asked), places, 0, 0, {})


def found(outcomes: Sequence[tuple[str, str, float | None]], **other: object) -> Findings:
    judged, questions = made(outcomes, **other)  # type: ignore[arg-type]
    return find(judged, questions, resamples=400, seed=1)


def test_counts_and_p_by_hand() -> None:
    net = [1, 1, 1, 0, -1, 1, 1, -1]
    one = found([("ar", f"p{n}", 2.0 * value) for n, value in enumerate(net)]).pairs[0]
    assert (one.wins, one.ties, one.losses, one.n, one.pictures) == (5, 1, 2, 8, 8)
    assert one.rate == pytest.approx(5.5 / 8)
    error = np.std(net, ddof=1) / math.sqrt(8)
    assert one.p == pytest.approx(t_two_sided(float(np.mean(net) / error), 7), rel=1e-6)


def test_languages_count_alike_in_all() -> None:
    outcomes = [("am", f"p{n}", 1.0) for n in range(30)] + [("th", f"p{n}", -1.0) for n in range(10)]
    rows = {row.language: row for row in found(outcomes).pairs}
    assert (rows["am"].rate, rows["th"].rate, rows["all"].rate) == (1.0, 0.0, 0.5)
    assert (rows["all"].wins, rows["all"].losses) == (30, 10)
    # All pictures of a language say the same: what remains is Wilson's interval of so many trials.
    assert (rows["am"].low, rows["am"].high) == pytest.approx(wilson(30, 30))


def test_ties_are_as_wide_as_asked() -> None:
    rows = found([("zh", "p0", 0.4), ("zh", "p1", -0.4), ("zh", "p2", 1.0)], config=JudgeConfig(tie=0.5)).pairs
    assert (rows[0].wins, rows[0].ties) == (1, 2)


def test_what_came_to_nothing_counts_nowhere_but_is_told() -> None:
    result = found([("hi", "p0", 1.0), ("hi", "p1", None), ("hi", "p2", -1.0)])
    assert result.pairs[0].n == 2
    assert (result.trust[0].verdicts, result.trust[0].without) == (3, 1)
    assert found([("hi", "p0", None)]).pairs == ()


def test_holm_corrects_for_the_languages_and_all_apart() -> None:
    outcomes = [(tag, f"{tag}{n}", 1.0 if n % 4 else -1.0) for tag in ("am", "ar", "hi", "th") for n in range(16)]
    rows = {row.language: row for row in found(outcomes).pairs}
    assert rows["ar"].adjusted == pytest.approx(min(1, 4 * rows["ar"].p))
    assert rows["all"].adjusted == rows["all"].p < rows["ar"].p


def test_tasks_have_rows_where_there_are_several() -> None:
    outcomes = [("ar", f"p{n}", 1.0 if n < 6 else -1.0) for n in range(12)]
    rows = found(outcomes, tasks=["signs"] * 6 + ["food"] * 6).pairs
    assert [(row.language, row.task, row.rate) for row in rows] == [
        ("ar", "", 0.5),
        ("all", "", 0.5),
        ("all", "food", 0.0),
        ("all", "signs", 1.0),
    ]


def test_one_answer_alone_on_both_scales() -> None:
    for scale, low in (("1-10", 1), ("0-10", 0)):
        config = JudgeConfig(mode="score", scale=scale)  # type: ignore[arg-type]
        verdicts = tuple(
            Verdict(f"q{n}", "ar", ("ours",), "score", (float(points),), ((float(points),),), None, DRAWS)
            for n, points in enumerate((low, 10, 7))
        )
        asked = tuple(Asked(f"q{n}", "ar", "all", "؟", "نعم", (("ours", "أ"),)) for n in range(3))
        places = {f"q{n}": Place("scenes", "test", "ar", f"p{n}", f"q{n}") for n in range(3)}
        judged = Judged("judge", "tiny", config, verdicts, Spent(6, 3000, 300))
        result = find(judged, Questions(("ours",), asked, places, 0, 0, {}), prices=(2, 10), resamples=200, seed=0)
        row = result.models[0]
        assert row.points == pytest.approx((low + 17) / 3)
        assert row.value == pytest.approx((row.points - low) / (10 - low))
        assert result.cost["ar"] == result.cost["all"] == pytest.approx((3000 * 2 + 300 * 10) / 1e6)


def test_the_same_verdicts_in_any_order_give_the_same_bytes() -> None:
    rng = np.random.default_rng(4)
    outcomes = [(tag, f"p{n}", float(rng.integers(-3, 4))) for tag in ("am", "zh") for n in range(25)]
    judged, questions = made(outcomes)
    turned = Judged(judged.judge, judged.model, judged.config, judged.verdicts[::-1], judged.spent)
    texts = {to_json(find(one, questions, resamples=300, seed=2).to_json()) for one in (judged, turned)}
    assert len(texts) == 1
    rows = verdict_rows(judged, questions)
    assert json.loads(json.dumps(rows[0]))["models"] == list(NAMES)


def test_people_say_the_same_in_an_interval_of_pictures() -> None:
    judged, questions = made([("ar", f"p{n // 2}", 1.0 if n % 4 else -1.0) for n in range(20)])
    votes = {(f"q{n:04}", "theirs", "ours"): ("second" if n else "first",) * 3 for n in range(20)}
    people = People(votes)  # type: ignore[arg-type]
    row = find(judged, questions, people=people, resamples=300, seed=0).people[0]
    # They call ours better but for the first question; the judge calls it worse in every fourth.
    assert row.same == pytest.approx(16 / 20)
    assert row.low is not None
    assert row.high is not None
    assert row.low < 0.8 < row.high
    assert found([("ar", "p0", 1.0)]).people == ()


def test_intervals_cover_what_they_should() -> None:
    """Three languages share each picture's difficulty. Intervals that do not know that are too narrow."""
    rng = np.random.default_rng(11)
    rounds, pictures, tags = 200, 40, ("am", "ar", "th")
    held = naive = 0
    for _ in range(rounds):
        # A picture favours one of the models in all languages at once; on average ours wins 60% of them.
        favours = rng.random(pictures) < 0.6
        slips = rng.random((pictures, len(tags))) < 0.1
        outcomes = [
            (tag, f"p{n}", 1.0 if favours[n] != slips[n, place] else -1.0)
            for place, tag in enumerate(tags)
            for n in range(pictures)
        ]
        truth = 0.6 * 0.9 + 0.4 * 0.1
        judged, questions = made(outcomes)
        alone = Questions(
            NAMES, questions.asked, {k: p._replace(cluster=k) for k, p in questions.places.items()}, 0, 0, {}
        )
        for number, these in enumerate((questions, alone)):
            row = next(one for one in find(judged, these, resamples=200, seed=0).pairs if one.language == "all")
            if number == 0:
                held += row.low <= truth <= row.high
            else:
                naive += row.low <= truth <= row.high
    assert 0.90 <= held / rounds <= 0.985
    assert naive / rounds < 0.87


def test_p_values_are_no_smaller_than_they_should_be() -> None:
    """Of two equally good models, at most about 5% of the comparisons have p < 0.05."""
    rng = np.random.default_rng(12)
    below = 0
    for _ in range(200):
        favours = rng.random(30) < 0.5
        outcomes = [(tag, f"p{n}", 1.0 if favours[n] else -1.0) for tag in ("hi", "zh") for n in range(30)]
        row = next(one for one in found(outcomes).pairs if one.language == "all")
        below += row.p < 0.05
    assert 2 <= below <= 20
