"""A sample's own answer and the references beside it, and the way between samples and Arrow rows."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysee.schema.arrow import from_table, to_table
from polysee.schema.sample import Origin, Sample, Turn, make_sample

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["قطة", "แมว", "बिल्ली", "ድመት", "が", "が"])


def sample(output: str, *references: str) -> Sample:
    turns = (Turn("ما هذا؟", output),)
    return make_sample(task="vqa", language="ar", turns=turns, origin=Origin("s", "1", ""), references=references)


@settings(deadline=None)
@given(TEXT, st.lists(TEXT, max_size=6))
def test_references_are_no_part_of_the_id_and_come_back_from_arrow(output: str, references: list[str]) -> None:
    plain, several = sample(output), sample(output, *references)
    assert several.id == plain.id
    assert several.references == tuple(unicodedata.normalize("NFC", one) for one in references)
    assert list(from_table(to_table([plain, several]))) == [plain, several]


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ((), ("قطة",)),
        (("كلب", "قطة", "قطة"), ("قطة", "كلب", "قطة")),
        (("كلب", "هرة"), ("قطة", "كلب", "هرة")),
    ],
)
def test_the_own_answer_is_first_and_counts_once(references: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert sample("قطة", *references).right_answers == expected


def test_rows_from_before_there_were_references_have_none() -> None:
    old = to_table([sample("قطة", "كلب")]).drop_columns(["references"])
    assert [one.references for one in from_table(old)] == [()]
