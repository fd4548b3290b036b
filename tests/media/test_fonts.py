"""Each script gets its Noto font; what is missing says how to get it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import features

from polysee.media import fonts
from polysee.media.fonts import FontFile, covers, font_files, font_for, font_runs, main_font, roots
from polysee.schema import BadRecord, UserError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hello 12", "NotoSans-Regular.ttf"),
        ("Привет, Ελλάδα", "NotoSans-Regular.ttf"),
        ("مرحبا 123!", "NotoSansArabic-Regular.ttf"),
        ("گربه پلنگ چتر", "NotoSansArabic-Regular.ttf"),
        ("שלום", "NotoSansHebrew-Regular.ttf"),
        ("नमस्ते", "NotoSansDevanagari-Regular.ttf"),
        ("สวัสดี", "NotoSansThai-Regular.ttf"),
        ("አማርኛ", "NotoSansEthiopic-Regular.ttf"),
        ("ქართული", "NotoSansGeorgian-Regular.ttf"),
        ("বাংলা", "NotoSansBengali-Regular.ttf"),
        ("தமிழ்", "NotoSansTamil-Regular.ttf"),
        ("မြန်မာ", "NotoSansMyanmar-Regular.ttf"),
        ("ཀ་ཁ", "NotoSerifTibetan-Regular.ttf"),
        ("こんにちは世界", "NotoSansCJK-Regular.ttc"),
        ("iPhone 手机", "NotoSansCJK-Regular.ttc"),
    ],
)
def test_one_font_draws_one_script(text: str, name: str) -> None:
    assert [file.path.name for _, file in font_runs(text)] == [name]
    assert font_for(text, 20).size == 20
    assert [path.name for path in font_files(text)] == [name]


@pytest.mark.parametrize(
    ("text", "language", "index"),
    [
        ("世界", "", 2),
        ("世界", "ja", 0),
        ("世界", "ko", 1),
        ("世界", "zh-Hant", 3),
        ("世界", "zh-TW", 3),
        ("世界", "zh-HK", 4),
        ("世界", "yue", 4),
        ("世界の", "", 0),
        ("世界는", "", 1),
    ],
)
def test_han_characters_take_the_shapes_of_their_language(text: str, language: str, index: int) -> None:
    assert main_font(text, language).index == index


def test_mixed_scripts_are_split_between_clusters() -> None:
    text = "abc ไทยน้ำ עברית"
    runs = font_runs(text)
    assert "".join(part for part, _ in runs) == text
    assert [file.path.name.split("-")[0] for _, file in runs] == ["NotoSans", "NotoSansThai", "NotoSansHebrew"]


def test_coverage_is_that_of_the_font_file() -> None:
    arabic = main_font("ع")
    assert covers(arabic, "مرحبا")
    assert not covers(arabic, "猫")
    assert covers(arabic, "\u200d\ufe0f\u00a0")
    cjk = FontFile(main_font("猫").path, 0)
    assert covers(cjk, "猫𠮷한ー")


def test_blank_text_has_a_font() -> None:
    assert main_font(" \n").path.name == "NotoSans-Regular.ttf"


@pytest.mark.parametrize("text", ["\ue000", "ok \U0001f600"])
def test_what_no_font_has_is_the_texts_fault(text: str) -> None:
    with pytest.raises(BadRecord, match="no-glyph"):
        font_for(text, 20)


def test_missing_fonts_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fonts, "roots", lambda: (tmp_path,))
    for ask in (lambda: font_for("hello", 20), lambda: font_for("猫", 20), fonts.emoji_font):
        with pytest.raises(UserError, match="is not installed") as caught:
            ask()
        assert "scripts/debian-packages" in caught.value.fix
        assert "apt-get install --no-install-recommends fonts-noto-core fonts-noto-cjk" in caught.value.fix


def test_a_missing_cjk_font_is_not_called_the_texts_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "NotoSans-Regular.ttf").symlink_to(main_font("a").path)
    monkeypatch.setattr(fonts, "roots", lambda: (tmp_path,))
    assert font_for("hello", 20).size == 20
    with pytest.raises(UserError, match="NotoSansCJK"):
        font_for("猫", 20)


def test_folders_are_searched_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POLYSEE_FONTS", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    unpacked = tmp_path / "cache" / "polysee" / "debian" / "usr" / "share" / "fonts"
    assert roots() == (tmp_path / "mine", unpacked, Path("/usr/share/fonts"))
    there = main_font("a").path
    (unpacked / "truetype").mkdir(parents=True)
    (unpacked / "truetype" / there.name).symlink_to(there)
    fonts._index.cache_clear()
    fonts._script_fonts.cache_clear()
    assert main_font("a").path.is_relative_to(unpacked)
    fonts._index.cache_clear()


def test_without_fribidi_nothing_is_drawn_unshaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: False)
    fonts.load.cache_clear()
    with pytest.raises(UserError, match="FriBiDi"):
        font_for("مرحبا", 20)
