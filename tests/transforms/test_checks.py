"""Heuristics on sentences that a model wrote, in many scripts."""

from __future__ import annotations

import pytest

from polysee.transforms.checks import Asked, flaw, holds, in_language, is_refusal, word_count


@pytest.mark.parametrize(
    ("tag", "answer", "text"),
    [
        ("en", "Magellan", "The probe that NASA launched was called Magellan."),
        ("en", "two dogs", "There are two dogs in the picture."),
        ("ar", "قطة", "في الصورة تظهر القطة السوداء."),
        ("ar", "12", "عدد الأشخاص في الصورة هو ١٢ شخصًا."),
        ("ar", "كتاب", "يقرأ الرجل كِتَابًا في الحديقة."),
        ("he", "ספר", "האיש קורא בספר הגדול."),
        ("fa", "۵", "در این تصویر 5 پرنده دیده می‌شود."),
        ("hi", "बिल्ली", "चित्र में एक काली बिल्ली बैठी है।"),
        ("hi", "3", "चित्र में ३ गेंदें हैं।"),
        ("ru", "красная машина", "На улице стоит красную машину видно издалека."),
        ("tr", "kedi", "Resimde bir kediyi görüyoruz."),
        ("tr", "IŞIK", "Odada ışık var."),
        ("zh", "红色", "这辆车是红色的。"),
        ("ja", "三匹", "写真には猫が三匹います。"),
        ("th", "แมว", "ในภาพมีแมวสีดำอยู่"),
        ("ko", "고양이", "사진 속에는 고양이가 있습니다."),
        ("am", "ድመት", "በሥዕሉ ላይ የድመት ምስል አለ።"),
    ],
)
def test_an_answer_is_found_inflected_and_in_other_digits(tag: str, answer: str, text: str) -> None:
    assert holds(text, answer, tag)


@pytest.mark.parametrize(
    ("tag", "answer", "text"),
    [
        ("en", "Magellan", "NASA launched a probe to Venus."),
        ("en", "cat", "It belongs to a large category."),
        ("en", "12", "There are 112 people."),
        ("en", "3.5", "It is 35 metres high."),
        ("ar", "قطة", "في الصورة كلب أسود."),
        ("hi", "३", "चित्र में 4 गेंदें हैं।"),
        ("ru", "кот", "На картинке большая котлета."),
        ("zh", "红色", "这辆车是蓝色的。"),
        ("ja", "三匹", "写真には猫が二匹います。"),
        ("th", "แมว", "ในภาพมีหมาสีดำ"),
        ("am", "ድመት", "በሥዕሉ ላይ ውሻ አለ።"),
    ],
)
def test_an_answer_is_missed(tag: str, answer: str, text: str) -> None:
    assert not holds(text, answer, tag)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "I'm sorry, but I can't tell from the image."),
        ("ar", "عذرًا، لا أستطيع الإجابة عن هذا السؤال."),
        ("ar", "I apologize, but the image is not provided."),
        ("ja", "申し訳ありませんが、画像を見ることができません。"),
        ("hi", "मुझे खेद है, मैं यह नहीं बता सकता।"),
        ("th", "ขออภัย ฉันไม่เห็นภาพ"),
        ("zh", "抱歉，我无法查看图片。"),
        ("de", "Es tut mir leid, aber ich sehe kein Bild."),
        ("am", "ይቅርታ፣ ማድረግ አልችልም።"),
    ],
)
def test_refusals(tag: str, text: str) -> None:
    assert is_refusal(text, tag)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "The sorry-looking dog cannot be seen well."),
        ("ja", "写真には猫が三匹います。"),
        ("zh", "图中的人正在道歉卡片旁边。"),
        ("de", "Die Frau im Bild heißt Anna."),
    ],
)
def test_no_refusals(tag: str, text: str) -> None:
    assert not is_refusal(text, tag)


def test_language_by_script_and_by_the_model() -> None:
    assert in_language("В комнате на ковре сидит чёрная кошка.", "ru")
    assert not in_language("A black cat is sitting on the red carpet.", "ar")
    assert not in_language("A black cat is sitting on the red carpet.", "es")
    assert in_language("Hay un gato negro sentado en la alfombra roja.", "es")
    assert in_language("کوتاه", "ar")  # too short to say


@pytest.mark.parametrize(
    ("slug", "text"),
    [
        ("empty", "  "),
        ("refusal", "عذرًا، لا أستطيع الإجابة."),
        ("label", "Answer: المدينة هي القاهرة."),
        ("no-sentence", "القاهرة."),
        ("answer-lost", "المدينة في الصورة هي الإسكندرية."),
        ("other-language", "The city that can be seen in this picture is القاهرة, of course."),
        ("too-long", "القاهرة " + "مدينة كبيرة جدا " * 20),
        (None, "المدينة التي تظهر في الصورة هي القاهرة."),
    ],
)
def test_every_flaw_has_its_name(slug: str | None, text: str) -> None:
    assert flaw(text, Asked("ما المدينة في الصورة؟", "القاهرة", "ar")) == slug


def test_a_name_in_another_script_is_no_other_language() -> None:
    assert flaw("المسبار الذي أُطلق إلى هذا الكوكب هو Magellan.", Asked("أي مسبار؟", "Magellan", "ar")) is None


def test_words_where_they_are_not_spaced() -> None:
    assert word_count("红色的汽车", "zh") == pytest.approx(5 / 3)
    assert word_count("a red car", "en") == 3
