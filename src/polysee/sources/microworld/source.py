"""The source ``microworld``: scenes, questions and answers for training and for every held-out split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Annotated, ClassVar, Literal, cast, get_args

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from polysee.media.draw import draw_text
from polysee.media.fonts import emoji_font
from polysee.media.frames import write_video
from polysee.schema.config import Config
from polysee.schema.sample import Turn
from polysee.sources.base import MediaBlob, Params, Reject, SourceRecord
from polysee.sources.microworld import cldr, scenes, wording
from polysee.sources.microworld.concepts import CONCEPTS, members
from polysee.sources.microworld.layouts import FOUR_WAY, LAYOUTS, TASKS, Layout
from polysee.sources.microworld.words import words

LICENCE = "OFL-1.1 AND Unicode-3.0"
_WEIGHED = 2
"""Scenes of a task that are drawn to say what they weigh."""
BLOCK = 250
"""Scenes a shard."""

Task = Literal[
    "naming", "counting", "colour", "position", "matching", "caption", "grounding", "multi_image", "video", "absent",
    "needle", "reading",
]  # fmt: skip
_BY_TEXT = ("counting", "position", "absent")
_SPLITS = ("train", "development", "scenes", "concepts", "pairs", "languages", "abilities")


class Languages(Config):
    """``vision``: trained with pictures; ``text``: trained with text alone; ``none``: only measured."""

    vision: tuple[str, ...] = Field(min_length=1)
    text: tuple[str, ...] = ()
    none: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Languages:
        tags = [*self.vision, *self.text, *self.none]
        twice = sorted({tag for tag in tags if tags.count(tag) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} stands in it twice: a language is trained in one way")
        return self


class Counts(Config):
    """Questions for each task and language of a held-out split; 0 leaves the split out."""

    development: int = Field(default=0, ge=0)
    scenes: int = Field(default=100, ge=0)
    abilities: int = Field(default=25, ge=0)
    """Of every task beside the five of split ``scenes``."""
    concepts: int = Field(default=50, ge=0)
    pairs: int = Field(default=50, ge=0)
    languages: int = Field(default=50, ge=0)


class MicroworldParams(Params):
    """``scenes``: training pictures for each task. ``languages_per_scene``: in how many each is worded.

    ``text_scenes``: questions asked by text for each of its tasks and each trained language. ``side``: pixels.
    ``held_out_pairs``: ``task:language`` never trained together. ``turns``: most turns of a training sample.
    """

    languages: Languages
    scenes: dict[Task, Annotated[int, Field(ge=0)]]
    languages_per_scene: int = Field(default=1, ge=1)
    text_scenes: int = Field(default=0, ge=0)
    held_out_pairs: tuple[str, ...] = ()
    evaluation: Counts = Counts()
    side: int = Field(default=96, ge=32, le=1024)
    turns: int = Field(default=4, ge=1)

    @field_validator("held_out_pairs")
    @classmethod
    def _names_what_is_trained(cls, pairs: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        # A pair that is misspelt would hold nothing out, and nobody would see it.
        languages: Languages | None = info.data.get("languages")
        for pair in pairs:
            task, _, language = pair.partition(":")
            if task not in get_args(Task):
                raise ValueError(f"{pair!r} is no task:language; the tasks are {', '.join(get_args(Task))}")
            if languages is not None and language not in languages.vision:
                raise ValueError(f"{pair!r} is no task:language: {language!r} is not among languages.vision")
        return pairs


class Microworld:
    """Raises `UserError` if the CLDR, the emoji font or the words of a language are missing."""

    Params: ClassVar[type[Params]] = MicroworldParams
    version: ClassVar[int] = 2
    licence = LICENCE

    def __init__(self, params: MicroworldParams, *, seed: int) -> None:
        self.params = params
        self.seed = seed
        self._pairs = {tuple(pair.split(":")) for pair in params.held_out_pairs}

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the emoji font and of every file that words come from."""
        spoken = self.params.languages
        tags = [*spoken.vision, *spoken.text, *spoken.none]
        own = resources.files("polysee.sources.microworld") / "words"
        data = [emoji_font().path.read_bytes()]
        for tag in tags:
            words(tag)
            data.append((own / f"{tag}.yaml").read_bytes())
            data.extend(
                path.read_bytes()
                for folder in ("annotations", "rbnf")
                if (path := cldr.root() / folder / f"{tag}.xml").is_file()
            )
        return [hashlib.sha256(d).hexdigest() for d in data]

    def shards(self) -> Sequence[str]:
        """``split/task/first/last`` for blocks of scenes."""
        names = []
        for split in _SPLITS:
            for task in (*TASKS, *(f"{t}_text" for t in _BY_TEXT)):
                count = self._count(split, task)
                names += [f"{split}/{task}/{i}/{min(i + BLOCK, count)}" for i in range(0, count, BLOCK)]
        return names

    def estimate(self) -> int:
        """Records, before anything runs. An upper bound: a language without a word for a scene's things skips it."""
        total = 0
        for shard in self.shards():
            split, task, first, last = shard.split("/")
            total += (int(last) - int(first)) * len(self._languages(split, task, 0))
        return total

    def media_bytes(self) -> int:
        """About how many bytes all pictures and videos have: the first scenes of each task are drawn and weighed."""
        total = 0.0
        for split in _SPLITS:
            for task in TASKS:
                count = self._count(split, task)
                drawn = min(_WEIGHED, count)
                total += self._weight(split, task, drawn) * count / max(1, drawn)
        return round(total)

    def _weight(self, split: str, task: str, scenes: int) -> int:
        """Bytes of the distinct media of the first ``scenes``."""
        blobs = {blob.data for i in range(scenes) for record in self._scene(split, task, i) for blob in record.media}
        return sum(map(len, blobs))

    def read(self, shard: str) -> Iterator[SourceRecord | Reject]:
        """The records of one block, scene by scene, language by language."""
        split, task, first, last = shard.split("/")
        for index in range(int(first), int(last)):
            yield from self._scene(split, task, index)

    def _count(self, split: str, task: str) -> int:
        counts, by_text = self.params.evaluation, task.endswith("_text")
        if split == "train":
            return self.params.text_scenes if by_text else self.params.scenes.get(cast(Task, task), 0)
        if split == "abilities":
            return 0 if task in FOUR_WAY else counts.abilities
        if by_text:
            return 0
        if split == "scenes":
            return counts.scenes if task in FOUR_WAY else 0
        if split == "pairs":
            return counts.pairs if any(t == task for t, _ in self._pairs) else 0
        if split == "concepts":
            return counts.concepts if task in ("naming", "colour", "position") else 0
        return (counts.development if split == "development" else counts.languages) if task in FOUR_WAY else 0

    def _languages(self, split: str, task: str, index: int) -> tuple[str, ...]:
        spoken = self.params.languages
        if split == "languages":
            return spoken.text + spoken.none
        if split == "pairs":
            return tuple(language for t, language in sorted(self._pairs) if t == task)
        if task.endswith("_text"):
            return spoken.vision + spoken.text
        trained = tuple(tag for tag in spoken.vision if (task, tag) not in self._pairs)
        if split != "train":
            return trained
        count = min(self.params.languages_per_scene, len(trained))
        return tuple(trained[(index * count + i) % len(trained)] for i in range(count))

    def _scene(self, split: str, task: str, index: int) -> Iterator[SourceRecord]:
        rng = np.random.default_rng([self.seed, _SPLITS.index(split), _stable(task), index])
        if task == "reading":
            yield from self._reading(split, index, rng)
            return
        by_text = task.endswith("_text")
        layout = LAYOUTS[task.removesuffix("_text")](rng, self.params.side, split == "concepts")
        media = () if by_text else _media(layout)
        for language in self._languages(split, task, index):
            try:
                yield self._record(split, task, index, language, layout, media)
            except wording.MissingWord:
                continue

    def _record(
        self, split: str, task: str, index: int, language: str, layout: Layout, media: tuple[MediaBlob, ...]
    ) -> SourceRecord:
        vocabulary = words(language)
        asked = layout.questions[: self.params.turns if split == "train" else 1]
        turns = [wording.turn(question, vocabulary) for question in asked]
        if task.endswith("_text"):
            told = wording.description(layout, vocabulary)
            turns[0] = Turn(f"{told}\n{turns[0].input}", turns[0].output)
        pool = f"pool:{task.removesuffix('_text')}"
        shown = sorted({CONCEPTS[t.concept].emoji for scene in layout.scenes for t in scene.things})
        return SourceRecord(
            key=f"{split}/{task}/{index}/{language}",
            task=task,
            language=language,
            turns=tuple(turns),
            media=media,
            options=() if split == "train" else wording.options(layout.questions[0], vocabulary),
            split=split,
            tags=(
                f"group:{split}/{task}/{index}",
                pool,
                *(f"concept:{e}" for e in shown),
            ),
        )

    def _reading(self, split: str, index: int, rng: np.random.Generator) -> Iterator[SourceRecord]:
        """A name written in its own script; another picture for each language."""
        pool = members(CONCEPTS[int(rng.integers(len(CONCEPTS)))].category, held_out=False)
        chosen = [pool[i].index for i in rng.permutation(len(pool))[:4]]
        order = [chosen[i] for i in rng.permutation(4)]
        colour = scenes.background(rng)
        for language in self._languages(split, "reading", index):
            names = words(language).names
            if not all(c in names for c in chosen):
                continue
            yield SourceRecord(
                key=f"{split}/reading/{index}/{language}",
                task="reading",
                language=language,
                turns=(Turn("", names[chosen[0]]),),
                media=(MediaBlob(_written(names[chosen[0]], self.params.side, colour)),),
                options=() if split == "train" else tuple(names[c] for c in order),
                split=split,
                tags=(f"group:{split}/reading/{index}", "pool:reading"),
            )


def _media(layout: Layout) -> tuple[MediaBlob, ...]:
    pictures = [scenes.draw(scene) for scene in layout.scenes]
    if len(layout.scenes) > 1 and all(len(s.things) == 2 for s in layout.scenes):
        return (MediaBlob(write_video(pictures, fps=4), "video"),)
    return tuple(MediaBlob(scenes.png(picture)) for picture in pictures)


def _written(text: str, side: int, colour: tuple[int, int, int]) -> bytes:
    from PIL import Image

    line = draw_text(text, size=28, colour=(20, 20, 20), background=colour, padding=4)
    line.thumbnail((side, side))
    page = Image.new("RGB", (side, side), colour)
    page.paste(line, ((side - line.width) // 2, (side - line.height) // 2))
    return scenes.png(page)


def _stable(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
