"""Places on a canvas, lines that are wrapped, and fonts of a language."""

from __future__ import annotations

import numpy as np
import pytest

from polysee.media.fonts import covers, main_font
from polysee.schema.errors import BadRecord, UserError
from polysee.sources.render.canvas import Canvas, Hand, ink, paper, thousandths, worn
from polysee.sources.render.texts import material
from polysee.sources.render.typefaces import is_bold, typefaces


def _hand(language: str, text: str) -> Hand:
    return Hand(typefaces((text,), language)[0], language)


ARABIC, GREEK = _hand("ar", "نص"), _hand("el", "κείμενο")


def test_x_runs_from_the_side_where_reading_begins() -> None:
    for hand, columns in ((GREEK, slice(0, 10)), (ARABIC, slice(90, 100))):
        canvas = Canvas(100, 20, hand)
        canvas.rectangle((0, 0, 10, 20), (200, 0, 0))
        red = np.asarray(canvas.image)[:, :, 1] == 0
        assert red[:, columns].all()
        assert red.sum() == 10 * 20


@pytest.mark.parametrize("side", ["start", "middle", "end"])
def test_text_stands_where_it_is_put(side: str) -> None:
    for hand, text in ((GREEK, "Ελλάδα"), (ARABIC, "مدينة")):
        canvas = Canvas(300, 40, hand)
        box = canvas.write(text, (150, 20), 20, side=side)  # type: ignore[arg-type]
        dark = np.asarray(canvas.image.convert("L")) < 128
        columns, rows = np.flatnonzero(dark.any(axis=0)), np.flatnonzero(dark.any(axis=1))
        assert abs(columns[0] - box[0]) <= 1
        assert abs(columns[-1] + 1 - box[2]) <= 1
        assert abs(rows[0] - box[1]) <= 1
        assert abs(rows[-1] + 1 - box[3]) <= 1
        # For a script from the right, the start of a text is its right end.
        edge = {"start": box[2] if hand is ARABIC else box[0], "middle": (box[0] + box[2]) / 2,
                "end": box[0] if hand is ARABIC else box[2]}[side]  # fmt: skip
        assert abs(edge - 150) <= 4


def test_text_that_does_not_fit_is_refused() -> None:
    with pytest.raises(BadRecord, match="text-outside"):
        Canvas(20, 40, GREEK).write("Θεσσαλονίκη", (0, 20), 20)
    with pytest.raises(BadRecord, match="no-glyph"):
        Canvas(200, 40, GREEK).write("\ue000", (0, 20), 20)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ar", "هذا نص طويل يجب أن ينكسر في أسطر كثيرة لأنه لا يتسع في سطر واحد"),
        ("ja", "これは一行に収まらない長い文なので、いくつかの行に分けて書かなければなりません。"),
        ("th", "ข้อความนี้ยาวเกินหนึ่งบรรทัดจึงต้องตัดออกเป็นหลายบรรทัดเพื่อให้พอดี"),
        ("hi", "यह पाठ एक पंक्ति में नहीं समाता इसलिए इसे कई पंक्तियों में लिखा जाएगा"),
    ],
)
def test_wrapped_lines_fit_and_lose_nothing(language: str, text: str) -> None:
    hand = _hand(language, text)
    lines = hand.wrapped(text, 20, 150)
    assert len(lines) > 2
    assert all(hand.fits(line, 20, 150) for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert not any(line[0] in "、。ーゃ" for line in lines)


def test_a_width_is_that_of_the_ink() -> None:
    for hand, text in ((GREEK, "Ελλάδα"), (ARABIC, "مدينة"), (ARABIC, "مدينة \u4e00")):
        assert abs(hand.width(text, 30) - hand.mask(text, 30).width) <= 1


def test_typefaces_of_a_language_have_all_its_letters() -> None:
    for tag, least in (("ar", 4), ("hi", 4), ("th", 4), ("zh", 4), ("am", 4), ("en", 4)):
        texts = material(tag, None, False).lines
        faces = typefaces(texts, tag)
        assert len(faces) >= least
        assert len(set(faces)) == len(faces)
        assert any(map(is_bold, faces))
        letters = {c for text in texts for c in text if c.isalpha() and main_font(c, tag) == faces[0]}
        assert len(letters) > 25
        assert all(covers(face, "".join(letters)) for face in faces)
    assert "NotoNaskhArabic-Regular.ttf" in {face.path.name for face in typefaces(("كتاب",), "ar")}
    assert {face.index for face in typefaces(("한국어",), "ko")} == {1}


def test_texts_that_no_font_can_write() -> None:
    with pytest.raises(UserError, match="no Noto font can write"):
        typefaces(("\ue000 123",), "ar")


def test_paper_is_light_and_ink_is_dark_or_the_other_way_round() -> None:
    for seed in range(12):
        for dark in (False, True):
            rng = np.random.default_rng(seed)
            mean = np.asarray(paper(rng, 40, 30, dark=dark)).mean()
            letters = np.mean(ink(rng, dark=dark))
            assert abs(mean - letters) > 90
            assert (mean < letters) == dark


def test_wear_is_seeded_and_can_be_left_out() -> None:
    page = paper(np.random.default_rng(1), 40, 30)
    assert worn(page, np.random.default_rng(2), 0.0) is page
    once, twice = (worn(page, np.random.default_rng(2), 1.0) for _ in range(2))
    assert once.tobytes() == twice.tobytes() != page.tobytes()


def test_thousandths() -> None:
    assert thousandths((0, 10, 150, 20), 300, 20) == "[0, 500, 500, 1000]"
