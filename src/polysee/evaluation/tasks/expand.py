"""From a task and its samples to the questions as they are put: words, letters, examples, rotations, frames."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from polysee.evaluation.boxes import parse_box
from polysee.evaluation.extraction.lexicon import lexicon
from polysee.evaluation.jobs import Job, cluster_of
from polysee.evaluation.tasks.data import GROUP, Asked
from polysee.evaluation.tasks.models import Task
from polysee.evaluation.tasks.phrases import phrases
from polysee.evaluation.worse import can_be_worse, distorted
from polysee.media.distort import LEVELS, variant_name
from polysee.schema.errors import UserError
from polysee.schema.sample import IMAGE_MARK, MediaRef, Sample, Turn, make_sample
from polysee.text.languages import base_language
from polysee.text.normalise import nfc

LETTERED = "{instruction}\n{question}\n{options}\n{letters}"
REASONED = "reasoned"
MAX_FRAMES = 8
"""Of a video, where a task does not name numbers of frames: as in training."""


@dataclass(frozen=True, slots=True)
class Posed:
    """A question's words and pictures, and the options in the order in which they are shown."""

    text: str
    media: tuple[MediaRef, ...]
    options: tuple[str, ...]


def expand(task: Task, asked: Sequence[Asked], examples: Sequence[Asked] = (), pool: Sequence[Asked] = ()) -> list[Job]:
    """All questions of a task. ``examples``: what `Task.shots` are taken from. ``pool``: where the baseline `shuffled`
    looks for a question's words in another language, if not among those that are asked.

    Raises `UserError` for a question that cannot be put or measured as the task says, naming its sample.
    """
    shots = _Shots(task, examples)
    siblings = _siblings(pool or asked)
    jobs: list[Job] = []
    for one in asked:
        _check(task, one)
        counts = task.frames if _has_video(one.sample) else ()
        for frames in counts or (None,):
            jobs += _jobs(task, _with_frames(one, frames or MAX_FRAMES), frames, shots)
        if "shuffled" in task.baselines:
            other = siblings.get(one.sample.id)
            if other is not None:
                jobs.append(_shuffled(task, _with_frames(one, MAX_FRAMES), other, shots))
    if task.distortions and not any(can_be_worse(one.sample.media) for one in asked):
        raise UserError(
            f"no question of the task {task.name!r} is about pictures, which distortions need",
            "take `distortions` out of the task: questions about videos or text alone are asked plainly only",
        )
    if "shuffled" in task.baselines and not siblings:
        raise UserError(
            f"no question of the task {task.name!r} is there in two languages, which the baseline `shuffled` needs",
            "take `shuffled` out of its baselines, or give the data a `group` column",
        )
    return jobs


def pose(task: Task, sample: Sample, options: Sequence[str]) -> str:
    """The words of a question, in NFC. Raises `UserError` for a language that the task has no prompt in."""
    prompt = _prompt(task, sample.language)
    labels = option_labels(task, sample.language, len(options)) if task.how == "letters" else ()
    shown = [f"{label}. {option}" for label, option in zip(labels, options, strict=True)] if labels else options
    filled = prompt.format(
        instruction=sample.instruction,
        question=sample.turns[0].input,
        options="\n".join(shown),
        letters=phrases(sample.language).letter if "{letters}" in prompt else "",
    )
    # What a sample does not have leaves an empty line, which no model was trained on.
    return nfc("\n".join(line for line in filled.split("\n") if line.strip()))


def option_labels(task: Task, tag: str, count: int) -> tuple[str, ...]:
    """The letters of ``count`` options: the language's own ones where the task asks for them and it has as many."""
    if task.letters == "native":
        table = lexicon(tag)
        series = [letter.split("/")[0] for letter in table.letters[0].split()] if table and table.letters else []
        if len(series) >= count:
            return tuple(series[:count])
    return tuple(chr(ord("A") + index) for index in range(count))


def _prompt(task: Task, tag: str) -> str:
    if isinstance(task.prompt, str):
        default = type(task).model_fields["prompt"].default
        return LETTERED if task.how == "letters" and task.prompt == default else task.prompt
    for name in (tag, base_language(tag)):
        if name in task.prompt:
            return task.prompt[name]
    raise UserError(
        f"the task {task.name!r} has no prompt in {tag!r}, but samples in it",
        f"add `{tag}` to its `prompt`, or write one prompt for all languages",
    )


def _check(task: Task, one: Asked) -> None:
    sample = one.sample
    needs = {"likelihood": 2, "letters": 2, "contrast": 2}.get(task.how, 0)
    if len(set(sample.options)) < needs:
        what = "measured by choice" if task.how == "likelihood" else f"asked by {task.how}"
        raise UserError(
            f"the task {task.name!r} is {what}, but sample {sample.id} has no two options",
            "give its samples options, or measure the task by exact_match",
        )
    if any(use.name == "iou" for use in task.measures) and any(parse_box(gold) is None for gold in one.golds):
        raise UserError(
            f"the task {task.name!r} is measured by iou, but the answer of sample {sample.id} holds no box",
            "write boxes as [x1, y1, x2, y2], or measure the task by exact_match",
        )
    if task.how == "quality" and _words(task, sample.language) is None:
        raise UserError(
            f"the task {task.name!r} has no words in {sample.language!r}", "add a good and a poor word to `words`"
        )


def _jobs(task: Task, one: Asked, frames: int | None, shots: _Shots) -> Iterator[Job]:
    sample = one.sample
    variant = None if frames is None else f"frames-{frames}"
    turns = len(sample.options) if task.circular else 1
    for turn in range(turns):
        options = (*sample.options[turn:], *sample.options[:turn])
        direct = _job(task, one, Posed(pose(task, sample, options), sample.media, options), shots)
        direct = replace(direct, variant=variant, group=sample.id if task.circular else "")
        yield direct
        if task.reasoning is not None:
            yield _reasoned(task, direct)
        if can_be_worse(sample.media):
            yield from _distorted(task, direct, len(sample.media))


def _job(task: Task, one: Asked, posed: Posed, shots: _Shots) -> Job:
    sample = one.sample
    words = _words(task, sample.language) if task.how == "quality" else None
    candidates = words or (posed.options if task.how != "write" else ())
    return Job(
        sample=_dialogue(task, sample, posed, shots),
        item=sample.id,
        task=task.name,
        how=task.how,
        measures=task.measures,
        candidates=candidates,
        golds=one.golds,
        cluster=cluster_of(sample),
        baselines=tuple(sorted(set(task.baselines) - {"shuffled"})),
        tags=_tags(task, sample),
        max_new_tokens=task.max_new_tokens,
    )


def _reasoned(task: Task, direct: Job) -> Job:
    """The same question, with a request for the steps behind it."""
    reasoning = task.reasoning
    assert reasoning is not None
    *before, last = direct.sample.turns
    asked = replace(last, input=f"{last.input}\n{phrases(direct.language).reason}")
    name = REASONED if direct.variant is None else f"{direct.variant} {REASONED}"
    return replace(
        direct,
        sample=_renamed(direct.sample, (*before, asked), direct.sample.media),
        variant=name,
        baselines=(),
        max_new_tokens=reasoning.max_new_tokens,
        temperature=reasoning.temperature if reasoning.votes > 1 else 0.0,
        draws=reasoning.votes,
    )


def _distorted(task: Task, direct: Job, shown: int) -> Iterator[Job]:
    """The same question with its last ``shown`` pictures made worse; those of solved examples stay as they are."""
    media = direct.sample.media
    before, own = media[: len(media) - shown], media[len(media) - shown :]
    for kind in task.distortions:
        for level in LEVELS:
            worse = tuple(distorted(ref, kind, level) for ref in own)
            yield replace(
                direct,
                sample=_renamed(direct.sample, direct.sample.turns, (*before, *worse)),
                variant=variant_name(kind, level),
                baselines=(),
            )


def _shuffled(task: Task, one: Asked, other: Sample, shots: _Shots) -> Job:
    """The question in the words of another language, its options and answer as they are."""
    words = pose(task, other, one.sample.options)
    job = _job(task, one, Posed(words, one.sample.media, one.sample.options), shots)
    return replace(job, baselines=(), shuffled=True)


def _dialogue(task: Task, sample: Sample, posed: Posed, shots: _Shots) -> Sample:
    """What precedes the question (a word about the language, examples), then the question with its pictures."""
    turns: list[Turn] = []
    media: list[MediaRef] = []
    if task.nudge:
        turns.append(Turn(*phrases(sample.language).nudge))
    for example in shots.before(sample):
        text = pose(task, example.sample, example.sample.options)
        answer = example.golds[0]
        if task.how == "letters":
            labels = option_labels(task, sample.language, len(example.sample.options))
            answer = labels[example.sample.options.index(answer)]
        turns.append(Turn(_marked(text, example.sample.media), answer))
        media += example.sample.media
    # Without a mark all media precede the first turn, which is not the question's then.
    question = _marked(posed.text, posed.media) if turns else posed.text
    turns.append(Turn(question, sample.turns[0].output))
    return _renamed(sample, tuple(turns), (*media, *posed.media))


def _marked(text: str, media: Sequence[MediaRef]) -> str:
    return text if IMAGE_MARK in text else IMAGE_MARK * len(media) + text


def _renamed(sample: Sample, turns: tuple[Turn, ...], media: tuple[MediaRef, ...]) -> Sample:
    """A sample of this content, with an id of its own."""
    return make_sample(
        task=sample.task,
        language=sample.language,
        turns=turns,
        origin=sample.origin,
        media=media,
        split=sample.split,
        tags=sample.tags,
    )


def _tags(task: Task, sample: Sample) -> tuple[str, ...]:
    found = {f"{key}:{value}" for key, value in task.tags.items()}
    keys = set(task.tag_keys) - set(task.tags)
    return tuple(sorted(found | {tag for tag in sample.tags if tag.split(":", 1)[0] in keys}))


def _words(task: Task, tag: str) -> tuple[str, str] | None:
    return task.words.get(tag) or task.words.get(base_language(tag))


def _has_video(sample: Sample) -> bool:
    return any(ref.kind == "video" for ref in sample.media)


def _with_frames(one: Asked, frames: int) -> Asked:
    """The question with its videos at ``frames`` frames, or at as many as they have."""
    sample = one.sample
    media = tuple(replace(ref, frames=min(ref.frames, frames)) if ref.kind == "video" else ref for ref in sample.media)
    return replace(one, sample=replace(sample, media=media))


def _siblings(asked: Sequence[Asked]) -> Mapping[str, Sample]:
    """Each sample's counterpart in the next language: the same question, or else one about the same pictures."""
    groups: dict[tuple[str, ...], dict[str, Sample]] = {}
    for one in asked:
        groups.setdefault(_together(one.sample), {})[one.sample.language] = one.sample
    found: dict[str, Sample] = {}
    for members in groups.values():
        order = sorted(members)
        for index, tag in enumerate(order):
            if len(order) > 1:
                found[members[tag].id] = members[order[(index + 1) % len(order)]]
    return found


def _together(sample: Sample) -> tuple[str, ...]:
    group = next((tag for tag in sample.tags if tag.startswith(GROUP)), None)
    return (group,) if group is not None else tuple(ref.sha256 for ref in sample.media) or (sample.id,)


class _Shots:
    """Examples by language, and which of them precede a question: a draw that its id alone decides."""

    def __init__(self, task: Task, examples: Sequence[Asked]) -> None:
        self._task = task
        self._by_language: dict[str, list[Asked]] = {}
        for one in sorted(examples, key=lambda e: e.sample.id):
            self._by_language.setdefault(one.sample.language, []).append(one)

    def before(self, sample: Sample) -> list[Asked]:
        """The examples of one question. Raises `UserError` where its language has too few."""
        shots = self._task.shots
        if shots is None:
            return []
        pictures = {ref.sha256 for ref in sample.media}
        pool = [
            one
            for one in self._by_language.get(sample.language, ())
            if one.sample.id != sample.id and not pictures & {ref.sha256 for ref in one.sample.media}
        ]
        if len(pool) < shots.count:
            wanted = f"{shots.count} examples in {sample.language!r}"
            raise UserError(
                f"the task {self._task.name!r} wants {wanted}, there are {len(pool)}",
                f"ask for fewer, or add examples to the split {shots.split!r}",
            )
        drawn = sorted(pool, key=lambda one: hashlib.sha256(f"{sample.id}{one.sample.id}".encode()).digest())
        return drawn[: shots.count]
