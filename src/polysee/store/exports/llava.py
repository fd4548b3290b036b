"""LLaVA's JSON: ``id``, ``image`` or ``video``, and ``conversations`` of ``from`` and ``value``, beside media files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from polysee.schema.sample import Sample
from polysee.store.exports.base import Item, Plan, Unfit, Written
from polysee.store.exports.text import LineFiles, MediaFolder, check_turns, check_whole, labels, questions


class LlavaFormat:
    """One JSON array a split. The instruction stands before the first question, as LLaVA has no place for it."""

    source: ClassVar[str] = "llava"
    source_params: ClassVar[Mapping[str, str]] = {
        f"{name}_field": name for name in ("language", "task", "split", "licence", "instruction")
    }
    keeps_scores: ClassVar[bool] = False
    patterns: ClassVar[str] = "{split}.json"

    def __init__(self, plan: Plan) -> None:
        self._media = MediaFolder(plan.folder)
        self._lines = LineFiles(plan, ".json", array=True)

    @staticmethod
    def check(sample: Sample) -> None:
        check_whole(sample)
        check_turns(sample)
        if len({ref.kind == "video" for ref in sample.media}) > 1:
            raise Unfit("it has pictures and videos")

    def start(self, split: str) -> None:
        self._lines.start(split)

    def add(self, item: Item) -> None:
        sample = item.sample
        record: dict[str, Any] = {"id": sample.id}
        names = self._media.add(item)
        if names:
            video = sample.media[0].kind == "video"
            record["video" if video else "image"] = names[0] if len(names) == 1 else names
        said: list[dict[str, str]] = []
        for question, turn in zip(questions(sample), sample.turns, strict=True):
            said += [{"from": "human", "value": question}, {"from": "gpt", "value": turn.output}]
        self._lines.add({**record, "conversations": said, **labels(sample)})

    def finish(self) -> list[Written]:
        return self._lines.finish()

    def discard(self) -> None:
        self._lines.discard()
