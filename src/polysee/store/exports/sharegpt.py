"""ShareGPT as LLaMA-Factory, ms-swift and TRL read it: ``messages`` with roles, lists of images and of videos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.store.exports.base import Item, Plan, Unfit, Written
from polysee.store.exports.text import VIDEO_MARK, LineFiles, MediaFolder, check_turns, check_whole, labels, questions


class ShareGptFormat:
    """One file of JSON lines a split; a video has the mark ``<video>``."""

    source: ClassVar[str] = "sharegpt"
    source_params: ClassVar[Mapping[str, str]] = {
        f"{name}_field": name for name in ("language", "task", "split", "licence", "instruction")
    }
    keeps_scores: ClassVar[bool] = False
    patterns: ClassVar[str] = "{split}.jsonl"

    def __init__(self, plan: Plan) -> None:
        self._media = MediaFolder(plan.folder)
        self._lines = LineFiles(plan, ".jsonl")

    @staticmethod
    def check(sample: Sample) -> None:
        check_whole(sample)
        check_turns(sample)
        said = (sample.instruction, *(text for turn in sample.turns for text in (turn.input, turn.output)))
        if any(ref.kind == "video" for ref in sample.media) and any(VIDEO_MARK in text for text in said):
            raise Unfit(f"its text holds {VIDEO_MARK}")

    def start(self, split: str) -> None:
        self._lines.start(split)

    def add(self, item: Item) -> None:
        sample = item.sample
        names = self._media.add(item)
        messages: list[dict[str, str]] = []
        for question, turn in zip(_marked(sample), sample.turns, strict=True):
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": turn.output}]
        record: dict[str, Any] = {"id": sample.id, "messages": messages}
        for field, video in (("images", False), ("videos", True)):
            record[field] = [
                name for name, ref in zip(names, sample.media, strict=True) if (ref.kind == "video") is video
            ]
        self._lines.add({**record, **labels(sample)})

    def finish(self) -> list[Written]:
        return self._lines.finish()

    def discard(self) -> None:
        self._lines.discard()


def _marked(sample: Sample) -> list[str]:
    """The questions with the mark of a video where the medium in that place is one."""
    kinds = iter(VIDEO_MARK if ref.kind == "video" else IMAGE_MARK for ref in sample.media)
    if not sample.media:
        return questions(sample)
    found = []
    for text in questions(sample):
        first, *rest = text.split(IMAGE_MARK)
        found.append("".join([first, *(part for piece in rest for part in (next(kinds), piece))]))
    return found
