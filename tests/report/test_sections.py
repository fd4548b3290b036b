from __future__ import annotations

import json
import math
import re
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import write_plan

from export_run import make_run as make_export_run
from export_run import shapes
from polysee.report import svg, write_report
from polysee.report.balance import balance
from polysee.report.colours import BELOW, DARK, LIGHT, STEPS, contrast, ink, ramp, step_class
from polysee.report.curves import curves, smooth, thin
from polysee.report.data import gather
from polysee.report.files import read_run
from polysee.report.funnel import alarming, funnel
from polysee.report.gallery import choose, is_right
from polysee.report.headline import parameters
from polysee.report.packs import packs
from polysee.report.pictures import in_shares, pictures
from polysee.report.wording import wording
from polysee.report.words import compact, tongue
from polysee.schema.arrow import from_table
from polysee.schema.provenance import provenance
from polysee.schema.sample import MediaRef
from polysee.store.manifest import FunnelRow

floats = st.floats(0.001, 1e4)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_text_on_every_step_of_the_ramp_can_be_read(theme: Any) -> None:
    for name, colour in ramp(theme).items():
        assert contrast(ink(colour), colour) >= 4.5, name


@pytest.mark.parametrize("side", [0, 1])
def test_words_can_be_read_on_what_they_stand_on(side: int) -> None:
    style = (resources.files("polysee.report") / "templates" / "style.css").read_text()
    found = re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", style)
    colour = {name: (light, dark)[side] for name, light, dark in found}
    pairs = [(ink, ground) for ink in ("ink", "soft") for ground in ("page", "card", "sunk")]
    pairs += [("good", "card"), ("bad", "card"), ("good", "good-wash"), ("bad", "bad-wash"), ("ink", "bad-wash")]
    for above, below in [*pairs, ("vl", "page")]:
        assert contrast(colour[above], colour[below]) >= 4.5, (above, below)


def test_contrast_is_wcags() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)


@given(st.floats(0, 1), st.one_of(st.none(), st.floats(0.01, 0.99)))
def test_every_value_has_a_colour_on_the_right_side_of_chance(value: float, chance: float | None) -> None:
    name = step_class(value, chance)
    assert name in ramp(LIGHT)
    assert name.startswith("b") == (value < (chance or 0))


def test_ends_of_the_ramp() -> None:
    assert step_class(1.0, 0.25) == f"p{STEPS - 1}"
    assert step_class(0.25, 0.25) == "p0"
    assert step_class(0.0, 0.25) == f"b{BELOW}"


def _row(language: str, in_: int, lost: int) -> FunnelRow:
    return FunnelRow("clean", "select", language, in_, in_ - lost, (("clean", lost),))


def test_alarm_for_a_language_that_is_hit_far_harder() -> None:
    rows = [_row("am", 500, 200), _row("ar", 500, 40), _row("de", 500, 30)]
    assert [(r.language, round(rate, 3)) for r, rate in alarming(rows)] == [("am", 0.07)]


@pytest.mark.parametrize(
    "rows",
    [
        [("am", 500, 60), ("de", 500, 40)],  # harder, but not twice as hard
        [("am", 5, 1), ("de", 500, 40)],  # too few rows to know
        [("am", 5000, 150), ("de", 5000, 10)],  # many times as hard, but three points
        [("am", 500, 400)],  # nothing to compare with
    ],
)
def test_no_alarm(rows: list[tuple[str, int, int]]) -> None:
    assert not list(alarming([_row(*row) for row in rows]))


def test_a_score_takes_nothing() -> None:
    rows = [
        FunnelRow("back", "score", "zh", 400, 100, (), unknown=290, failed=10),
        FunnelRow("back", "score", "de", 400, 400),
    ]
    assert not list(alarming(rows))


def test_a_score_is_shown_as_rated_and_not(copy: Path) -> None:
    scored = [FunnelRow("back", "score", tag, 400, n, (), unknown=400 - n) for tag, n in (("zh", 60), ("ar", 400))]
    path = copy / "funnel.json"
    tree = json.loads(path.read_text())
    tree["steps"] += [row.to_json() for row in scored]
    path.write_text(json.dumps(tree))
    view = funnel(gather(copy))
    (step,) = [step for step in view.steps if step.step == "back"]
    assert (step.in_, step.kept, step.rated) == ("800", "800", "460")
    assert (step.reasons, step.unrated) == ((), (("unknown", "340"),))
    assert "back" not in {alarm.step for alarm in view.alarms}
    cells = {tongue.tag: cells[view.names.index("back")] for tongue, cells in view.rows}
    chinese = cells["zh"]
    assert chinese is not None
    assert (chinese.text, chinese.loss, chinese.hint) == ("400", 0, "400 in, 60 rated\nunknown: 340")
    text = re.sub(r"<[^>]+>|\s+", " ", write_report(copy).read_text(encoding="utf-8"))
    assert re.search(r"not rated: +unknown +340", text)


def test_unknown_counts_as_lost_for_the_alarm() -> None:
    rows = [FunnelRow("clean", "select", "ka", 400, 200, (), unknown=200), _row("de", 400, 4)]
    assert [r.language for r, _ in alarming(rows)] == ["ka"]


weights = st.just(0.0) | st.floats(1e-6, 100)


@given(st.lists(st.tuples(floats, weights), min_size=1, max_size=60), st.floats(1, 30))
def test_smoothing_stays_within_the_values(rows: list[tuple[float, float]], span: float) -> None:
    values = [value for value, _ in rows]
    out = smooth(values, [weight for _, weight in rows], span)
    assert len(out) == len(values)
    assert out[0] == pytest.approx(values[0])
    assert min(values) * 0.999 <= min(out)
    assert max(out) <= max(values) * 1.001


def test_smoothing_by_hand() -> None:
    keep = math.exp(-1 / 2)
    assert smooth([1, 3], [1, 2], 2)[1] == pytest.approx((keep * 1 + 6) / (keep + 2))


@given(st.integers(1, 900), st.integers(2, 100))
def test_thinning_keeps_the_end_and_the_order(length: int, most: int) -> None:
    points = [(float(i), float(i)) for i in range(length)]
    out = thin(points, most)
    assert len(out) <= max(most, 1)
    assert out[-1] == points[-1]
    assert out == sorted(out)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 9))
def test_ticks_lie_within_and_are_not_too_many(low: float, width: float, about: int) -> None:
    found = svg.ticks(low, low + width, about)
    slack = (abs(low) + width) * 1e-9
    assert all(low - slack <= value <= low + width + slack for value in found)
    assert len(found) <= about + 2


def test_tick_texts() -> None:
    assert [svg.tick_text(v) for v in (0.0, 2.5, 1200.0, 0.00025, 0.001)] == ["0", "2.5", "1,200", "2.5e-4", "1e-3"]


def test_svg_escapes() -> None:
    shown = str(svg.label(1, 2, "<script>", class_='a"b'))
    assert "<script>" not in shown
    assert 'a"b' not in shown


def _predictions(count: int) -> pa.Table:
    rows = [
        {"sample": f"{i:032x}", "task": ("naming", "colour")[i % 2], "language": ("ar", "th", "zh-Hant")[i % 3]}
        | {"metric": "choice", "score": float(i % 5 == 0), "answer": ""}
        for i in range(count)
    ]
    return pa.Table.from_pylist(rows)


def test_the_choice_does_not_depend_on_the_order_of_the_table() -> None:
    table = _predictions(90)
    turned = table.take(list(range(89, -1, -1)))
    first, second = (choose(t, ["ar", "th", "zh-Hant"], 12) for t in (table, turned))
    assert [r["sample"] for r in first] == [r["sample"] for r in second]
    assert {r["language"] for r in first} == {"ar", "th", "zh-Hant"}
    assert sum(is_right("choice", r["score"]) for r in first) == 6
    assert sum(r["task"] == "naming" for r in first) == 6


def test_the_choice_ends_with_the_answers() -> None:
    assert len(choose(_predictions(5), [], 40)) == 5


REF = MediaRef("0" * 64, "image", 96, 96)


@pytest.mark.parametrize(
    ("box", "shares"),
    [
        ([0.1, 0.2, 0.3, 0.4], (0.1, 0.2, 0.3, 0.4)),
        ([100, 200, 300, 400], (0.1, 0.2, 0.3, 0.4)),
        ([10, 20, 30, 40], None),  # pixels or thousandths
        ([-1, 0, 0.5, 0.5], None),
        (None, None),
    ],
)
def test_boxes_are_drawn_only_where_their_scale_is_clear(
    box: list[float] | None, shares: tuple[float, ...] | None
) -> None:
    assert in_shares(box, REF) == shares


def test_a_medium_that_is_no_picture_is_said() -> None:
    shown, left_out = pictures([REF, REF], {REF.sha256: b"<svg onload=alert(1)>"}, "")
    assert left_out == 0
    assert all(p.source == "" and "cannot be shown" in p.text for p in shown)


def test_compact_numbers() -> None:
    assert [compact(n) for n in (7, 9999, 10600, 228000, 1234567, 26_000_000_000)] == [
        "7", "9,999", "10.6 k", "228 k", "1.23 M", "26.0 B",
    ]  # fmt: skip


def test_an_unknown_language_stands_for_itself() -> None:
    assert tongue("xx-unknown-tag").name == "xx-unknown-tag"


def test_log_lines_that_were_written_twice_count_once(copy: Path) -> None:
    path = copy / "train.jsonl"
    lines = [json.loads(row) for row in path.read_text().splitlines()]
    again = {**lines[-1], "loss": 0.125}
    endless = {**lines[-2], "step": 61, "loss": float("inf")}
    path.write_text("\n".join(map(json.dumps, [*lines, again, endless])))
    files = read_run(copy)
    assert files.log is not None
    assert len(files.log) == len(lines)
    assert files.log[-1].loss == 0.125
    assert any("not a finite number" in note for note in files.notes)


def test_fill_of_the_packs(copy: Path) -> None:
    (stage, _) = packs(gather(copy)).stages
    assert (stage.stage, stage.packs, stage.each) == ("align", "30", "4.0")
    tokens = sum(70 + i % 40 for i in range(120)) / 30 / 512
    assert stage.budgets[0].mean == f"{100 * tokens:.1f}"
    assert stage.budgets[1].limit == "8"


def test_balance_counts_kept_training_samples_and_planned_tokens(copy: Path) -> None:
    material = gather(copy)
    assert material.store is not None
    train = list(from_table(material.store.samples(where="split = 'train'")))
    write_plan(copy / "plans" / "tune.arrow", train[:11] * 3)
    rows = {row.tongue.tag: row for row in balance(gather(copy)).rows}
    assert (rows["th"].pictured, rows["th"].text_only, rows["th"].samples) == ("12", "0", "12")
    assert (rows["fr"].pictured, rows["fr"].text_only) == ("0", "12")
    assert (rows["ur"].samples, rows["ur"].held_out) == ("none", "12")
    here = [s for s in train[:11] if s.language == "th"]
    assert rows["th"].passes == f"{1 + 3 * len(here) / 12:.1f}"


def test_parameters_are_counted_by_part(finished: Path) -> None:
    assert parameters(finished / "checkpoints" / "tune") == {"vision": 1200, "connector": 200, "language": 3000}
    assert parameters(finished / "checkpoints" / "nothing") == {}


def test_learning_rates_come_from_the_recipe_where_the_log_has_none(copy: Path) -> None:
    path = copy / "train.jsonl"
    lines = [json.loads(row) | {"seconds": 1.5} for row in path.read_text().splitlines()]
    for line in lines:
        del line["learning_rate"]
    path.write_text("\n".join(map(json.dumps, lines)))
    recipe = (copy / "recipe.yaml").read_text()
    rates = "train: [connector]\n    learning_rate: {connector: 0.002, language: 0.5}"
    (copy / "recipe.yaml").write_text(recipe.replace("train: [connector]\n", rates + "\n"))
    shown = curves(gather(copy))
    assert [stage.rates for stage in shown.stages] == ["connector 2.0e-03", ""]
    assert not shown.learning_rates


def test_who_wrote_the_words_is_what_each_sample_says(tmp_path: Path) -> None:
    path = make_export_run(tmp_path / "shapes", *shapes())
    material = gather(path)
    assert material.store is not None
    assert material.survey is not None
    expected: Counter[tuple[str, str]] = Counter()
    for one in from_table(material.store.samples(where="split = 'train'")):
        expected[one.language, provenance(one, {"into-arabic": "translate"})] += 1
    counted = {(tag, kind): n for tag, data in material.survey.languages.items() for kind, n in data.made.items()}
    assert counted == expected
    assert {kind for _, kind in expected} >= {"authentic", "translated"}
    rows = {row.tongue.tag: row for row in wording(material).rows}
    assert rows["ar"].shares == ("", "100.0", "")
    assert 'class="text"' in rows["ar"].strip
    assert rows["hi"].shares[0] == "100.0"
