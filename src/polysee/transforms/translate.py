"""Copies of samples in other languages: all of their words translated, marks and numbers proved there.

Each translation names the sample that it was made from, the service, its model and the licences of both.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from polysee.schema.errors import UserError
from polysee.schema.provenance import PROVENANCES, Provenance, provenance
from polysee.schema.sample import Origin, Sample, Turn, make_sample
from polysee.services.base import Failure, Segment, Translator
from polysee.services.config import Role
from polysee.services.open import Services
from polysee.services.translators.guarded import LONGEST, Guard, translate_texts
from polysee.sources.base import EVALUATION_ONLY, Params
from polysee.sources.fields import LanguageTag
from polysee.text.protect import FORMS, KINDS, Form, Kind
from polysee.transforms.base import Failed, Made, ReadMedia
from polysee.transforms.forecast import Counts, Forecast, SampleKind, add, has_tag, in_language
from polysee.transforms.lineage import parameters_hash

_TRANSLATED = "provenance:translated"
_TEXTS = 3
"""Of a sample: instruction, question and answer. How many references it has is not known before it is read."""
_TOKENS = (120, 40)
"""Of a request to a chat model for one text and of its reply, about: ours."""
_AT_ONCE = 256
"""Samples whose texts go to the translator together."""


class TranslateParams(Params):
    """Parameters of the transform."""

    service: str = Field(min_length=1)
    """Name of the translator in `services`."""
    targets: tuple[LanguageTag, ...] = Field(min_length=1)
    """Languages to translate into."""
    assignment: Literal["all", "uniform", "half_english_half_uniform"] = "all"
    """`all`: each sample into every target. `uniform`: into one, drawn by its id. `half_english_half_uniform`: half of
    the samples stay as they are, each of the others goes into one target (TowerVideo)."""
    english_share: float | None = Field(default=None, ge=0.0, le=1.0)
    """Share of the samples, drawn by their ids, that stay in their own language: beside their translations with `all`
    (1 where left out), in place of one otherwise (0, or 0.5 with `half_english_half_uniform`)."""
    cap: dict[str, int] = Field(default_factory=dict)
    """Split -> the most samples of each task, in each shard of a source, that are translated (M3IT: 500). The others
    pass as they are."""
    only: tuple[str, ...] | None = None
    """Only samples of these tasks; all where left out."""
    languages: tuple[LanguageTag, ...] | None = None
    """Only samples in these languages; all where left out."""
    splits: tuple[str, ...] | None = None
    """Only samples of these splits; all where left out."""
    tags: tuple[str, ...] | None = None
    """Only samples with one of these tags (`dataset:chartqa`); all where left out."""
    evaluation_only: bool = False
    """Marks the translations as not for training, and refuses samples of the split `train` (M3IT)."""
    protect: tuple[Kind, ...] = KINDS
    """What no translator may touch."""
    placeholders: tuple[Form, ...] = Field(default=FORMS, min_length=1)
    """Forms of placeholders, in the order in which they are tried."""
    longest: int = Field(default=LONGEST, ge=20, le=10_000)
    """The most characters of a sentence before it is cut."""

    @model_validator(mode="after")
    def _fits_together(self) -> TranslateParams:
        if len(set(self.targets)) != len(self.targets):
            raise ValueError("targets holds a language twice")
        if self.assignment == "half_english_half_uniform" and self.english_share not in (None, 0.5):
            raise ValueError("half_english_half_uniform means an english_share of 0.5; use uniform for another")
        if any(most < 0 for most in self.cap.values()):
            raise ValueError("a cap is at least 0")
        return self

    @property
    def share(self) -> float:
        """`english_share`, or what the assignment implies."""
        implied = {"all": 1.0, "uniform": 0.0, "half_english_half_uniform": 0.5}
        return implied[self.assignment] if self.english_share is None else self.english_share


@dataclass(frozen=True, slots=True)
class _Task:
    """What becomes of a sample: whether it stays, and the languages that it is translated into."""

    sample: Sample
    stays: bool
    targets: tuple[str, ...]

    def texts(self) -> list[str]:
        """All that is translated, in a fixed order."""
        sample = self.sample
        turns = [text for turn in sample.turns for text in (turn.input, turn.output)]
        return [sample.instruction, *turns, *sample.options, *sample.references]


class Translate:
    """Adds translations. A sample whose language is the target, or that is not concerned, passes unchanged."""

    Params: ClassVar[type[TranslateParams]] = TranslateParams
    version: ClassVar[int] = 2
    service_kinds: ClassVar[dict[str, Role]] = {"service": "translator"}

    def __init__(self, params: TranslateParams, *, seed: int = 0, services: Services) -> None:
        self._params = params
        self._seed = seed
        self._services = services
        self._parameters = parameters_hash(params, self.version, seed)
        self._guard = Guard(params.protect, params.placeholders, params.longest)

    @staticmethod
    def forecast(params: TranslateParams, counts: Counts) -> Forecast:
        """Translations of each kind into each target, with `_TEXTS` texts a sample; a cap holds once for each kind."""
        made: dict[SampleKind, int] = {}
        asked = 0
        for kind, number in counts.items():
            speaks = params.languages is None or not kind.language or kind.language in params.languages
            if not (speaks and kind.may_be(params.only, params.splits, params.tags)):
                add(made, kind, number)
                continue
            targets = [tag for tag in params.targets if tag != kind.language]
            moved = min(number, params.cap.get(kind.split, number))
            if params.assignment != "all":
                moved -= round(moved * params.share)
                add(made, kind, number - moved)
                for at, tag in enumerate(targets):
                    add(made, in_language(kind, tag), moved // len(targets) + (at < moved % len(targets)))
                asked += moved if targets else 0
            else:
                stays = kind.language in params.targets
                add(made, kind, number if stays else number - moved + round(moved * params.share))
                for tag in targets:
                    add(made, in_language(kind, tag), moved)
                asked += moved * len(targets)
        return Forecast(made, asked * _TEXTS, _TOKENS)

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        """The sample itself where it stays, and a `Made` or `Failed` for each target.

        Reasons: those of `polysee.services.translators.guarded.translate_texts`, and ``options-collide`` where two
        options become one. Raises `UserError` for a training sample with ``evaluation_only``, and where the service
        cannot work.
        """
        translator = self._services.translator(self._params.service)
        tasks = self._tasks(samples) if not self._params.cap else self._capped(samples)
        while chunk := list(islice(tasks, _AT_ONCE)):
            yield from self._translated(chunk, translator)

    def _tasks(self, samples: Iterable[Sample]) -> Iterator[_Task]:
        return (self._task(sample) for sample in samples)

    def _capped(self, samples: Iterable[Sample]) -> Iterator[_Task]:
        """With no more of each task and split translated than their cap: those whose hashes come first."""
        tasks = [self._task(sample) for sample in samples]
        taken: Counter[tuple[str, str]] = Counter()
        over: set[int] = set()
        for index in sorted(range(len(tasks)), key=lambda i: _hash(self._seed, "cap", tasks[i].sample.id)):
            sample = tasks[index].sample
            most = self._params.cap.get(sample.split)
            if tasks[index].targets and most is not None:
                taken[sample.task, sample.split] += 1
                if taken[sample.task, sample.split] > most:
                    over.add(index)
        return (_Task(task.sample, True, ()) if i in over else task for i, task in enumerate(tasks))

    def _task(self, sample: Sample) -> _Task:
        params = self._params
        if not self._concerns(sample):
            return _Task(sample, True, ())
        if params.evaluation_only and sample.split == "train":
            raise UserError("translations for evaluation only are asked of samples of the split 'train'",
                            "give the source another split, or leave out `evaluation_only`")  # fmt: skip
        stays = _hash(self._seed, "stays", sample.id) / 2**64 < params.share
        if params.assignment == "all":
            return _Task(sample, stays or sample.language in params.targets, self._others(sample, params.targets))
        if stays:
            return _Task(sample, True, ())
        target = params.targets[_hash(self._seed, "target", sample.id) % len(params.targets)]
        others = self._others(sample, (target,))
        return _Task(sample, not others, others)

    def _concerns(self, sample: Sample) -> bool:
        params = self._params
        return (
            (params.only is None or sample.task in params.only)
            and (params.languages is None or sample.language in params.languages)
            and (params.splits is None or sample.split in params.splits)
            and has_tag(sample, params.tags)
        )

    def _others(self, sample: Sample, targets: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(target for target in targets if target != sample.language)

    def _translated(self, tasks: Sequence[_Task], translator: Translator) -> Iterator[Made | Failed]:
        segments = [
            Segment(text, task.sample.language, target)
            for task in tasks
            for target in task.targets
            for text in task.texts()
        ]
        answers = iter(translate_texts(translator, segments, self._guard))
        for task in tasks:
            if task.stays:
                yield Made(task.sample)
            for target in task.targets:
                found = list(islice(answers, len(task.texts())))
                yield self._made(task, target, found, translator)

    def _made(self, task: _Task, target: str, answers: list[str | Failure], translator: Translator) -> Made | Failed:
        texts: list[str] = []
        for answer in answers:
            if isinstance(answer, Failure):
                return Failed(task.sample, answer.reason, f"{target}: {answer.detail}")
            texts.append(answer)
        parent = task.sample
        said = 1 + 2 * len(parent.turns)
        options = tuple(texts[said : said + len(parent.options)])
        if len(set(options)) < len(set(parent.options)):
            return Failed(parent, "options-collide", f"{target}: {' | '.join(options)}")
        # An option must be the answer in the very words in which it stands among the options.
        by_option = dict(zip(parent.options, options, strict=True))
        turns = tuple(
            Turn(texts[1 + 2 * number], by_option.get(turn.output, texts[2 + 2 * number]))
            for number, turn in enumerate(parent.turns)
        )
        made = make_sample(
            task=parent.task,
            language=target,
            turns=turns,
            origin=parent.origin,
            media=parent.media,
            instruction=texts[0],
            options=options,
            split=parent.split,
            tags=self._tags(parent),
            references=tuple(texts[said + len(parent.options) :]),
        )
        origins = tuple(self._origin(origin, parent, translator) for origin in parent.origins)
        return Made(replace(made, origins=origins))

    def _tags(self, parent: Sample) -> tuple[str, ...]:
        kept = {tag for tag in parent.tags if not tag.startswith(("provenance:", "translated_from:"))}
        kept |= {_TRANSLATED, f"translated_from:{parent.language}"}
        if not any(tag.startswith("group:") for tag in parent.tags):
            kept.add(f"group:{parent.id}")
        if self._params.evaluation_only:
            kept.add(EVALUATION_ONLY)
        return tuple(kept)

    def _origin(self, origin: Origin, parent: Sample, translator: Translator) -> Origin:
        added = translator.licence
        known = not added or added in origin.licence.split(" AND ")
        return replace(
            origin,
            parent=parent.id,
            step="translate",
            service=translator.name,
            model=translator.model,
            parameters=self._parameters,
            licence=origin.licence if known else " AND ".join(filter(None, (origin.licence, added))),
        )


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of a language's samples people wrote in it, was translated, or was made by a model; sums to 1."""

    authentic: float
    translated: float
    synthetic: float
    samples: int


def provenance_shares(samples: Iterable[Sample]) -> dict[str, Shares]:
    """Language -> its shares of authentic, translated and synthetic samples (AIN: 35% of the Arabic is authentic)."""
    counts: dict[str, Counter[Provenance]] = {}
    for sample in samples:
        counts.setdefault(sample.language, Counter())[provenance(sample)] += 1
    found = {}
    for language, count in sorted(counts.items()):
        authentic, translated, synthetic = (count[kind] / count.total() for kind in PROVENANCES)
        found[language] = Shares(authentic, translated, synthetic, count.total())
    return found


def refuse_evaluation_only(samples: Iterable[Sample]) -> None:
    """Raises `UserError` where a sample of the split ``train`` is tagged `EVALUATION_ONLY`."""
    for sample in samples:
        if sample.split == "train" and EVALUATION_ONLY in sample.tags:
            raise UserError(
                f"the sample {sample.id} of {sample.origin.source!r} is for evaluation only, and stands in the split "
                "'train'",
                "give it another split, or select the samples without the tag",
            )


def _hash(*parts: object) -> int:
    """64 bits that follow from the parts alone."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
