from __future__ import annotations

import pytest

from polysee.evaluation.scripts import wrong_script


@pytest.mark.parametrize(
    ("text", "tag", "wrong"),
    [
        ("قطة", "ar", False),
        ("cat", "ar", True),
        ("قطة", "fa", False),
        ("猫がいます", "ja", False),
        ("ネコ", "zh", True),
        ("貓", "zh-Hant", False),
        ("고양이", "ko", False),
        ("แมว", "th", False),
        ("แมว", "hi", True),
        ("बिल्ली", "hi", False),
        ("ድመት", "am", False),
        ("кот", "sr", False),
        ("mačka", "sr-Latn", False),
        ("კატა", "ka", False),
        ("chat", "en", False),
        ("USB 端口", "zh", True),
        ("我的USB端口在这里", "zh", False),
        ("12", "ar", False),
        ("", "ar", False),
        ("!?", "th", False),
    ],
)
def test_wrong_script(text: str, tag: str, wrong: bool) -> None:
    assert wrong_script(text, tag) is wrong
