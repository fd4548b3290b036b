from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from polysee.evaluation.translation import (
    Comparison,
    Entrant,
    Reference,
    bleu_tokens,
    compare,
    passing_languages,
    read_references,
    tuxpaint_references,
    winner,
)
from polysee.schema.errors import UserError
from polysee.services.base import Failure, Segment
from polysee.sources.tuxpaint import SYSTEM_ROOT

PAIRS = {"ar": "كلب أحمر كبير في الحديقة اليوم", "zh": "今天花园里有一只红色的大狗", "th": "วันนี้มีหมาตัวใหญ่สีแดงอยู่ในสวน"}


class Known:
    """Translates by a table; ``wrong`` of the texts, from the first, come out as something else."""

    model, licence = "table", "MIT"

    def __init__(self, name: str, wrong: int = 0, languages: Sequence[str] = ("ar", "zh", "th")) -> None:
        self.name, self.wrong, self.languages = name, wrong, languages
        self.done = 0

    def supports(self, source: str, target: str) -> bool:
        return target in self.languages

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        found: list[str | Failure] = []
        for segment in segments:
            if "refuse" in segment.text:
                found.append(Failure("refused"))
                continue
            self.done += 1
            found.append("خطأ" if self.done <= self.wrong else f"{segment.text[-2:]} {PAIRS[segment.target]}")
        return found


def _references(n: int = 40, **ratings: float) -> list[Reference]:
    names = [f"{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(n)]
    return [
        Reference(f"dog number {name}", f"{name} {text}", tag, ratings=ratings)
        for tag, text in PAIRS.items()
        for name in names
    ]


def _entrant(translator: Known) -> Entrant:
    return Entrant(translator.name, translator, lambda: 0.25 * translator.done)


def test_a_perfect_and_a_poor_system() -> None:
    results = compare([_entrant(Known("good")), _entrant(Known("poor", wrong=30))], _references(), resamples=200)
    table = {(one.system, one.target): one for one in results}
    assert set(table) == {(system, tag) for system in ("good", "poor") for tag in PAIRS}
    for tag in PAIRS:
        good = table["good", tag]
        assert good.chrf.value == pytest.approx(100.0)
        assert good.bleu.value == pytest.approx(100.0)
        assert (good.n, good.failed, good.rating, good.licence) == (40, {}, None, "MIT")
        assert good.cost == pytest.approx(0.25)
        assert max(good.chrf.high, good.bleu.high) <= 100.0
        assert (good.seconds.low, good.seconds.high) == (None, None)  # one chunk
    poor = table["poor", "ar"]
    assert poor.chrf.high < 60
    assert poor.chrf.low < poor.chrf.value < poor.chrf.high
    assert winner(results) == "good"


def test_scores_are_those_of_sacrebleu() -> None:
    metrics = pytest.importorskip("sacrebleu.metrics")
    references = _references(12)
    result = next(
        one for one in compare([_entrant(Known("poor", wrong=30))], references, resamples=20) if one.target == "zh"
    )
    texts = [f"{one.source[-2:]} {PAIRS['zh']}" if k >= 6 else "خطأ" for k, one in enumerate(references[12:24])]
    expected = [one.reference for one in references[12:24]]
    assert result.chrf.value == pytest.approx(metrics.CHRF().corpus_score(texts, [expected]).score)
    bleu = metrics.BLEU(tokenize="zh").corpus_score(texts, [expected]).score
    assert result.bleu.value == pytest.approx(bleu)


def test_a_failure_counts_as_an_empty_translation() -> None:
    rows = [*_references(10), Reference("refuse this", "x y", "ar")]
    result = next(one for one in compare([_entrant(Known("good"))], rows, resamples=50) if one.target == "ar")
    assert result.failed == {"refused": 1}
    assert result.chrf.value < 100.0


def test_native_ratings_decide_where_all_have_them() -> None:
    rows = _references(8, good=0.5, poor=0.9)
    results = compare([_entrant(Known("good")), _entrant(Known("poor", wrong=20))], rows, resamples=50)
    rating = results[0].rating
    assert rating is not None
    assert (rating.value, winner(results), winner(results, "chrf")) == (0.5, "poor", "good")
    with pytest.raises(UserError, match="native ratings"):
        winner(compare([_entrant(Known("good"))], _references(4), resamples=20), "rating")


def test_only_whole_systems_can_win() -> None:
    entrants = [_entrant(Known("part", languages=("ar",))), _entrant(Known("whole", wrong=90))]
    results = compare(entrants, _references(10), resamples=20)
    assert [(one.target, one.system) for one in results if one.system == "part"] == [("ar", "part")]
    assert winner(results) == "whole"
    with pytest.raises(UserError, match="no translator has all languages"):
        winner([one for one in results if one.system == "part" or one.target == "th"])


def test_seconds_have_an_interval_over_chunks() -> None:
    [row] = compare([_entrant(Known("good", languages=("ar",)))], _references(150), resamples=20)
    assert row.seconds.low is not None
    assert row.seconds.high is not None
    assert 0 < row.seconds.low <= row.seconds.value <= row.seconds.high


def test_m3its_gate() -> None:
    assert passing_languages({"fr": 48.2, "wo": 20.0, "am": 20.1, "km": 8.0}) == ["am", "fr"]
    assert passing_languages({"fr": 48.2, "km": 8.0}, threshold=5) == ["fr", "km"]
    results: list[Comparison] = compare(
        [_entrant(Known("good", languages=("ar",))), _entrant(Known("poor", wrong=999))], _references(5), resamples=20
    )
    assert passing_languages(results) == ["ar"]


def test_words_are_counted_as_the_script_has_them() -> None:
    assert [bleu_tokens(tag) for tag in ("zh-Hant", "ja", "th", "ar", "pt-BR")] == [
        "zh",
        "char",
        "char",
        "intl",
        "intl",
    ]


def test_reference_sets_are_read(tmp_path: Path) -> None:
    jsonl, tsv = tmp_path / "a.jsonl", tmp_path / "a.tsv"
    rows = [
        {"source": "a dog", "reference": "كلب", "target_language": "ar", "ratings": {"gpt": 0.9}},
        {"source": "犬", "reference": "หมา", "target_language": "th", "source_language": "ja"},
    ]
    jsonl.write_text("\n\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    tsv.write_text(
        "source\treference\ttarget_language\tsource_language\trating:gpt\na dog\tكلب\tar\t\t0.9\n犬\tหมา\tth\tja\t\n",
        encoding="utf-8",
    )
    expected = [Reference("a dog", "كلب", "ar", "en", {"gpt": 0.9}), Reference("犬", "หมา", "th", "ja")]
    assert read_references(jsonl) == read_references(tsv) == expected
    tsv.write_text('source\treference\na "dog\tكلب\n', encoding="utf-8")
    assert read_references(tsv, target="ar") == [Reference('a "dog', "كلب", "ar")]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "the reference set is empty"),
        ("{oops", "line 1"),
        ('{"source": "a"}', "no reference"),
        ("[1]", "no source"),
        ('{"source": "a", "reference": "b", "target_language": "arabic"}', "arabic"),
        ('{"source": "a", "reference": "b", "target_language": "ar", "ratings": {"x": 2}}', "not from 0 to 1"),
        ('{"source": "a", "reference": "b", "target_language": "ar", "ratings": {"x": "good"}}', "no number"),
    ],
)
def test_faulty_reference_sets(tmp_path: Path, text: str, cause: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=cause):
        read_references(path)
    with pytest.raises(UserError) as caught:
        read_references(tmp_path / "missing.tsv")
    assert str(caught.value).startswith(f"{tmp_path / 'missing.tsv'}: cannot be read: no such file or directory\n")


def test_tux_paints_captions(tmp_path: Path) -> None:
    theme = tmp_path / "animals"
    theme.mkdir()
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="red"/></svg>'
    for name, caption in (("dog", "كلب"), ("cat", "")):
        (theme / f"{name}.svg").write_text(svg)
        (theme / f"{name}.txt").write_text(f"A {name}.\nar.utf8={caption}\n", encoding="utf-8")
    assert tuxpaint_references(["ar"], root=str(tmp_path)) == [Reference("A dog.", "كلب", "ar")]
    with pytest.raises(UserError, match="no caption in 'th'"):
        tuxpaint_references(["th"], root=str(tmp_path))
    assert SYSTEM_ROOT.name == "stamps"
