"""The four data verbs on a small run: what is kept, dropped, rejected, merged, and that all of it is told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polysee_fakes
import pytest

from polysee.engines import data_steps
from polysee.engines.data_steps import ScoreStep, SelectStep, SourceStep, TransformStep
from polysee.engines.local import run_steps
from polysee.schema import UserError
from polysee.schema.arrow import SAMPLE_COLUMNS, from_table
from polysee.store.manifest import FunnelRow
from polysee.store.run import RunStore


def fake(name: str = "demo", tolerance: float = 0.01, **params: Any) -> SourceStep:
    return SourceStep(name, "fake", params, tolerance=tolerance)


def run(path: Path, *steps: Any, workers: int = 0) -> RunStore:
    store = RunStore(path)
    try:
        run_steps(steps, store, workers=workers)
    finally:
        store.close()
    return RunStore.open_read_only(path)


def total(rows: list[FunnelRow], step: str) -> dict[str, int]:
    found = {"in": 0, "out": 0, "unknown": 0, "failed": 0, "made": 0}
    for row in rows:
        if row.step == step:
            found["in"] += row.in_
            found["out"] += row.out
            found["unknown"] += row.unknown
            found["failed"] += row.failed
            found["made"] += row.out if row.made is None else row.made
            for reason, n in row.dropped:
                found[reason] = found.get(reason, 0) + n
    return {key: n for key, n in found.items() if n}


def test_source_keeps_order_text_and_media(tmp_path: Path) -> None:
    store = run(tmp_path, fake())
    samples = list(from_table(store.samples()))
    assert [sample.origin.key for sample in samples] == [f"s{n // 8}/{n}" for n in range(24)]
    assert samples[1].turns[0].output == "مربّع أحمر 1"
    assert samples[0].origin.source == "demo"
    assert samples[0].origin.licence == "CC0-1.0"
    assert store.read_media(samples[13].media[0].sha256) == polysee_fakes.picture(3)
    assert total(store.funnel(), "demo") == {"in": 24, "out": 24, "made": 24}
    assert {row.language: row.in_ for row in store.funnel()}["ar"] == 4


def test_media_are_stored_once(tmp_path: Path) -> None:
    store = run(tmp_path, fake(), fake("more", first=100), workers=2)
    assert len(store.media_table()) == 10
    assert store.count() == 48


def test_same_dataset_for_any_number_of_workers(tmp_path: Path) -> None:
    steps = (fake(bad=5, tolerance=0.5), fake("held", first=20, split="scenes"), TransformStep("twice", "double"))
    one = run(tmp_path / "one", *steps)
    three = run(tmp_path / "three", *steps, workers=3)
    assert one.samples().equals(three.samples())
    assert one.dataset_hash() == three.dataset_hash()
    assert one.rejects().equals(three.rejects())
    assert (tmp_path / "one/funnel.json").read_bytes() == (tmp_path / "three/funnel.json").read_bytes()


def test_rejects_are_kept_with_their_reason(tmp_path: Path) -> None:
    store = run(tmp_path, fake(bad=6, tolerance=0.5))
    rejects = store.rejects().to_pylist()
    assert [(row["key"], row["reason"]) for row in rejects] == [
        ("s0/0", "no-caption"),
        ("s0/6", "not-an-image"),
        ("s1/12", "no-caption"),
        ("s2/18", "not-an-image"),
    ]
    assert "s0/6" in rejects[1]["detail"]
    assert total(store.funnel(), "demo") == {"in": 24, "out": 20, "made": 20, "no-caption": 2, "not-an-image": 2}


def test_too_many_rejects_stop_the_run_and_stay_to_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"4 of 24 records cannot be used.*1\.00%.*s0/0: the caption is empty"):
        run(tmp_path, fake(bad=6))
    store = RunStore.open_read_only(tmp_path)
    assert store.rejects().num_rows == 4
    assert store.manifest("demo") is None
    # A higher tolerance goes on from what was read, and does not count the rejects twice.
    store = run(tmp_path, fake(bad=6, tolerance=0.2))
    assert store.rejects().num_rows == 4


def test_unknown_language_and_duplicate_key(tmp_path: Path) -> None:
    store = run(tmp_path / "a", fake(odd_language="xx-nowhere", tolerance=1.0))
    assert total(store.funnel(), "demo") == {"in": 24, "unknown-language": 24}
    assert store.samples().num_rows == 0
    store = run(tmp_path / "b", fake(same_key=True, tolerance=1.0))
    assert total(store.funnel(), "demo") == {"in": 24, "out": 1, "made": 1, "duplicate-key": 23}
    assert store.rejects().num_rows == 23
    with pytest.raises(UserError, match="23 of 24"):
        run(tmp_path / "c", fake(same_key=True))


def test_empty_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no record"):
        run(tmp_path, fake(per_shard=0))


def test_wrong_parameter_names_itself(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fake: colour: extra inputs"):
        run(tmp_path, fake(colour="red"))


def test_equal_samples_of_two_sources_become_one_with_two_origins(tmp_path: Path) -> None:
    store = run(tmp_path, fake(), fake("again", first=20))
    assert store.count() == 44
    shared = [sample for sample in from_table(store.samples()) if len(sample.origins) == 2]
    assert [[(o.source, o.key) for o in sample.origins] for sample in shared] == [
        [("demo", f"s2/{n}"), ("again", f"s0/{n}")] for n in range(20, 24)
    ]
    assert total(store.funnel(), "again") == {"in": 24, "out": 20, "made": 20, "equal-sample": 4}
    assert store.rejects().num_rows == 0


def test_a_run_that_an_older_version_began_takes_no_further_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, fake())
    monkeypatch.setattr(data_steps, "SAMPLE_COLUMNS", (*SAMPLE_COLUMNS, "later"))
    with pytest.raises(UserError, match="no column 'later'"):
        run(tmp_path, fake(), fake("again", first=20))


@pytest.mark.parametrize("evaluation_first", [True, False])
def test_training_copy_of_an_evaluation_sample_is_dropped(tmp_path: Path, evaluation_first: bool) -> None:
    held = fake("held", first=20, split="scenes")
    steps = (held, fake()) if evaluation_first else (fake(), held)
    store = run(tmp_path, *steps)
    assert store.count("split = 'scenes'") == 24
    assert store.count("split = 'train'") == 20
    rejects = store.rejects().to_pylist()
    assert [row["reason"] for row in rejects] == ["also-in-evaluation"] * 4
    assert {row["source"] for row in rejects} == {"demo"}
    rows = store.funnel()
    assert sum(row.in_ for row in rows) == 48 + (0 if evaluation_first else 4)


def test_transform_counts_by_input_and_stores_new_media(tmp_path: Path) -> None:
    store = run(tmp_path, fake(), TransformStep("twice", "double", {"fail": 8, "drop": 6}, tolerance=0.2))
    assert total(store.funnel(), "twice") == {"in": 24, "out": 18, "failed": 3, "made-none": 3, "made": 36}
    made = {row.language: row for row in store.funnel() if row.step == "twice"}
    assert made["pt-BR"].made == 18
    assert made["pt-BR"].in_ == 0
    assert [row["reason"] for row in store.rejects().to_pylist()] == ["no-translation"] * 3
    copy = next(sample for sample in from_table(store.samples()) if sample.language == "pt-BR")
    assert copy.turns[0].output == "coração 1"
    assert store.media([ref.sha256 for ref in copy.media]) == {copy.media[0].sha256: polysee_fakes.picture(1, 20)}


def test_transform_sees_only_what_was_kept(tmp_path: Path) -> None:
    store = run(
        tmp_path,
        fake(),
        ScoreStep("length", "letters"),
        SelectStep("arabic", "language = 'ar'"),
        TransformStep("twice", "double"),
    )
    assert total(store.funnel(), "twice") == {"in": 4, "out": 4, "made": 8}
    assert store.count() == 28
    assert store.count(store.kept()) == 8
    rows = store.samples(columns=["language", "letters"], where=store.kept()).to_pylist()
    assert {row["letters"] for row in rows if row["language"] == "pt-BR"} == {None}
    assert all(row["letters"] for row in rows if row["language"] == "ar")


def test_score_failures_and_unknown_are_null(tmp_path: Path) -> None:
    store = run(tmp_path, fake(), ScoreStep("length", "letters", {"fail": 10}, tolerance=0.2))
    values = store.samples(columns=["letters", "language"]).to_pylist()
    assert [at for at, row in enumerate(values) if row["letters"] is None] == [0, 3, 10, 17, 20]
    assert total(store.funnel(), "length") == {"in": 24, "out": 19, "made": 19, "unknown": 2, "failed": 3}


def test_score_that_fails_too_often_stops(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"failed on 3 of 24.*row 0 cannot be scored"):
        run(tmp_path, fake(), ScoreStep("length", "letters", {"fail": 10}))


def test_select_marks_and_keeps_the_rest(tmp_path: Path) -> None:
    store = run(
        tmp_path,
        fake(),
        ScoreStep("length", "letters"),
        SelectStep("short", "letters <= 10"),
        SelectStep("asian", "language IN ('zh', 'ja', 'th')"),
    )
    assert store.count() == 24
    assert store.keep_columns() == ["keep_short", "keep_asian"]
    short, asian = total(store.funnel(), "short"), total(store.funnel(), "asian")
    assert short["unknown"] == 3
    assert short["in"] == short["out"] + short["short"] + short["unknown"]
    assert asian["in"] == short["out"]
    assert asian["out"] == store.count(store.kept()) > 0
    assert store.samples(columns=["keep_short"], where="language = 'th'")["keep_short"].null_count == 3


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("lettres > 3", r"did you mean 'letters'\? the samples have the columns .*letters"),
        ("letters >", "the samples have the columns"),
        ("letters + 1", "is no condition"),
        ("nosuch(letters) > 1", "nosuch"),
    ],
)
def test_bad_predicate(tmp_path: Path, where: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path, fake(shards=1), ScoreStep("length", "letters"), SelectStep("bad", where))


def test_source_after_a_select_is_not_dropped_by_it(tmp_path: Path) -> None:
    store = run(tmp_path, fake(), SelectStep("arabic", "language = 'ar'"), fake("more", first=50))
    assert store.count(store.kept()) == 4 + 24


def test_data_step_without_samples(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no samples to work on"):
        run(tmp_path, SelectStep("any", "true"))
