from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polysee.evaluation.lmms.command import Benchmark
from polysee.evaluation.lmms.results import OtherScore, error_in, fold, read_results, read_samples, wants_simple
from polysee.schema.errors import UserError

START = "2026-01-02 03:04:05 | INFO     | lmms_eval.__main__:cli_evaluate_single:731 - Selected Tasks: ['toy']\n"
ERROR = "\x1b[32m2026-01-02 03:04:05\x1b[0m | \x1b[31m\x1b[1mERROR   \x1b[0m | lmms_eval.__main__:cli:614 - "
TRACE = (
    'Traceback (most recent call last):\n  File "task.py", line 1844, in ask\n    assert False\nValueError: لا صور\n'
)


def results(**metrics: Any) -> dict[str, Any]:
    return {
        "results": {"toy": {"alias": "toy", **metrics}},
        "configs": {"toy": {"test_split": "val"}},
        "n-samples": {"toy": {"original": 9, "effective": 4}},
    }


def test_errors_of_a_log() -> None:
    assert error_in(START + "100%|█████| 8/8\n") is None
    assert error_in(START + ERROR + "Error during evaluation: disk full.\n") == (
        "lmms_eval.__main__:cli:614 - Error during evaluation: disk full."
    )
    assert error_in(START + TRACE) == "ValueError: لا صور"


def test_errors_about_other_tasks_do_not_count() -> None:
    assert error_in(ERROR + "task xyz has no utils\n" + START) is None
    assert error_in(ERROR + "Tasks were not found: toy\n") is not None


def test_likelihood_tasks_are_recognised() -> None:
    assert wants_simple(START + "AssertionError: Currently messages is used for generation only\n")
    assert not wants_simple(START)


def write(folder: Path, content: dict[str, Any], name: str = "1_results.json") -> None:
    (folder / "results" / "checkpoint").mkdir(parents=True, exist_ok=True)
    (folder / "results" / "checkpoint" / name).write_text(json.dumps(content), encoding="utf-8")


def test_what_counts_as_failure(tmp_path: Path) -> None:
    toy = Benchmark("toy")
    with pytest.raises(UserError, match="wrote no results"):
        read_results(tmp_path, toy, START, 0)
    good = results(**{"acc,none": 0.5})
    write(tmp_path, good)
    assert read_results(tmp_path, toy, START, 0) == good
    with pytest.raises(UserError, match="ended with code 3"):
        read_results(tmp_path, toy, START, 3)
    with pytest.raises(UserError, match="لا صور"):
        read_results(tmp_path, toy, START + TRACE, 0)
    write(tmp_path, results(**{"acc,none": "N/A", "acc_stderr,none": 0.1}))
    with pytest.raises(UserError, match="toy has no score"):
        read_results(tmp_path, toy, START, 0)
    write(tmp_path, {**good, "n-samples": {"toy": {"original": 9, "effective": 0}}})
    with pytest.raises(UserError, match="no questions"):
        read_results(tmp_path, toy, START, 0)


def test_a_mean_gets_an_interval_over_its_questions() -> None:
    samples = [{"acc": 1.0, "f1": {"score": 0}}, {"acc": True, "f1": {"score": 1}}, {"acc": 0, "f1": {"score": 1}}]
    content = results(**{"acc,none": 2 / 3, "acc_stderr,none": 0.3, "f1,strict": 200 / 3, "f1_stderr,strict": "N/A"})
    acc, f1 = fold(content, {"toy": samples}, "am", {"am": "vl"}).scores
    assert (acc.task, acc.metric, acc.language, acc.split, acc.n) == ("lmms:toy", "acc", "am", "val", 4)
    assert (acc.seen, acc.mode, acc.chance) == ("vl", "official", None)
    assert acc.low < acc.value < acc.high
    assert f1.metric == "f1/strict"
    assert f1.value == pytest.approx(2 / 3)
    assert f1.low >= 0 < f1.high <= 1


def test_a_score_of_the_whole_set_gets_the_error_that_lmms_eval_tells() -> None:
    (chrf,) = fold(results(**{"chrf,none": 40.0, "chrf_stderr,none": 5.0}), {}, "th").scores
    assert (chrf.value, chrf.seen) == (0.4, None)
    assert (chrf.low, chrf.high) == pytest.approx((0.302, 0.498), abs=1e-3)
    (alone,) = fold(results(**{"acc,none": 0.5, "acc_stderr,none": "N/A"}), {}, "th").scores
    assert (alone.low, alone.high) == (0.0, 1.0)


def test_a_scale_of_its_own_is_no_row() -> None:
    folded = fold(results(**{"mme_score,none": 1532.5, "acc,none": 0.25}), {}, "und")
    assert [score.metric for score in folded.scores] == ["acc"]
    assert folded.others == (OtherScore("lmms:toy", "mme_score", 1532.5),)


def test_a_score_that_is_no_number() -> None:
    with pytest.raises(UserError, match="acc of toy is nan"):
        fold(results(**{"acc,none": float("nan")}), {}, "und")


def test_samples_are_read_whatever_is_in_their_lines(tmp_path: Path) -> None:
    write(tmp_path, {}, "1_samples_toy.jsonl")
    path = tmp_path / "results" / "checkpoint" / "1_samples_toy.jsonl"
    # A line separator of Unicode, which JSON need not escape, ends no line.
    path.write_text('{"input": "一\u2028二", "acc": 1}\n{"acc": 0}\n', encoding="utf-8")
    assert [row["acc"] for row in read_samples(tmp_path, ["toy"])["toy"]] == [1, 0]
