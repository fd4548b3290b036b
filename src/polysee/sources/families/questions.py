"""Questions about photographs: VQA v2 and OK-VQA, GQA, A-OKVQA, TallyQA, FM-IQA, VSR.

Formats: VQA v2's two files of questions and annotations (visualqa.org/vqa_v2_format), which OK-VQA keeps
(okvqa.allenai.org); GQA's ``*_balanced_questions.json`` (cs.stanford.edu/people/dorarad/gqa/download); A-OKVQA 1.0
(github.com/allenai/aokvqa); TallyQA's ``train.json`` (github.com/manoja328/TallyQA_dataset); FM-IQA as Baidu published
it, with ``Question`` and ``Answer`` in ``train`` and ``val`` (read so in MindSpore's OPT); VSR's JSON lines
(github.com/cambridgeltl/visual-spatial-reasoning).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Turn
from polysee.sources.families.answers import listed, majority, required, sayings
from polysee.sources.families.core import AdapterParams, AnnotationSource, Item
from polysee.sources.families.flat import FlatSource, Layout
from polysee.sources.families.reading import json_rows, keyed_rows, side_by_side
from polysee.sources.fields import full_field, record_id
from polysee.sources.rows import Row, read_rows


class VqaParams(AdapterParams):
    """Parameters of VQA v2."""

    questions: str | None = None
    """The file of questions (``v2_OpenEnded_mscoco_train2014_questions.json``); ``annotations`` has the answers."""
    words: Literal["answer", "raw_answer"] = "answer"
    """``raw_answer``: what annotators wrote. OK-VQA alone has it: its ``answer`` is cut to stems (1.0: ``poni tail``)
    or lemmas (1.1), as its metric compares them, and not what a model should learn to say."""


class VqaV2(AnnotationSource):
    """VQA v2, and OK-VQA in the same format: ten annotators' answers; the output is what most of them said."""

    Params: ClassVar[type[VqaParams]] = VqaParams
    adapter: ClassVar[str] = "vqa-v2"
    dataset: ClassVar[str] = "vqa-v2"
    image: ClassVar[str] = (
        "COCO_{file_split}_{image_id:012}.jpg|{file_split}/COCO_{file_split}_{image_id:012}.jpg|{image_id:012}.jpg"
    )
    extra_files: ClassVar[tuple[str, ...]] = ("questions",)

    def rows(self) -> Iterator[Row]:
        """Questions with their answers, in the order of the questions."""
        asked = json_rows(self.path("questions"), "questions.item")
        return side_by_side(asked, json_rows(self._annotations, "annotations.item"), "question_id")

    def item(self, row: Row) -> Item:
        """A question, the majority's answer, and all ten as references."""
        assert isinstance(self._params, VqaParams)
        data, words = row.data, self._params.words
        answers = sayings([required(one, words) for one in listed(data, "answers", dict)], "answers")
        # COCO's names hold the split, which only the name of the annotation file tells.
        own = next((s for s in ("train2014", "val2014", "test2015") if s in self._annotations.name), "train2014")
        media = (self.image_named(data, file_split=own),)
        key = record_id(required(data, "question_id"))
        return Item(key, (Turn(full_field(data, "question"), majority(answers)),), media, references=answers)


class GqaParams(AdapterParams):
    """Parameters of GQA."""

    answers: Literal["short", "full"] = "short"
    """``full``: GQA's whole sentences (``fullAnswer``) instead of words."""


class Gqa(AnnotationSource):
    """GQA: an object of questions by id, with ``imageId``, ``answer`` and ``fullAnswer``."""

    Params: ClassVar[type[GqaParams]] = GqaParams
    adapter: ClassVar[str] = "gqa"
    dataset: ClassVar[str] = "gqa"
    image: ClassVar[str] = "{imageId}.jpg"

    def rows(self) -> Iterator[Row]:
        """The questions."""
        return keyed_rows(self._annotations)

    def item(self, row: Row) -> Item:
        """A question with its word or its sentence."""
        assert isinstance(self._params, GqaParams)
        answer = full_field(row.data, "answer" if self._params.answers == "short" else "fullAnswer")
        turn = Turn(full_field(row.data, "question"), answer)
        return Item(record_id(row.data["key"]), (turn,), (self.image_named(row.data),))


class AOkVqa(FlatSource):
    """A-OKVQA: four ``choices``, and ten ``direct_answers`` that become references."""

    adapter: ClassVar[str] = "a-okvqa"
    dataset: ClassVar[str] = "a-okvqa"
    image: ClassVar[str] = "{image_id:012}.jpg|{split}2017/{image_id:012}.jpg"
    layout: ClassVar[Layout] = Layout(
        question="question",
        answer="correct_choice_idx",
        options="choices",
        index=True,
        key="question_id",
        split="split",
    )

    def extra_references(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """The direct answers."""
        return sayings(data["direct_answers"], "direct_answers") if data.get("direct_answers") else ()


class TallyQa(FlatSource):
    """TallyQA: how many there are; ``image`` is a path such as ``train2014/COCO_….jpg`` or ``VG_100K/….jpg``."""

    adapter: ClassVar[str] = "tallyqa"
    dataset: ClassVar[str] = "tallyqa"
    image: ClassVar[str] = "{image}"
    layout: ClassVar[Layout] = Layout(question="question", answer="answer", key="question_id")


class FmIqa(FlatSource):
    """FM-IQA, in Chinese: ``file_split`` names which list of the file is read (``train`` or ``val``)."""

    adapter: ClassVar[str] = "fm-iqa"
    dataset: ClassVar[str] = "fm-iqa"
    image: ClassVar[str] = "COCO_{own}2014_{image_id:012}.jpg|{own}2014/COCO_{own}2014_{image_id:012}.jpg"
    layout: ClassVar[Layout] = Layout(question="Question", answer="Answer", key="question_id")

    def rows(self) -> Iterator[Row]:
        """The questions of one list of the file."""
        return json_rows(self._annotations, f"{self._own()}.item")

    def mended(self, data: dict[str, Any]) -> dict[str, Any]:
        """With the split as ``own``, for COCO's names of files."""
        return {**data, "own": self._own()}

    def _own(self) -> str:
        own = self._params.file_split
        if own not in ("train", "val"):
            raise UserError("FM-IQA's file holds two splits", "set `file_split` to `train` or `val`")
        return own


class Vsr(AnnotationSource):
    """Visual spatial reasoning: is the ``caption`` true (``label`` 1) of the image?"""

    adapter: ClassVar[str] = "vsr"
    dataset: ClassVar[str] = "vsr"
    image: ClassVar[str] = "{image}|train2017/{image}|val2017/{image}"

    def rows(self) -> Iterator[Row]:
        """The statements."""
        return read_rows(self._annotations)

    def item(self, row: Row) -> Item:
        """A statement that is true or false."""
        label = required(row.data, "label")
        if isinstance(label, bool) or label not in (0, 1):
            raise BadRecord("bad-option", f"label is {label!r}, neither 0 nor 1")
        turn = Turn(full_field(row.data, "caption"), "true" if label else "false")
        return Item("", (turn,), (self.image_named(row.data),), options=("true", "false"))
