from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.text.segment import graphemes
from polysee.text.sentences import join, split

TEXTS = {
    "en": "Dr. Who is 3.5 m tall! See fig. 2 by J. K. Smith, e.g. this. “Really?” he asked. Wait... so?\n\n  Next.  ",
    "es": "¿Qué es esto? ¡Un perro! El Sr. García lo ve.",
    "ar": "هل هذا كلب؟ نعم، إنه كلب. إنه يجري!",
    "ur": "یہ کتا ہے۔ وہ دوڑتا ہے۔",
    "he": "האם זה כלב? כן. הוא רץ!",
    "zh": "这是一只狗。它在跑！他说：“好。”然后走了。\n真的？好",
    "ja": "これは犬です。「本当？」と言った。はい！",
    "th": "นี่คือสุนัข มันวิ่งเร็วมาก\nใช่ไหม",
    "hi": "यह कुत्ता है। यह दौड़ता है॥ हाँ।",
    "am": "ይህ ውሻ ነው። ድመት ናት፧ አዎ፨",
    "km": "នេះជាឆ្កែ។ វារត់៕",
    "my": "ဒါကခွေး။ ပြေးတယ်။",
}


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("en", ["Dr. Who is 3.5 m tall!", "See fig. 2 by J. K. Smith, e.g. this.", "“Really?” he asked.", "Wait... so?",
                "Next."]),
        ("es", ["¿Qué es esto?", "¡Un perro!", "El Sr. García lo ve."]),
        ("ar", ["هل هذا كلب؟", "نعم، إنه كلب.", "إنه يجري!"]),
        ("ur", ["یہ کتا ہے۔", "وہ دوڑتا ہے۔"]),
        ("he", ["האם זה כלב?", "כן.", "הוא רץ!"]),
        ("zh", ["这是一只狗。", "它在跑！", "他说：“好。”然后走了。", "真的？", "好"]),
        ("ja", ["これは犬です。", "「本当？」と言った。", "はい！"]),
        ("th", ["นี่คือสุนัข มันวิ่งเร็วมาก", "ใช่ไหม"]),
        ("hi", ["यह कुत्ता है।", "यह दौड़ता है॥", "हाँ।"]),
        ("am", ["ይህ ውሻ ነው።", "ድመት ናት፧", "አዎ፨"]),
        ("km", ["នេះជាឆ្កែ។", "វារត់៕"]),
        ("my", ["ဒါကခွေး။", "ပြေးတယ်။"]),
    ],
)  # fmt: skip
def test_each_script_ends_its_sentences(tag: str, expected: list[str]) -> None:
    assert list(split(TEXTS[tag]).texts) == expected


@pytest.mark.parametrize("tag", sorted(TEXTS))
@pytest.mark.parametrize("longest", [None, 1, 2, 7, 20])
def test_nothing_is_lost(tag: str, longest: int | None) -> None:
    found = split(TEXTS[tag], longest=longest)
    assert join(found, found.texts, source=tag, target=tag) == TEXTS[tag]
    assert all(text and text == text.strip() for text in found.texts)
    assert not "".join(found.gaps).strip()
    if longest is not None:
        assert all(len(text) <= longest for text in found.texts)


@given(st.text(alphabet='aZ1. !?。\n\t 　,、กี่हि။؟\u2028\u200d"」', max_size=60), st.integers(1, 12))
def test_any_text_comes_back(text: str, longest: int) -> None:
    for found in (split(text), split(text, longest=longest)):
        assert join(found, found.texts, source="en", target="en") == text
        assert len(found.gaps) == len(found.texts) + 1


def test_graphemes_stay_whole_and_cuts_are_at_clauses_and_spaces() -> None:
    thai = "สุนัขวิ่งเร็วมากในสวนที่นี่"
    clusters = graphemes(thai)
    for text in split(thai, longest=9).texts:
        assert all(cluster in clusters for cluster in graphemes(text))
    assert split("สุนัขวิ่งเร็ว แมวนอน", longest=15).texts == ("สุนัขวิ่งเร็ว", "แมวนอน")
    assert split("a small dog, and a very big cat", longest=20).texts == ("a small dog,", "and a very big cat")
    assert split("一只小狗在跑，一只猫在睡", longest=8).texts == ("一只小狗在跑，", "一只猫在睡")


def test_spaces_are_those_of_the_target() -> None:
    zh = split("这是狗。它在跑！\n好。")
    assert join(zh, ["It is a dog.", "It runs!", "Good."], source="zh", target="en") == "It is a dog. It runs!\nGood."
    en = split("It is a dog. It runs!\nGood. ")
    assert join(en, ["これは犬です。", "走る!", "良い。"], source="en", target="ja") == "これは犬です。走る!\n良い。 "
    assert join(en, ["สุนัข", "มันวิ่ง", "ดี"], source="en", target="th") == "สุนัข มันวิ่ง\nดี "


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="fits into 0"):
        split("a", longest=0)
    with pytest.raises(ValueError, match="1 translations for 2"):
        join(split("It is. So be it."), ["a"], source="en", target="es")
