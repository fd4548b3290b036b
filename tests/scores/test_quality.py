"""What the estimator says, kept by sample (its own side is tested in `services`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from polysee.scores import get
from polysee.scores.quality import Quality
from polysee.services.open import Services
from scores.translated import CATS, caption, values
from services.played_comet import play


def test_values_by_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    services = Services((play(tmp_path, monkeypatch),), tmp_path / ".services")
    score = get("quality")(Quality.Params(service="judge"), services=services)
    rows = [caption(language, text, text + text) for language, text in CATS]
    assert values(score, rows) == [0.5] * len(CATS)
    two = ("hi", [("कौन", "बिल्ली")], "en", [("whowho", "catcat")], ())
    broken = ("hi", [("fail", "बिल्ली")], "en", [("whowho", "catcat")], ())
    assert values(score, [two, caption("hi", "nan"), broken, caption("hi", "क", None)]) == [0.5, None, None, None]
    services.close()


def test_a_language_unknown_to_the_model_is_not_asked_about(tmp_path: Path) -> None:
    from polysee.services.config import QualityConfig

    # Nothing of it is installed: whoever asked would be told so.
    kiwi = QualityConfig(name="kiwi", python="/nowhere/python")
    services = Services((kiwi,), tmp_path / ".services")
    score = get("quality")(Quality.Params(service="kiwi"), services=services)
    assert values(score, [caption("ceb", "usa ka iring"), caption("bo", "བྱི་ལ་")]) == [None, None]
    services.close()
