from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.evaluation.extraction.choice import option_letter
from polysee.evaluation.extraction.final import after_reasoning, body, boxed, final_answer
from polysee.evaluation.extraction.lexicon import languages, lexicon, prepare, table_name
from polysee.evaluation.extraction.number import number, number_word, numbers_in
from polysee.evaluation.extraction.yesno import yes_no
from polysee.evaluation.metrics import compute
from polysee.evaluation.numbers import parse_number

DATA = Path(__file__).parent / "data"
LETTERS = json.loads((DATA / "letters.json").read_text(encoding="utf-8"))
YES_NO = json.loads((DATA / "yes_no.json").read_text(encoding="utf-8"))
OPTIONS = ["1x", "2x", "3x", "4x"]


def _id(row: Any) -> str:
    return f"{row[0]}-{row[1]}"


@pytest.mark.parametrize("row", LETTERS, ids=_id)
def test_option_letter(row: list[Any]) -> None:
    language, text, want, options = row
    assert option_letter(text, options or OPTIONS, language=language) == want
    decomposed = unicodedata.normalize("NFD", text)
    assert option_letter(decomposed, options or OPTIONS, language=language) == want


@pytest.mark.parametrize("row", YES_NO, ids=_id)
def test_yes_no(row: list[Any]) -> None:
    language, text, want = row
    assert yes_no(text, language=language) == want
    assert yes_no(unicodedata.normalize("NFD", text), language=language) == want


def test_the_cases_reach_many_languages() -> None:
    for table in (LETTERS, YES_NO):
        assert len({table_name(row[0]) for row in table}) >= 70


@pytest.mark.parametrize("tag", languages())
class TestTable:
    """What every language's table must hold, so that a new file is tested by being there."""

    def test_it_is_complete(self, tag: str) -> None:
        table = lexicon(tag)
        assert table is not None
        for part in ("letters", "yes", "no", "deny", "unsure", "answer", "option", "right", "wrong", "joins", "final"):
            assert getattr(table, part), f"{tag}: {part} is empty"
        assert len(table.numbers) >= 11
        assert len(table.ordinals) in (0, 4)
        for part, words in table:
            if isinstance(words, tuple):
                assert all(word == unicodedata.normalize("NFC", word).strip() for word in words), (tag, part)
                assert len(set(words)) == len(words), (tag, part)
        assert not set(table.yes) & set(table.no)

    def test_its_yes_and_no_are_understood(self, tag: str) -> None:
        table = lexicon(tag)
        assert table is not None
        for word in table.yes:
            assert yes_no(f"{word}.", language=tag) == "yes", (tag, word)
        for word in (*table.no, *table.start_no):
            assert yes_no(f"{word}।", language=tag) == "no", (tag, word)
        for word in table.unsure:
            assert yes_no(word, language=tag) is None, (tag, word)

    def test_its_letters_are_understood(self, tag: str) -> None:
        table = lexicon(tag)
        assert table is not None
        for index, cell in enumerate(table.letters[0].split()[:4]):
            want = "ABCD"[index]
            for letter in cell.split("/"):
                for text in (
                    letter,
                    f"({letter})",
                    f"**{letter}**",
                    f"{table.answer[0]}: {letter}",
                    f"{letter}. 3x 4y",
                ):
                    assert option_letter(text, language=tag, count=4) == want, (tag, text)

    def test_its_numbers_count_up(self, tag: str) -> None:
        table = lexicon(tag)
        assert table is not None
        for value, cell in enumerate(table.numbers):
            assert number_word(cell.split("/")[0], language=tag) == value, (tag, cell)
        for word in table.percent:
            assert compute("relaxed_accuracy", f"25 {word}.", ["25%"], language=tag), (tag, word)
        for word, factor in table.scales.items():
            assert parse_number(f"3 {word}", language=tag) == 3 * factor, (tag, word)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("pt-BR", "pt"),
        ("zh-Hant-TW", "zh"),
        ("nn", "nb"),
        ("no", "nb"),
        ("arz", "ar"),
        ("tl", "fil"),
        ("iw", "he"),
        ("xx", None),
    ],
)
def test_tags_find_their_table(tag: str, name: str | None) -> None:
    assert table_name(tag) == name


def test_a_language_without_a_table_is_read_as_english() -> None:
    assert yes_no("Yes", language="xx") == "yes"
    assert option_letter("The answer is B", OPTIONS, language="xx") == "B"


@given(st.text(max_size=60), st.sampled_from(["en", "ar", "zh", "th", "ko", "ja", "am", "hi", "ru", "xx"]))
def test_no_text_breaks_the_readers(text: str, language: str) -> None:
    assert option_letter(text, ["cat", "猫", "", "قطة"], language=language) in (None, "A", "B", "C", "D")
    assert yes_no(text, language=language) in (None, "yes", "no")
    value = number(text, language=language)
    assert value is None or isinstance(value, float)
    final_answer(text, language=language)


@given(
    st.sampled_from("ABCD"),
    st.sampled_from(["{}", "({})", "[{}]", "【{}】", "**{}**", "{}.", "{}、", "\\boxed{{{}}}", "<answer>{}</answer>"]),
)
def test_framed_letters_are_read_back(letter: str, frame: str) -> None:
    full_width = chr(ord(letter) + 0xFEE0)
    for language in ("en", "pt", "zh", "ar", "th"):
        assert option_letter(frame.format(letter), OPTIONS, language=language) == letter
        assert option_letter(frame.format(full_width), OPTIONS, language=language) == letter


@given(st.text(alphabet="xyz \n.,:;!?", max_size=40))
def test_text_without_letters_or_options_names_none(text: str) -> None:
    assert option_letter(text, ["cat", "dog", "cow", "pig"]) is None


@pytest.mark.parametrize(
    ("text", "language", "want"),
    [
        ("<think>4? no</think>5", "en", "5"),
        ("<think>never done", "en", ""),
        ("x\n<answer>7</answer>", "en", "7"),
        ("so \\boxed{\\frac{1}{2}} and \\boxed{3}", "en", "3"),
        ("a\n#### 42", "en", "42"),
        ("Step 1: 2\nThe final answer is: **9**", "en", "9"),
        ("الخطوة ١\nالإجابة النهائية: ٩", "ar", "٩"),
        ("首先看图。\n因此，答案是：三只猫", "zh", "三只猫"),
        ("手順\n答えは 3", "ja", "3"),
        ("पहला कदम\nअंतिम उत्तर: १२", "hi", "१२"),
        ("ขั้นตอน\nคำตอบคือ สาม", "th", "สาม"),
        ("The final answer is blue", "en", "blue"),
        ("الإجابة النهائية هي: أزرق", "ar", "أزرق"),
        ("Passo 1.\nResposta final: 3,5", "pt", "3,5"),
        ("first line\nlast line", "en", "last line"),
        ("just this", "sw", "just this"),
    ],
)
def test_final_answer(text: str, language: str, want: str) -> None:
    assert final_answer(text, language=language) == want


def test_boxes_of_tex() -> None:
    assert boxed(r"\boxed{\text{C}}") == "C"
    assert boxed(r"\boxed{a{b}c") is None
    assert body("no marks") == "no marks"
    assert after_reasoning("a</think>b</think>c") == "c"


@pytest.mark.parametrize(
    ("text", "language", "want"),
    [
        ("The answer is 12 cm² (3 x 4)", "en", 12.0),
        ("3 + 4 = 7", "en", 7.0),
        ("between 3 and 5", "en", None),
        ("seven", "en", 7.0),
        ("سبعة", "ar", 7.0),
        ("الإجابة هي ٣٫٥", "ar", 3.5),
        ("共有１２只", "zh", 12.0),
        ("答案是3.5亿", "zh", 3.5e8),
        ("R$ 1.234,50", "pt", 1234.5),
        ("2015-2016", "en", None),
        ("between -3 and -3", "en", -3.0),
        ("B2", "en", None),
        ("no number", "en", None),
        ("-5", "en", -5.0),
        ("፲፪", "am", 12.0),
        ("สาม", "th", 3.0),
        ("<think>4</think>", "en", None),
    ],
)
def test_number(text: str, language: str, want: float | None) -> None:
    assert number(text, language=language) == want


def test_numbers_know_their_place_and_per_cent() -> None:
    text = "from 3-5 to ٤٠٪"
    found = numbers_in(text, language="ar")
    assert [(f.value, f.percent) for f in found] == [(3.0, False), (5.0, False), (40.0, True)]
    assert [text[f.start : f.end] for f in found] == ["3", "5", "٤٠"]


@given(st.text(max_size=60))
def test_prepared_text_stays_as_it_is(text: str) -> None:
    once = prepare(text)
    assert prepare(once) == once
