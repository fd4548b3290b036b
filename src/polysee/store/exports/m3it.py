"""M3IT's JSON lines: ``instruction``, ``inputs``, ``outputs``, ``image_base64_str`` and ``meta``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.store.exports.base import Item, Plan, Unfit, Written
from polysee.store.exports.text import LineFiles, check_whole, labels


class M3itFormat:
    """One turn and at least one picture a record; pictures as base64 text inside of it."""

    source: ClassVar[str] = "m3it"
    source_params: ClassVar[Mapping[str, str]] = {
        f"{name}_field": name for name in ("language", "task", "split", "licence")
    }
    keeps_scores: ClassVar[bool] = False
    patterns: ClassVar[str] = "{split}-*.jsonl"

    def __init__(self, plan: Plan) -> None:
        self._lines = LineFiles(plan, ".jsonl", sharded=True)

    @staticmethod
    def check(sample: Sample) -> None:
        check_whole(sample)
        if len(sample.turns) > 1:
            raise Unfit("it has several turns")
        if not sample.media:
            raise Unfit("it has no picture")
        if any(ref.kind == "video" for ref in sample.media):
            raise Unfit("it has a video")
        (turn,) = sample.turns
        if IMAGE_MARK in turn.output:
            raise Unfit(f"{IMAGE_MARK} stands in an answer")
        if turn.input.count(IMAGE_MARK) not in (0, len(sample.media)):
            raise Unfit(f"{IMAGE_MARK} stands more or less often than there are media")
        if not turn.output.strip():
            raise Unfit("an answer is empty")

    def start(self, split: str) -> None:
        self._lines.start(split)

    def add(self, item: Item) -> None:
        sample = item.sample
        record: dict[str, Any] = {
            "id": sample.id,
            "instruction": sample.instruction,
            "inputs": sample.turns[0].input,
            "outputs": sample.turns[0].output,
            "image_base64_str": [base64.b64encode(data).decode() for data in item.media],
            "meta": {"img_id": [ref.sha256 for ref in sample.media]},
        }
        self._lines.add({**record, **{k: v for k, v in labels(sample).items() if k != "instruction"}})

    def finish(self) -> list[Written]:
        return self._lines.finish()

    def discard(self) -> None:
        self._lines.discard()
