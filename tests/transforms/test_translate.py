from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from polysee import transforms
from polysee.schema.errors import UserError
from polysee.schema.provenance import provenance
from polysee.schema.sample import Origin, Sample, Turn, make_sample
from polysee.services.base import Failure, Segment
from polysee.services.config import ApertiumConfig
from polysee.services.open import Services
from polysee.sources.base import EVALUATION_ONLY
from polysee.transforms.base import Failed, Made
from polysee.transforms.translate import (
    Translate,
    TranslateParams,
    provenance_shares,
    refuse_evaluation_only,
)


class Marked:
    """A translator that writes the target's tag before the text; it has no Thai, and fails where told to."""

    name, model, licence = "marked", "marker-1", "CC-BY-4.0"

    def supports(self, source: str, target: str) -> bool:
        return target != "th"

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        return [Failure("broken") if "broken" in s.text else f"{s.target}:{s.text}" for s in segments]


class OneService:
    """Stands for the services of a recipe that has one translator."""

    def translator(self, name: str) -> Marked:
        assert name == "mt"
        return Marked()


def _sample(number: int = 0, **changes: Any) -> Sample:
    given: dict[str, Any] = {
        "task": "vqa",
        "language": "en",
        "turns": (Turn(f"<image>\nWhat is dog {number}?", "a dog"), Turn("And this?", "It runs.")),
        "origin": Origin("src", f"k{number}", "MIT"),
        "instruction": "Look well.",
        "tags": ("domain:animals", "provenance:authentic"),
    }
    return make_sample(**{**given, **changes})


def _apply(samples: Sequence[Sample], **params: Any) -> list[Made | Failed]:
    transform = Translate(TranslateParams(service="mt", **params), seed=3, services=OneService())  # type: ignore[arg-type]
    return list(transform.apply(samples, lambda sha: b""))


def _made(samples: Sequence[Sample], **params: Any) -> list[Sample]:
    found = _apply(samples, **params)
    assert all(isinstance(one, Made) for one in found)
    return [one.sample for one in found]


def test_every_part_is_translated_and_the_way_back_is_kept() -> None:
    parent = _sample()
    original, spanish, arabic = _made([parent], targets=("es", "ar"))
    assert original is parent
    assert spanish.language == "es"
    assert spanish.instruction == "es:Look well."
    assert spanish.turns == (
        Turn("<image>\nes:What is dog 0?", "es:a dog"),
        Turn("es:And this?", "es:It runs."),
    )
    assert arabic.turns[1].output == "ar:It runs."
    origin = spanish.origin
    assert (origin.source, origin.key, origin.parent, origin.step) == ("src", "k0", parent.id, "translate")
    assert (origin.service, origin.model, origin.licence) == ("marked", "marker-1", "MIT AND CC-BY-4.0")
    assert len(origin.parameters) == 16
    assert spanish.tags == (
        "domain:animals", f"group:{parent.id}", "provenance:translated", "translated_from:en",
    )  # fmt: skip


def test_the_answer_stays_among_the_options() -> None:
    sample = _sample(turns=(Turn("Which?", "a dog"),), options=("a cat", "a dog", "12"))
    spanish = _made([sample], targets=("es",))[1]
    assert spanish.options == ("es:a cat", "es:a dog", "12")
    assert spanish.turns[0].output == "es:a dog"
    letters = _made([_sample(turns=(Turn("(A) a dog (B) a cat", "B"),), options=("A", "B"))], targets=("ar",))[1]
    assert (letters.options, letters.turns[0].output) == (("A", "B"), "B")


def test_references_are_translated_each_as_often_as_it_was_given() -> None:
    turns = (Turn("<image>\nWhich?", "a dog"),)
    sample = _sample(turns=turns, options=("a dog", "a cat"), references=("a dog", "a hound", "a dog", "7"))
    spanish = _made([sample], targets=("es",))[1]
    assert spanish.options == ("es:a dog", "es:a cat")
    assert spanish.references == ("es:a dog", "es:a hound", "es:a dog", "7")
    assert spanish.right_answers == ("es:a dog", "es:a hound", "es:a dog", "7")
    (_, failed) = _apply([_sample(references=("a dog", "broken"))], targets=("es",))
    assert isinstance(failed, Failed)


def test_options_that_become_one_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Marked, "translate", lambda self, segments: ["perro"] * len(segments))
    sample = _sample(turns=(Turn("", "a dog"),), options=("a hound", "a dog"))
    original, failed = _apply([sample], targets=("es",))
    assert isinstance(original, Made)
    assert isinstance(failed, Failed)
    assert failed.reason == "options-collide"


def test_failures_name_their_reason_and_language() -> None:
    broken = _sample(turns=(Turn("", "it is broken"),))
    found = _apply([broken, _sample(1)], targets=("es", "th"))
    fates = [(one.reason, one.detail[:2]) if isinstance(one, Failed) else one.sample.language for one in found]
    assert fates == ["en", ("broken", "es"), ("unsupported-language", "th"), "en", "es", ("unsupported-language", "th")]


def test_the_targets_own_language_passes() -> None:
    spanish = _sample(language="es")
    assert _made([spanish], targets=("es",), english_share=0.0) == [spanish]
    assert _made([spanish], targets=("es",), assignment="uniform") == [spanish]


def test_only_some_tasks_and_languages() -> None:
    other, french = _sample(task="caption"), _sample(language="fr")
    assert _made([other, french], targets=("es",), only=("vqa",), languages=("en",)) == [other, french]


def test_shares_are_drawn_by_id_alone() -> None:
    samples = [_sample(number) for number in range(400)]
    targets = ("es", "ar", "zh", "ja")
    half = _made(samples, targets=targets, assignment="half_english_half_uniform")
    counts = Counter(one.language for one in half)
    assert len(half) == 400
    assert 170 <= counts["en"] <= 230
    assert all(30 <= counts[tag] <= 75 for tag in targets)
    by_key = {one.origin.key: one for one in half}
    again = _made(samples[::-1][:100], targets=targets, assignment="half_english_half_uniform")
    assert all(by_key[one.origin.key] == one for one in again)
    assert Counter(one.language for one in _made(samples, targets=targets, assignment="uniform"))["en"] == 0
    everything = Counter(one.language for one in _made(samples, targets=("es",), english_share=0.25))
    assert everything["es"] == 400
    assert 70 <= everything["en"] <= 130


def test_a_cap_counts_each_task_and_split() -> None:
    samples = [_sample(number, split=split, task=task) for number in range(20) for split in ("train", "test")
               for task in ("vqa", "caption")]  # fmt: skip
    found = _made(samples, targets=("es",), cap={"test": 5})
    counts = Counter((one.split, one.task) for one in found if one.language == "es")
    assert counts == {("train", "vqa"): 20, ("train", "caption"): 20, ("test", "vqa"): 5, ("test", "caption"): 5}
    assert sum(one.language == "en" for one in found) == 80
    chosen = {one.origin.key for one in found if one.language == "es"}
    turned = _made(samples[::-1], targets=("es",), cap={"test": 5})
    assert {one.origin.key for one in turned if one.language == "es"} == chosen


def test_evaluation_only_is_refused_as_training_data() -> None:
    made = _made([_sample(split="test")], targets=("es",), evaluation_only=True)
    assert EVALUATION_ONLY in made[1].tags
    assert EVALUATION_ONLY not in made[0].tags
    refuse_evaluation_only(made)
    with pytest.raises(UserError, match="for evaluation only"):
        refuse_evaluation_only([_sample(tags=(EVALUATION_ONLY,))])
    with pytest.raises(UserError, match="for evaluation only"):
        _apply([_sample()], targets=("es",), evaluation_only=True)


def test_provenance_shares() -> None:
    written = [_sample(number, tags=()) for number in range(3)]
    synthetic = _sample(9, tags=(), origin=Origin("src", "k9", "MIT", service="writer"))
    shares = provenance_shares([*_made(written, targets=("ar",)), synthetic, _sample(10, language="ar", tags=())])
    assert provenance(synthetic) == "synthetic"
    assert (shares["en"].authentic, shares["en"].synthetic, shares["en"].samples) == (0.75, 0.25, 4)
    assert (shares["ar"].authentic, shares["ar"].translated) == (0.25, 0.75)


@pytest.mark.parametrize(
    "params",
    [
        {"targets": ()},
        {"targets": ("es", "es")},
        {"targets": ("english",)},
        {"targets": ("es",), "assignment": "half_english_half_uniform", "english_share": 0.4},
        {"targets": ("es",), "cap": {"test": -1}},
        {"targets": ("es",), "protect": ("emoji",)},
    ],
)
def test_bad_parameters(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TranslateParams(service="mt", **params)


def test_it_is_registered_with_its_service() -> None:
    assert transforms.get("translate") is Translate
    assert Translate.service_kinds == {"service": "translator"}


def test_with_apertium(tmp_path: Path) -> None:
    services = Services([ApertiumConfig(name="mt")], tmp_path)
    transform = Translate(TranslateParams(service="mt", targets=("es", "ca")), services=services)
    sample = _sample(
        turns=(Turn("<image>\nHow many dogs? (A) a dog (B) 12 dogs", "a dog"),), options=("a dog", "12 dogs")
    )
    found = [one.sample for one in transform.apply([sample], lambda sha: b"") if isinstance(one, Made)]
    services.close()
    assert [one.turns[0].output for one in found] == ["a dog", "Un perro", "un gos"]
    assert found[1].options == ("Un perro", "12 perros")
    assert found[1].turns[0].input.startswith("<image>\nCuántos perros? (A) Un perro (B) 12 perros")
