"""Strengths and win rates against closed forms and simulated surveys."""

from __future__ import annotations

import math

import numpy as np
import pytest

from polysee.evaluation.ranking import (
    Ballot,
    Votes,
    count_votes,
    pair_rate,
    rank,
    t_quantile,
    win_rates,
)


def pairs(wins: int, losses: int, ties: int = 0) -> Votes:
    """Votes on two models, each by a person of their own."""
    best = [("أ",)] * wins + [("b",)] * losses + [()] * ties
    return count_votes(("أ", "b"), [Ballot(("أ", "b"), one, f"p{i}") for i, one in enumerate(best)])


@pytest.mark.parametrize(("wins", "losses", "ties"), [(30, 10, 0), (7, 5, 3), (50, 50, 20), (1, 80, 1)])
def test_two_models_are_the_log_odds_of_wins(wins: int, losses: int, ties: int) -> None:
    found = rank(pairs(wins, losses, ties)).difference("أ", "b")
    assert found.value == pytest.approx(math.log((wins + ties / 2) / (losses + ties / 2)), abs=1e-8)


def test_two_models_have_the_standard_error_of_log_odds() -> None:
    wins, losses = 300, 100
    found = rank(pairs(wins, losses)).difference("أ", "b")
    people = wins + losses
    error = math.sqrt((1 / wins + 1 / losses) * people / (people - 1))
    assert (found.high - found.low) / 2 == pytest.approx(t_quantile(0.975, people - 1) * error, rel=1e-6)


def test_when_all_are_shown_strengths_are_log_shares() -> None:
    names = ("a", "b", "c")
    best = ["a"] * 50 + ["b"] * 30 + ["c"] * 20
    found = rank(count_votes(names, [Ballot(names, (one,), str(i)) for i, one in enumerate(best)]))
    shares = np.log([0.5, 0.3, 0.2])
    assert found.strengths == pytest.approx(shares - shares.mean(), abs=1e-8)


def test_a_tie_is_shared_by_those_that_won() -> None:
    names = ("a", "b", "c")
    votes = count_votes(names, [Ballot(names, ("a", "b"), "1"), Ballot(names, (), "2"), Ballot(names, ("c",), "3")])
    assert votes.won == pytest.approx(np.asarray([[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1]]))
    assert [one.value for one in win_rates(votes)] == pytest.approx([5 / 18, 5 / 18, 8 / 18])
    assert pair_rate(votes, 0, 1).value == pytest.approx(0.5)


def test_models_are_compared_through_a_third() -> None:
    # a beats b 3:1, b beats c 3:1, and a never met c: 9:1.
    ballots = [Ballot(("a", "b"), (one,), f"{i}") for i, one in enumerate("aaab" * 10)]
    ballots += [Ballot(("b", "c"), (one,), f"x{i}") for i, one in enumerate("bbbc" * 10)]
    found = rank(count_votes(("a", "b", "c"), ballots))
    assert found.difference("a", "c").value == pytest.approx(math.log(9), abs=1e-7)
    assert [row.name for row in found.rows()] == ["a", "b", "c"]


def test_a_model_that_always_wins_gets_a_finite_place() -> None:
    found = rank(pairs(10, 0))
    assert found.separated
    difference = found.difference("أ", "b")
    assert difference.value == pytest.approx(math.log(10.5 / 0.5))
    assert math.isfinite(difference.high)
    assert found.rows()[0].name == "أ"


def test_one_voter_says_nothing_of_others() -> None:
    names = ("a", "b")
    found = rank(count_votes(names, [Ballot(names, (one,), "me") for one in "aab"]))
    assert found.rows()[0].low == -math.inf
    assert found.rows()[0].rank_to == 2


def test_models_that_were_never_compared_are_refused() -> None:
    ballots = [Ballot(("a", "b"), ("a",), "1"), Ballot(("c", "d"), ("c",), "2")]
    with pytest.raises(ValueError, match="never compared"):
        rank(count_votes(("a", "b", "c", "d"), ballots))


@pytest.mark.parametrize(
    "ballot", [Ballot(("a",), ("a",), "1"), Ballot(("a", "b"), ("c",), "1"), Ballot(("a", "z"), ("a",), "1")]
)
def test_a_ballot_that_does_not_fit_is_refused(ballot: Ballot) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        count_votes(("a", "b", "c"), [ballot])


@pytest.mark.parametrize(
    ("df", "expected"), [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (1000, 1.962)]
)
def test_t_quantiles_are_the_tabled_ones(df: int, expected: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(expected, rel=0.01)
    assert t_quantile(0.025, df) == pytest.approx(-expected, rel=0.01)


def coverage(surveys: int, *, people: int, questions: int, spread: float) -> tuple[float, float, float]:
    """How often the intervals hold the truth: of a strength, of a difference, of a win rate.

    Each person has tastes of their own, drawn around the population's (Dirichlet), so that one person's votes are
    alike; the share of all votes is then known exactly.
    """
    truth = np.asarray([0.5, 0.3, 0.2])
    logs = np.log(truth) - np.log(truth).mean()
    rng = np.random.default_rng(7)
    tastes = rng.dirichlet(truth * spread, (surveys, people))
    picks = (rng.random((surveys, people, questions, 1)) > tastes.cumsum(-1)[:, :, None, :-1]).sum(-1)
    shown = np.ones((people * questions, 3), np.bool_)
    cluster = np.repeat(np.arange(people), questions)
    hits = np.zeros(3)
    for survey in picks.reshape(surveys, -1):
        votes = Votes(("a", "b", "c"), shown, np.eye(3)[survey], cluster)
        found = rank(votes)
        rows = {row.name: row for row in found.rows()}
        apart = found.difference("a", "b")
        rate = win_rates(votes)[0]
        hits += (
            rows["a"].low <= logs[0] <= rows["a"].high,
            apart.low <= logs[0] - logs[1] <= apart.high,
            rate.low <= truth[0] <= rate.high,
        )
    strength, difference, share = (hits / surveys).tolist()
    return strength, difference, share


def test_intervals_hold_the_truth_in_95_of_100_surveys() -> None:
    for share in coverage(1000, people=100, questions=10, spread=3.0):
        assert 0.93 <= share <= 0.97


def test_intervals_hold_with_few_people() -> None:
    for share in coverage(1000, people=25, questions=8, spread=6.0):
        assert 0.93 <= share <= 0.97


def test_respondents_are_no_independent_votes() -> None:
    """Intervals that took every vote for a person of its own would be far too narrow."""
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(60), 10)
    taste = rng.random(60) < 0.6
    won = np.eye(2)[np.where(taste[people], 0, 1)]
    shown = np.ones_like(won, np.bool_)
    together = rank(Votes(("a", "b"), shown, won, people)).difference("a", "b")
    apart = rank(Votes(("a", "b"), shown, won, np.arange(600))).difference("a", "b")
    assert (together.high - together.low) > 2.5 * (apart.high - apart.low)
