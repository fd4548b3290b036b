"""Agreement beyond chance, against published worked examples."""

from __future__ import annotations

import pytest

from polysee.evaluation.judge.agreement import cohen_kappa, krippendorff_alpha, mean_ranks, spearman

_ = None
# Krippendorff's own example: twelve units, four observers, values missing.
RATERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3),
    (_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _),
)
UNITS = [*zip(*RATERS, strict=True)]


@pytest.mark.parametrize(("level", "expected"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_book(level: str, expected: float) -> None:
    assert krippendorff_alpha(UNITS, level) == pytest.approx(expected, abs=5e-4)  # type: ignore[arg-type]


def test_alpha_has_no_value_without_variety() -> None:
    assert krippendorff_alpha([(1, 1), (1, 1)]) is None
    assert krippendorff_alpha([(1, None), (2, None)]) is None


def test_kappa_of_a_textbook_table() -> None:
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: 0.7 observed, 0.5 by chance.
    first = ["是"] * 25 + ["否"] * 25
    second = ["是"] * 20 + ["否"] * 5 + ["是"] * 10 + ["否"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(["نعم"] * 3, ["نعم"] * 3) is None


def test_spearman_with_ties() -> None:
    assert spearman([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    assert mean_ranks([3, 1, 3, 2]).tolist() == [3.5, 1.0, 3.5, 2.0]
    # Ranks 1.5 1.5 3 4 and 1 2 3.5 3.5: 4 / 4.5 by hand.
    assert spearman([1, 1, 2, 3], [1, 2, 3, 3]) == pytest.approx(4 / 4.5)
    assert spearman([1, 1], [1, 2]) is None


def test_unequal_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        cohen_kappa(["a"], [])
    with pytest.raises(ValueError, match="cannot be compared"):
        spearman([1.0], [])
