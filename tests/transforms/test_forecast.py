"""What transforms foresee for a plan, held against what they then do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from polysee.schema.sample import Origin, Sample, Turn, make_sample
from polysee.services.base import Failure, Segment
from polysee.transforms.base import Made
from polysee.transforms.boxes import Boxes, BoxesParams
from polysee.transforms.caption import Caption, CaptionParams
from polysee.transforms.forecast import SampleKind, has_tag
from polysee.transforms.paraphrase import Paraphrase, ParaphraseParams
from polysee.transforms.translate import Translate, TranslateParams

CHARTS = SampleKind("chart", "en", "train", "chartqa")
PAGES = SampleKind("text-vqa", "en", "validation", "docvqa")
COUNTS = {CHARTS: 300, PAGES: 40}


class Echo:
    name, model, licence = "echo", "echo-1", ""

    def supports(self, source: str, target: str) -> bool:
        return True

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        return [f"{s.target}: {s.text}" for s in segments]


class Only:
    def translator(self, name: str) -> Echo:
        return Echo()


def _samples() -> list[Sample]:
    return [
        make_sample(
            task=kind.task,
            language=kind.language,
            turns=(Turn(f"ما هذا؟ {number}", "قطة"),),
            origin=Origin(kind.dataset, str(number), "MIT"),
            split=kind.split,
            tags=(f"dataset:{kind.dataset}",),
        )
        for kind, size in COUNTS.items()
        for number in range(size)
    ]


@pytest.mark.parametrize(
    "params",
    [
        {"targets": ("ar", "th")},
        {"targets": ("en", "ar"), "cap": {"train": 7}},
        {"targets": ("ar",), "splits": ("validation",), "cap": {"validation": 5}},
        {"targets": ("ar", "hi", "ja"), "tags": ("dataset:chartqa", "dataset:none")},
        {"targets": ("ar",), "only": ("chart",), "languages": ("fr",)},
        {"targets": ("ar", "hi", "ja"), "assignment": "uniform"},
        {"targets": ("ar", "hi", "ja"), "assignment": "half_english_half_uniform", "cap": {"train": 100}},
    ],
)
def test_translations(params: dict[str, Any]) -> None:
    made = TranslateParams(service="mt", **params)
    found = Translate.forecast(made, COUNTS)
    done: Counter[SampleKind] = Counter()
    for one in Translate(made, seed=3, services=Only()).apply(_samples(), lambda sha256: b""):  # type: ignore[arg-type]
        assert isinstance(one, Made)
        sample = one.sample
        done[SampleKind(sample.task, sample.language, sample.split, sample.tags[0].partition(":")[2])] += 1
    assert sum(found.counts.values()) == done.total()
    drawn = made.assignment != "all"
    for kind in {*done, *found.counts}:
        # Languages are drawn, so the numbers are near and no more.
        assert found.counts.get(kind, 0) == pytest.approx(done[kind], abs=60 if drawn else 0)
    assert found.requests % 3 == 0


def test_what_a_plan_does_not_know_may_be_anything() -> None:
    unknown = SampleKind()
    assert unknown.may_be(["vqa"], ["train"], ["dataset:gqa"])
    assert CHARTS.may_be(["chart"], ["train"], ["dataset:chartqa"])
    assert not CHARTS.may_be(["vqa"], None, None)
    assert not CHARTS.may_be(None, ["validation"], None)
    assert not CHARTS.may_be(None, None, ["dataset:gqa"])
    assert CHARTS.may_be(None, None, ["dataset:gqa", "concept:🐈"])


def test_captions_and_sentences() -> None:
    caption = Caption.forecast(CaptionParams(service="w", languages=("ar", "th"), tags=("dataset:chartqa",)), COUNTS)
    drawn = {replace(CHARTS, task="captioning", language=tag): 300 for tag in ("ar", "th")}
    assert caption.counts == {**COUNTS, **drawn}
    assert caption.requests == 600
    instead = Caption.forecast(CaptionParams(service="w", keep=False, splits=("validation",)), COUNTS)
    assert instead.counts == {CHARTS: 300, replace(PAGES, task="captioning"): 40}
    sentences = Paraphrase.forecast(ParaphraseParams(service="w", tasks=("chart",)), COUNTS)
    assert (sentences.counts, sentences.requests) == (COUNTS, 300)
    assert sentences.tokens[0] > sentences.tokens[1] > 0
    assert Boxes.forecast(BoxesParams(), COUNTS).media


def test_tags() -> None:
    (sample, *_) = _samples()
    assert has_tag(sample, None)
    assert has_tag(sample, ["dataset:gqa", "dataset:chartqa"])
    assert not has_tag(sample, ["dataset:chart"])
    assert not has_tag(sample, [])
