"""The records of the source `render`: every language, exact answers, splits that share nothing."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from polysee.media.decode import decode
from polysee.media.ocr import read_tokens
from polysee.schema.errors import MissingExtra, UserError
from polysee.sources import get
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.render import formulas
from polysee.sources.render.source import BLOCK, POOLS, Render, RenderParams, Task
from polysee.text.digits import to_ascii
from polysee.text.segment import script_share
from polysee.transforms.instruct import load_pool

LANGUAGES = (
    "ar", "he", "fa", "hi", "bn", "ta", "th", "zh", "ja", "ko", "am", "ka", "hy", "el", "ru", "km", "my", "ur", "sw",
    "vi", "tr", "en", "zh-Hant", "te",
)  # fmt: skip
TASKS = get_args(Task)


def source(seed: int = 7, **changes: Any) -> Render:
    tree = {
        "languages": ("ar",),
        "pictures": dict.fromkeys(TASKS, 1),
        "evaluation": {"test": 1},
        "side": 300,
        **changes,
    }
    return Render(RenderParams.model_validate(tree), seed=seed)


def read(made: Render, shard: str) -> list[SourceRecord]:
    records = list(made.read(shard))
    assert all(isinstance(record, SourceRecord) for record in records), records
    return records  # type: ignore[return-value]


def only(task: str, language: str, count: int = 1, split: str = "train", **changes: Any) -> list[SourceRecord]:
    made = source(languages=(language,), pictures={task: count}, evaluation={"test": count}, **changes)
    return read(made, f"{split}/{task}/{language}/0/{count}")


def test_the_registry_knows_it() -> None:
    assert get("render") is Render


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_written_in_its_own_script(language: str) -> None:
    from polysee.text.languages import language as of

    (line,) = only("text_line", language)
    (chart,) = only("chart_value", language)
    for text in (line.turns[0].output, *(turn.input for turn in chart.turns)):
        share = script_share(text, of(language).script)
        assert share is None or share >= 0.5, text
    assert decode(line.media[0].data).size[0] > 30
    assert decode(chart.media[0].data).size == (300, 225)


def test_all_tasks_of_a_right_to_left_language_and_the_identity_of_their_shards() -> None:
    made = source()
    shards = made.shards()
    assert len(shards) == 2 * len(TASKS) == made.estimate()
    records = {record.key: record for shard in shards for record in read(made, shard)}
    assert len(records) == len(shards)
    again = source()
    for shard in reversed(shards):
        for record in read(again, shard):
            assert record == records[record.key]
    assert {record.split for record in records.values()} == {"train", "test"}
    for record in records.values():
        assert f"pool:{POOLS[record.task]}" in record.tags
        assert record.options == () or record.split == "test"
        if record.options:
            assert record.turns[0].output in record.options
            assert len(set(record.options)) == len(record.options) >= 2
        assert len(record.turns) == 1 or record.split == "train"
    other = read(source(seed=8), "train/chart_value/ar/0/1")
    assert other[0].media[0].data != records["train/chart_value/ar/0"].media[0].data


def test_blocks() -> None:
    made = source(pictures={"text_line": BLOCK + 1}, evaluation={"test": 0}, languages=("ar", "th"))
    assert made.shards() == [
        "train/text_line/ar/0/100",
        "train/text_line/ar/100/101",
        "train/text_line/th/0/100",
        "train/text_line/th/100/101",
    ]


@pytest.mark.parametrize(
    "language", sorted({path.stem for path in Path("src/polysee/transforms/pools").glob("*.yaml")})
)
def test_every_pool_that_is_named_exists(language: str) -> None:
    pool = load_pool(language)
    assert pool is not None
    if "naming" in pool.pools:
        assert set(POOLS.values()) <= set(pool.pools)


def test_held_out_words_are_in_no_training_picture() -> None:
    def words(split: str) -> set[str]:
        return {label for record in only("chart_value", "th", 12, split, turns=9) for label in (
            *(turn.input for turn in record.turns),)}  # fmt: skip

    assert len(words("train")) > 30
    assert not words("train") & words("test")


@pytest.mark.parametrize(("task", "best"), [("chart_highest", max), ("chart_lowest", min)])
def test_the_extreme_of_a_chart(task: str, best: Any) -> None:
    from polysee.sources.render import source as module

    seen = []
    original = module.draw_chart

    def spy(*given: Any) -> Any:
        seen.append(original(*given))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "draw_chart", spy)
        records = only(task, "am", 8)
    for record, chart in zip(records, seen, strict=True):
        assert record.turns[0].output == chart.labels[chart.values.index(best(chart.values))]
        assert len(set(chart.values)) == len(chart.values) >= 4


def test_comparisons_name_two_and_answer_one() -> None:
    for record in only("chart_compare", "ja", 6, "test"):
        one, other = record.turns[0].input.split("、")
        assert set(record.options) == {one, other}
        assert record.turns[0].output in (one, other)


def test_cells_and_extremes_of_tables() -> None:
    for record in only("table_value", "ar", 4, turns=20):
        assert len(record.turns) >= 8
        assert len({turn.input for turn in record.turns}) == len(record.turns)
        assert all(turn.output.isdecimal() and to_ascii(turn.output) != turn.output for turn in record.turns)
        assert all("، " in turn.input for turn in record.turns)
    (record,) = only("table_highest", "ar", 1)
    assert len({turn.input for turn in record.turns}) == len(record.turns) >= 2


@pytest.mark.parametrize(
    ("digits", "language", "wanted"),
    [
        ("default", "ar", {"arab"}), ("default", "hi", {"latn"}), ("native", "hi", {"deva"}), ("latin", "ar", {"latn"}),
        ("native", "fa", {"arabext"}), ("native", "ur", {"arabext"}), ("native", "th", {"thai"}),
        ("native", "ru", {"latn"}), ("native", "ta", {"tamldec"}), ("mixed", "bn", {"beng", "latn"}),
    ],
)  # fmt: skip
def test_digits(digits: str, language: str, wanted: set[str]) -> None:
    from polysee.text.languages import digits_of

    answers = [t.output for record in only("table_value", language, 8, digits=digits) for t in record.turns]
    systems = {name for answer in answers for name in ("latn", "arab", "arabext", "deva", "thai", "beng", "tamldec")
               if set(answer) <= set(digits_of(name))}  # fmt: skip
    # Arabic and Persian share some digits, so that one of the two may be named beside the other.
    assert wanted <= systems
    assert all(any(set(a) <= set(digits_of(name)) for name in wanted) for a in answers)


def test_boxes_hold_the_ink_of_their_line() -> None:
    for language in ("ar", "zh", "th"):
        (record,) = only("text_box", language, noise=0.0, turns=30)
        page = decode(record.media[0].data)
        grey = np.asarray(page.convert("L"), np.float64)
        for turn in record.turns:
            x1, y1, x2, y2 = (int(v) for v in turn.output.strip("[]").split(", "))
            assert 0 <= x1 < x2 <= 1000
            assert 0 <= y1 < y2 <= 1000
            left, right = (round(v * page.width / 1000) for v in (x1, x2))
            top, bottom = (round(v * page.height / 1000) for v in (y1, y2))
            inside = grey[top:bottom, left:right]
            assert inside.min() < 110, turn
            # Ink reaches every edge of the box, and what lies just outside of its sides is paper.
            dark = inside < 170
            assert dark[:, :3].any()
            assert dark[:, -3:].any()
            assert dark[:3].any()
            assert dark[-3:].any()
            assert not (grey[top:bottom, max(0, left - 4) : max(0, left - 2)] < 110).any()


def test_right_to_left_pages_align_on_the_right() -> None:
    for language, side in (("he", 1), ("el", 0)):
        (record,) = only("text_box", language, noise=0.0, turns=30)
        edges = Counter(int(turn.output.strip("[]").split(", ")[2 * side]) for turn in record.turns)
        (edge, count), *_ = edges.most_common(1)
        assert (edge > 900) if side else (edge < 100)
        assert count >= 1


def test_tesseract_reads_what_was_written() -> None:
    right = total = 0
    for record in only("text_line", "en", 6, noise=0.0, side=448):
        wanted = record.turns[0].output.replace(",", "").lower().split()
        found = " ".join(t.text for t in read_tokens(record.media[0].data, "en", min_confidence=0, layout=6)).lower()
        right += sum(word in found for word in wanted)
        total += len(wanted)
    assert right / total > 0.85


def test_pages_are_written_in_reading_order() -> None:
    # One column: Tesseract's order is then the page's own.
    (record,) = only("document", "en", 1, noise=0.0, side=384, lines=6)
    found = " ".join(t.text for t in read_tokens(record.media[0].data, "en", min_confidence=0, layout=4)).lower()
    firsts = [block.lower().split(",")[0].split()[-1] for block in record.turns[0].output.split("\n")]
    places = [found.find(word) for word in firsts]
    assert [p for p in places if p >= 0] == sorted(p for p in places if p >= 0)
    assert sum(p >= 0 for p in places) >= len(places) - 1


def test_formulas_are_equal_in_all_languages() -> None:
    made = source(languages=("ar", "ko"), pictures={"formula": 4})
    arabic, korean = (read(made, f"train/formula/{tag}/0/4") for tag in ("ar", "ko"))
    assert [r.media[0].data for r in arabic] == [r.media[0].data for r in korean]
    assert [r.tags for r in arabic] == [r.tags for r in korean]
    assert "group:train/formula/0" in arabic[0].tags
    assert len({r.turns[0].output for r in arabic}) == 4
    for record in arabic:
        latex = record.turns[0].output
        assert latex.count("{") == latex.count("}")
        grey = np.asarray(decode(record.media[0].data).convert("L"))
        assert grey.min() < 140 < grey.max()


def test_formulas_need_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise formulas.PackageNotFoundError(name)

    monkeypatch.setattr(formulas, "version", missing)
    with pytest.raises(MissingExtra, match="matplotlib") as caught:
        source(pictures={"formula": 1}).fingerprint_inputs()
    assert "polysee[render]" in caught.value.fix
    assert source(pictures={"text_line": 1}).fingerprint_inputs()


def _texts(folder: Path, lines: list[str], name: str = "ar.txt") -> str:
    path = folder / name
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_texts_of_ones_own(tmp_path: Path) -> None:
    lines = [f"هذه جملة رقم {n} من كتاب." for n in range(400)]
    changes = {"texts": {"ar": _texts(tmp_path, lines)}, "texts_licence": "CC0-1.0"}
    train, test = (only("text_line", "ar", 5, split, **changes) for split in ("train", "test"))
    assert {record.turns[0].output for record in train} <= set(lines)
    assert not {r.turns[0].output for r in train} & {r.turns[0].output for r in test}
    assert train[0].licence == "OFL-1.1 AND Unicode-3.0 AND CC0-1.0"
    before = source(**changes).fingerprint_inputs()
    _texts(tmp_path, [*lines, "جملة جديدة."])
    assert (
        source(**changes, noise=0.4).fingerprint_inputs() != before or source(**changes).fingerprint_inputs() == before
    )


def test_a_character_without_a_glyph_is_a_reject(tmp_path: Path) -> None:
    lines = [f"سطر {n} \ue000" for n in range(400)]
    made = source(pictures={"text_line": 3}, texts={"ar": _texts(tmp_path, lines)})
    rejects = list(made.read("train/text_line/ar/0/3"))
    assert all(isinstance(r, Reject) and (r.reason, r.language) == ("no-glyph", "ar") for r in rejects)
    assert len(rejects) == 3


@pytest.mark.parametrize(
    ("cause", "content"),
    [
        ("too few texts", b"\xd9\x82\n" * 400),
        ("is not UTF-8", b"\xff\xfe\x00"),
        ("over 400 characters", "ق".encode() * 401),
    ],
)
def test_faulty_texts(tmp_path: Path, cause: str, content: bytes) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=cause):
        source(texts={"ar": str(path)}).fingerprint_inputs()


def test_missing_texts(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no texts: no such file"):
        source(texts={"ar": str(tmp_path / "none")}).fingerprint_inputs()
    with pytest.raises(UserError, match="no emoji names in 'tlh'"):
        source(languages=("tlh",)).fingerprint_inputs()


def test_a_language_twice() -> None:
    with pytest.raises(ValidationError, match="a language stands in it twice"):
        source(languages=("ar", "ar"))


def test_pictures_are_png() -> None:
    (record,) = only("text_line", "ka")
    assert Image.open(io.BytesIO(record.media[0].data)).format == "PNG"
    assert record.media == only("text_line", "ka")[0].media


@pytest.mark.parametrize("language", ["ar", "zh", "th", "hi", "en"])
def test_a_region_holds_one_line_of_the_page(language: str) -> None:
    (record,) = only("text_region", language, lines=5)
    (medium,) = record.media
    assert medium.box is not None
    left, top, right, bottom = medium.box
    width, height = decode(medium.data).size
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert bottom - top < height / 2
    assert record.turns[0].output.strip()
    assert "\n" not in record.turns[0].output
