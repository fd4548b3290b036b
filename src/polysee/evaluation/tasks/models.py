"""What a task file may say. Every part refuses keys that it does not know."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from polysee.evaluation.config import Baseline, Distortion
from polysee.evaluation.metrics.base import Mode
from polysee.schema.config import Config
from polysee.sources.fields import LanguageTag

How = Literal["write", "likelihood", "letters", "contrast", "quality"]

METRICS: Mapping[How, tuple[str, ...]] = {
    "write": (
        "exact_match",
        "chrf",
        "iou",
        "anls",
        "relaxed_accuracy",
        "mtvqa",
        "ocrbench",
        "ccocr_macro_f1",
        "meteor",
        "rougeL_f",
        "rougeL_f_char",
        "vqa_accuracy",
        "mmmu_open",
        "yes_no",
        "mathvista_match",
    ),
    "likelihood": ("choice",),
    "letters": ("letter",),
    "contrast": ("contrast",),
    "quality": ("quality",),
}
"""What each way of asking can be measured by; the first is the default."""

PLACES = ("instruction", "question", "options", "letters")
"""What a prompt may name in braces."""

SEVERAL_ANSWERS = ("vqa_accuracy",)
"""Metrics for which all gold answers count, not the best of them."""


def _prompt(text: str) -> str:
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except ValueError as error:
        raise ValueError(f"{error}: write {{{{ and }}}} for braces that are meant as such") from None
    for name in names:
        if name not in PLACES:
            raise ValueError(f"nothing is called {{{name}}}; a prompt may name {', '.join(PLACES)}")
    return text


PromptText = Annotated[str, AfterValidator(_prompt)]


class Fields(Config):
    """Which columns of a file mean what. ``answer``: one gold or a list of them; ``options``: a column with a list, or
    several columns; ``images`` and ``videos``: paths below the folder, or bytes; ``group``: equal for one question in
    several languages; ``tags``: key -> column, such as ``domain: category``.
    """

    answer: str = "answer"
    answer_is_index: bool = False
    """The answer column holds a position (from 0) in the options, or an option's letter."""
    question: str | None = "question"
    instruction: str | None = None
    options: str | tuple[str, ...] | None = None
    images: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    language: str | None = None
    id: str | None = None
    group: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)


class Data(Config):
    """Where the questions come from: the run's own held-out samples, a file, or a source as recipes have them.

    ``samples``: the task of the run's samples (the task's own name if left out). ``path``: a JSONL or Parquet file or a
    folder of them, read by ``fields``; ``folder``: what its picture paths are relative to. ``use``, ``params``: a
    source and its parameters. ``splits``: only these; of a run, any but ``train``. ``dataset``: the name under which a
    training recipe's source has this dataset, to tell whether it was trained on.
    """

    samples: str | None = None
    path: str | None = None
    folder: str | None = None
    fields: Fields = Fields()
    use: str | None = None
    params: dict[str, JsonValue] = Field(default_factory=dict)
    splits: tuple[str, ...] = ()
    language: LanguageTag | None = None
    dataset: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Data:
        given = [name for name in ("samples", "path", "use") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{given[1]} cannot stand beside {given[0]}: questions come from one place")
        if self.path is not None and self.language is None and self.fields.language is None:
            raise ValueError("path needs `language`, or `fields.language` where each row names its own")
        return self

    @property
    def of_run(self) -> bool:
        """Whether the questions are the run's own samples."""
        return self.path is None and self.use is None


class MetricUse(Config):
    """A metric in one of its two modes."""

    name: str
    mode: Mode = "multilingual"


class Shots(Config):
    """``count`` solved examples before each question, in its language, drawn from ``split`` of the same data."""

    count: int = Field(ge=1, le=32)
    split: str


class Reasoning(Config):
    """Ask for the steps before the answer, beside the direct question. ``votes``: answers that are drawn, of which the
    most frequent one counts; 1 asks once, for the likeliest. ``max_new_tokens``: of one reasoned answer.
    """

    votes: int = Field(default=1, ge=1, le=64)
    temperature: float = Field(default=0.7, gt=0.0, le=2.0)
    max_new_tokens: int = Field(default=512, ge=1)


class Task(Config):
    """One task. ``prompt``: for all languages, or by language. ``how``: what is done with the question.

    ``write``: the answer is written and read. ``likelihood``: the likeliest of the options. ``letters``: the options
    are shown with letters and one is written. ``contrast``: the right option must be likelier per token than every
    wrong one; equal is wrong. ``quality``: the probability of the first of two words against the second.

    ``circular``: every rotation of the options is asked. ``nudge``: a short exchange about the language of the answer
    comes first. ``frames``: numbers of frames at which videos are shown, for a curve. ``distortions``: kinds of worse
    pictures; questions about pictures are asked once more for each kind and each of its three levels. ``tags``: of
    every question; ``by``: further keys of the samples' tags to break results down by.
    """

    name: str = Field(min_length=1, max_length=200)
    description: str = ""
    data: Data = Data()
    prompt: PromptText | dict[LanguageTag, PromptText] = "{instruction}\n{question}"
    how: How = "write"
    metrics: tuple[str | MetricUse, ...] = ()
    words: dict[LanguageTag, tuple[str, str]] = Field(default_factory=dict)
    letters: Literal["latin", "native"] = "latin"
    circular: bool = False
    shots: Shots | None = None
    nudge: bool = False
    reasoning: Reasoning | None = None
    frames: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)
    by: tuple[str, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    distortions: tuple[Distortion, ...] = ()
    max_new_tokens: int = Field(default=32, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Task:
        for use in self.measures:
            if use.name not in METRICS[self.how]:
                raise ValueError(f"metrics of `how: {self.how}` are {', '.join(METRICS[self.how])}, not {use.name!r}")
        if self.circular and self.how != "letters":
            raise ValueError("circular needs `how: letters`: only options that are shown have an order")
        if self.how == "quality" and not self.words:
            raise ValueError("words are missing: `how: quality` needs a good and a poor word for each language")
        if self.words and self.how != "quality":
            raise ValueError("words are of use for `how: quality` alone")
        if self.reasoning is not None and self.how not in ("write", "letters"):
            raise ValueError("reasoning needs an answer that is written: `how: write` or `how: letters`")
        return self

    @property
    def measures(self) -> tuple[MetricUse, ...]:
        """The metrics with their modes; the default of ``how`` where none is named."""
        named = self.metrics or METRICS[self.how][:1]
        return tuple(MetricUse(name=one) if isinstance(one, str) else one for one in named)

    @property
    def tag_keys(self) -> tuple[str, ...]:
        """The keys that results are broken down by."""
        return tuple(sorted({*self.tags, *self.data.fields.tags, *self.by}))


class TaskFile(Config):
    """A file of tasks. ``purpose``: a sentence for people who choose among files."""

    purpose: str = ""
    tasks: tuple[Task, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_once(self) -> TaskFile:
        names = [task.name for task in self.tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"tasks has {twice[0]!r} twice: rows of scores.json go by the name")
        return self
