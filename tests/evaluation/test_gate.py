"""The gate stops what has fallen, says nothing of what has not, and is seldom wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_answers import TAGS, answers, model, row, write
from pydantic import ValidationError

from polysee.evaluation.gate import FAILED, GateConfig, check, gate

DRAW = {"resamples": 100, "seed": 0}


def _config(**other: Any) -> GateConfig:
    return GateConfig(against="base", **other)


def _fallen(rows: list[dict[str, Any]], tag: str, share: float) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [r | {"score": 0.0} if r["language"] == tag and rng.random() < share else r for r in rows]


def test_a_language_that_has_fallen() -> None:
    rows = model(1, pictures=200)
    found = gate(answers(rows), answers(_fallen(rows, "th", 0.3)), _config(), **DRAW)
    assert [finding.language for finding in found.findings] == ["th"]
    assert found.exit_code == FAILED == 3
    assert "th: " in found.lines()[1]
    assert "1 allowed" in found.lines()[1]


def test_no_finding_within_what_is_allowed() -> None:
    rows = model(1, pictures=200)
    fallen = answers(_fallen(rows, "th", 0.3))
    for config in (_config(max_drop=0.5), _config(languages={"th": 0.5})):
        found = gate(answers(rows), fallen, config, **DRAW)
        assert found.findings == ()
        assert found.exit_code == 0
    assert gate(answers(rows), answers(rows), _config(max_drop=0.0), **DRAW).exit_code == 0


def test_a_large_fall_on_few_pictures_is_no_finding() -> None:
    rows = [row("naming", "am", n, 1) for n in range(4)] + [row("naming", "hi", n, n % 2) for n in range(100)]
    worse = [row("naming", "am", n, 0) for n in range(4)] + [row("naming", "hi", n, n % 2) for n in range(100)]
    assert gate(answers(rows), answers(worse), _config(), **DRAW).findings == ()


def test_a_language_that_is_no_longer_measured() -> None:
    rows = model(1)
    rest = [one for one in rows if one["language"] != "zh-Hant"]
    found = gate(answers(rows), answers(rest), _config(), **DRAW)
    assert [str(finding) for finding in found.findings] == ["zh-Hant: measured before, but not now"]
    assert found.exit_code == FAILED


def test_false_alarms() -> None:
    """Models that are equally good are stopped as often as the level says, over all languages together."""
    stopped = sum(
        bool(gate(answers(model(2 * n)), answers(model(2 * n + 1)), _config(max_drop=0.0), **DRAW).findings)
        for n in range(150)
    )
    assert 0.01 <= stopped / 150 <= 0.085


def test_power_against_a_fall_in_one_language() -> None:
    stopped = 0
    for n in range(12):
        worse = _fallen(model(1000 + n, pictures=150), "hi", 0.5)
        stopped += bool(gate(answers(model(n, pictures=150)), answers(worse), _config(), **DRAW).findings)
    assert stopped >= 11


def test_folders_and_configuration(tmp_path: Any) -> None:
    rows = model(1, pictures=200)
    base, new = write(tmp_path / "base", rows), write(tmp_path / "new", _fallen(rows, "ar", 0.4))
    found = check(new, GateConfig(against=str(base)), **DRAW)
    assert [finding.language for finding in found.findings] == ["ar"]
    assert set(found.languages) == set(TAGS)
    with pytest.raises(ValidationError):
        GateConfig(against="a", max_drop=-0.1)
    with pytest.raises(ValidationError):
        GateConfig(against="a", maxdrop=0.1)  # type: ignore[call-arg]
