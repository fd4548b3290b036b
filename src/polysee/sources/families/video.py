"""Videos: MSR-VTT captions, MSVD-QA and MSRVTT-QA, ActivityNet-QA, iVQA, Something-Something.

Formats: MSR-VTT's ``*videodatainfo.json`` with ``videos`` and ``sentences`` (ms-multimedia-challenge.com); the
``*_qa.json`` of MSVD-QA and MSRVTT-QA (github.com/xudejing/video-question-answering); ActivityNet-QA's ``*_q.json`` and
``*_a.json`` (github.com/MILVLG/activitynet-qa); iVQA's CSV with five answers (github.com/antoyang/just-ask);
Something-Something V2's ``train.json`` and ``labels.json`` (its data page at Qualcomm).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Turn
from polysee.sources.families.answers import few_options, majority, required
from polysee.sources.families.core import AdapterParams, AnnotationSource, Item, Medium
from polysee.sources.families.reading import csv_rows, json_rows, side_by_side, text_lines, values
from polysee.sources.fields import full_field, optional_field, record_id, text
from polysee.sources.rows import Row, read_rows


class _Video(AnnotationSource):
    def video_named(self, data: dict[str, Any], **more: Any) -> Medium:
        """The video of an annotation."""
        return replace(self.image_named(data, **more), kind="video")


class MsrVttParams(AdapterParams):
    """Parameters of MSR-VTT."""

    per: Literal["caption", "video"] = "caption"
    """A record for each caption, or one for each video with all captions as references."""


class MsrVtt(_Video):
    """MSR-VTT: ``videos`` with their splits (``train``, ``validate``, ``test``) and twenty ``sentences`` for each."""

    Params: ClassVar[type[MsrVttParams]] = MsrVttParams
    adapter: ClassVar[str] = "msr-vtt"
    dataset: ClassVar[str] = "msr-vtt"
    image: ClassVar[str] = "{video_id}.mp4"

    def rows(self) -> Iterator[Row]:
        """The captions, or the videos with all of theirs."""
        assert isinstance(self._params, MsrVttParams)
        together: dict[object, Row] = {}
        for row in json_rows(self._annotations, "sentences.item"):
            video = row.data.get("video_id")
            if row.error is not None or not isinstance(video, str) or self._params.per == "caption":
                yield row
            elif video in together:
                together[video].data["captions"].append(row.data.get("caption"))
            else:
                together[video] = Row(row.place, {"video_id": video, "captions": [row.data.get("caption")]})
        yield from together.values()

    @cached_property
    def _splits(self) -> dict[object, object]:
        videos = (one for one in values(self._annotations, "videos.item") if isinstance(one, dict))
        return {str(one.get("video_id")): one.get("split") for one in videos}

    def item(self, row: Row) -> Item | None:
        """A caption of a video."""
        video = full_field(row.data, "video_id")
        if self.other_split(self._splits.get(video)):
            return None
        if "captions" in row.data:
            key, captions = video, tuple(text(one, "caption") for one in row.data["captions"])
        else:
            key, captions = record_id(required(row.data, "sen_id")), (full_field(row.data, "caption"),)
        return Item(key, (Turn("", captions[0]),), (self.video_named(row.data),), references=captions)


class VideoQaParams(AdapterParams):
    """Parameters of MSVD-QA and MSRVTT-QA."""

    mapping: str | None = None
    """``youtube_mapping.txt`` of MSVD (``name vid12`` a line), if the videos are called by their names at YouTube."""


class VideoQa(_Video):
    """MSVD-QA (the default) and MSRVTT-QA: ``question``, ``answer``, ``video_id`` (a number) and ``id``."""

    Params: ClassVar[type[VideoQaParams]] = VideoQaParams
    adapter: ClassVar[str] = "video-qa"
    dataset: ClassVar[str] = "msvd-qa"
    image: ClassVar[str] = "{name}.avi|{name}.mp4|vid{video_id}.avi|vid{video_id}.mp4|video{video_id}.mp4"
    extra_files: ClassVar[tuple[str, ...]] = ("mapping",)

    def rows(self) -> Iterator[Row]:
        """The questions."""
        return read_rows(self._annotations)

    @cached_property
    def _called(self) -> dict[str, str]:
        assert isinstance(self._params, VideoQaParams)
        if self._params.mapping is None:
            return {}
        pairs = [line.split() for line in text_lines(self.path("mapping"))]
        return {pair[1].removeprefix("vid"): pair[0] for pair in pairs if len(pair) == 2}

    def item(self, row: Row) -> Item:
        """A question about a video."""
        video = record_id(required(row.data, "video_id"))
        turn = Turn(full_field(row.data, "question"), full_field(row.data, "answer"))
        name = self._called.get(video, f"vid{video}")
        return Item(record_id(required(row.data, "id")), (turn,), (self.video_named(row.data, name=name),))


class ActivityNetParams(AdapterParams):
    """Parameters of ActivityNet-QA. ``annotations`` is the file of answers (``train_a.json``)."""

    questions: str | None = None
    """The file of questions (``train_q.json``)."""


class ActivityNetQa(_Video):
    """ActivityNet-QA: questions and answers in two files, joined by ``question_id``."""

    Params: ClassVar[type[ActivityNetParams]] = ActivityNetParams
    adapter: ClassVar[str] = "activitynet-qa"
    dataset: ClassVar[str] = "activitynet-qa"
    image: ClassVar[str] = "v_{video_name}.mp4|v_{video_name}.mkv|v_{video_name}.webm|{video_name}.mp4"
    extra_files: ClassVar[tuple[str, ...]] = ("questions",)

    def rows(self) -> Iterator[Row]:
        """Questions with their answers."""
        return side_by_side(read_rows(self.path("questions")), read_rows(self._annotations), "question_id")

    def item(self, row: Row) -> Item:
        """A question about a video."""
        turn = Turn(full_field(row.data, "question"), full_field(row.data, "answer"))
        return Item(record_id(required(row.data, "question_id")), (turn,), (self.video_named(row.data),))


class Ivqa(_Video):
    """iVQA: five annotators' answers about the part of a video from ``start`` to ``end`` seconds."""

    adapter: ClassVar[str] = "ivqa"
    dataset: ClassVar[str] = "ivqa"
    image: ClassVar[str] = "{video_id}.mp4|{video_id}.webm|{video_id}.mkv"

    def rows(self) -> Iterator[Row]:
        """The questions."""
        return csv_rows(self._annotations)

    def item(self, row: Row) -> Item:
        """A question, the majority's answer, and all as references."""
        data = row.data
        answers = tuple(one for n in range(1, 6) if (one := optional_field(data, f"answer{n}")))
        medium = replace(self.video_named(data), span=_span(data.get("start"), data.get("end")))
        turn = Turn(full_field(data, "question"), majority(answers))
        return Item("", (turn,), (medium,), references=answers)


def _span(start: object, end: object) -> tuple[float, float] | None:
    if not start and not end:
        return None
    try:
        found = float(str(start)), float(str(end))
    except ValueError:
        raise BadRecord("bad-span", f"start {start!r}, end {end!r}") from None
    if not 0 <= found[0] < found[1]:
        raise BadRecord("bad-span", f"start {start!r}, end {end!r}")
    return found


class SomethingParams(AdapterParams):
    """Parameters of Something-Something."""

    labels: str | None = None
    """``labels.json``: all actions, from which candidates are drawn; without it the answer is open."""
    choices: int = Field(default=10, ge=2, le=1000)
    """How many candidates a record shows."""


class SomethingSomething(_Video):
    """Something-Something V2: the action, such as ``Pushing something off of something``, in a short video."""

    Params: ClassVar[type[SomethingParams]] = SomethingParams
    adapter: ClassVar[str] = "something-something"
    dataset: ClassVar[str] = "something-something"
    image: ClassVar[str] = "{id}.webm|{id}.mp4"
    extra_files: ClassVar[tuple[str, ...]] = ("labels",)

    def rows(self) -> Iterator[Row]:
        """The videos."""
        return read_rows(self._annotations)

    @cached_property
    def _actions(self) -> tuple[str, ...]:
        assert isinstance(self._params, SomethingParams)
        return () if self._params.labels is None else _actions(self.path("labels"))

    def item(self, row: Row) -> Item:
        """A video and its action, among a few where the actions are known."""
        assert isinstance(self._params, SomethingParams)
        key = record_id(required(row.data, "id"))
        action, options = _plain(full_field(row.data, "template")), tuple[str, ...]()
        if self._actions:
            options = few_options(action, self._actions, self._params.choices, seed=self._seed, key=key)
        return Item(key, (Turn("", action),), (self.video_named(row.data),), options=options)


def _actions(path: Path) -> tuple[str, ...]:
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"this is not JSON: {error}", "fetch it again", place=str(path)) from None
    if not isinstance(found, dict) or not found:
        raise UserError("this names no action", "set `labels` to labels.json", place=str(path))
    return tuple(dict.fromkeys(_plain(text(name, "label")) for name in found))


def _plain(template: str) -> str:
    return template.replace("[", "").replace("]", "")
