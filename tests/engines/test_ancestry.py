"""The source of a translation is found whatever happened to either of them since."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polysee.engines import ancestry
from polysee.engines.data_steps import ScoreStep, SelectStep, SourceStep, TransformStep
from polysee.engines.local import run_steps
from polysee.schema.arrow import SAMPLE_SCHEMA, to_table
from polysee.schema.sample import Origin, Sample, Turn, make_sample
from polysee.services.config import ApertiumConfig
from polysee.store import tables
from polysee.store.run import RunStore
from polysee.transforms.lineage import derive

TEXTS = {"ar": "قطة", "zh": "猫", "th": "แมว", "hi": "बिल्ली", "am": "ድመት"}


def sample(language: str, text: str) -> Sample:
    turns = (Turn("", text),)
    return make_sample(task="naming", language=language, turns=turns, origin=Origin("s", text, "CC0-1.0"))


def translation(parent: Sample, language: str, text: str) -> Sample:
    made = replace(sample(language, text), tags=(f"translated_from:{parent.language}",))
    return replace(made, origins=(replace(parent.origin, parent=parent.id, step="translate"),))


def stored(path: Path, samples: Sequence[Sample]) -> int:
    table = to_table(samples)
    return tables.publish(
        path, tables.write_fragments(path, table, SAMPLE_SCHEMA, fresh=True), SAMPLE_SCHEMA, fresh=True
    )


def found(path: Path, versions: Sequence[int], samples: Sequence[Sample]) -> list[str | None]:
    rows = ancestry.translated_from(path, versions, to_table(samples)).to_pylist()
    return [None if row is None else f"{row['language']}: {row['turns'][0]['output']}" for row in rows]


def test_through_the_versions_of_the_samples(tmp_path: Path) -> None:
    path = tmp_path / "samples.lance"
    cat, dog = sample("en", "cat"), sample("en", "dog")
    first = stored(path, [dog, cat])
    # The English samples do not stay; what follows changes the translations.
    translated = [translation(cat, tag, text) for tag, text in TEXTS.items()]
    second = stored(path, translated)
    asked = [derive(one, step="instruct", parameters="", instruction="?") for one in translated]
    third = stored(path, asked)
    again = [
        translation(asked[0], "he", "חתול"),
        *(derive(one, step="boxes", parameters="", instruction="!") for one in asked),
    ]
    versions = [third, second, first]
    assert found(path, versions, again) == ["ar: قطة", *["en: cat"] * 5]
    assert found(path, versions, [dog, *asked]) == [None, *["en: cat"] * 5]
    # One that another run translated, and one whose tag is all that it has.
    strange = translation(sample("en", "bird"), "am", "ወፍ")
    bare = replace(sample("am", "ወፍ"), tags=("translated_from:en",))
    assert found(path, versions, [strange, bare]) == [None, None]
    assert found(path, [], asked) == [None] * 5


@pytest.mark.skipif(shutil.which("apertium") is None, reason="Apertium is missing")
def test_a_run_scores_its_translations(tmp_path: Path) -> None:
    mt = (ApertiumConfig(name="mt"),)
    translate = {"service": "mt", "targets": ["es"], "languages": ["en"], "english_share": 0.0, "assignment": "uniform"}
    steps: list[Any] = [
        SourceStep("demo", "fake", {}),
        SourceStep("more", "fake", {"first": 100}),
        TransformStep("translate", "translate", translate, services=mt),
        TransformStep("instruct", "instruct", {"missing": "english"}),
        ScoreStep("back", "round_trip", {"service": "mt"}, services=mt),
        SelectStep("good", "NOT array_has(tags, 'provenance:translated') OR round_trip >= 0.3"),
    ]
    for workers in (0, 1):
        with RunStore(tmp_path / f"run-{workers}") as store:
            run_steps(steps, store, workers=workers)
            rows = store.samples().select(["language", "turns", "round_trip", "keep_good"]).to_pylist()
            manifest = store.manifest("back")
        spanish = [row for row in rows if row["language"] == "es"]
        assert len(spanish) == 7
        assert all(row["round_trip"] > 0.3 and row["keep_good"] for row in spanish)
        assert all(row["round_trip"] is None and row["keep_good"] for row in rows if row["language"] != "es")
        assert manifest is not None
        assert manifest.summary.startswith("7 scored, 41 unknown, 0 failed; mt: ")
