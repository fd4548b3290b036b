"""Questions about text in images: DocVQA, InfographicVQA, TextVQA, ST-VQA, OCR-VQA, VisualMRC; charts and tables.

Formats: DocVQA 1.0, InfographicVQA and ST-VQA, each an object with ``data`` (rrc.cvc.uab.es, challenges 17 and 11);
TextVQA 0.5.1 (textvqa.org/dataset); OCR-VQA's ``dataset.json`` by book (ocr-vqa.github.io); VisualMRC's JSON lines
with ``qa_data`` (github.com/nttmdlab-nlp/VisualMRC, read so in Microsoft's i-Code Doc); DVQA's ``*_qa.json``
(github.com/kushalkafle/DVQA_dataset); ChartQA's ``train_human.json`` (github.com/vis-nlp/ChartQA); PlotQA's
``qa_pairs_V2.json`` (github.com/NiteshMethani/PlotQA); TabMWP's ``problems_*.json`` (github.com/lupantech/PromptPG).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, ClassVar
from urllib.parse import urlsplit

from polysee.schema.errors import BadRecord
from polysee.schema.sample import Turn
from polysee.sources.families.answers import required
from polysee.sources.families.core import AnnotationSource, Item
from polysee.sources.families.flat import FlatSource, Layout, parallel
from polysee.sources.families.reading import keyed_rows
from polysee.sources.fields import full_field, optional_field, record_id
from polysee.sources.rows import Row, read_rows

OCR_VQA_SPLITS = {1: "train", 2: "val", 3: "test"}


class DocVqa(FlatSource):
    """DocVQA: ``image`` is a path, ``answers`` the accepted ones, the first of which is the output.

    The path is ``documents/….png``; the archive of later releases (``spdocvqa_images``) has the files without a folder.
    """

    adapter: ClassVar[str] = "docvqa"
    dataset: ClassVar[str] = "docvqa"
    image: ClassVar[str] = "{image}|{file}"
    layout: ClassVar[Layout] = Layout(
        within="data.item", question="question", answer="answers", key="questionId", split="data_split"
    )

    def mended(self, data: dict[str, Any]) -> dict[str, Any]:
        """With the last part of the path as ``file``."""
        return {**data, "file": PurePosixPath(full_field(data, "image")).name}


class InfographicVqa(FlatSource):
    """InfographicVQA: like DocVQA, but the image is ``image_local_name``."""

    adapter: ClassVar[str] = "infographicvqa"
    dataset: ClassVar[str] = "infographicvqa"
    image: ClassVar[str] = "{image_local_name}"
    layout: ClassVar[Layout] = Layout(
        within="data.item", question="question", answer="answers", key="questionId", split="data_split"
    )


class TextVqa(FlatSource):
    """TextVQA: ten annotators, the majority's answer, all ten as references."""

    adapter: ClassVar[str] = "textvqa"
    dataset: ClassVar[str] = "textvqa"
    image: ClassVar[str] = "{image_id}.jpg"
    layout: ClassVar[Layout] = Layout(
        within="data.item", question="question", answer="answers", vote=True, key="question_id", split="set_name"
    )


class StVqa(FlatSource):
    """ST-VQA, any of its tasks: ``file_path`` below the images, one answer or two."""

    adapter: ClassVar[str] = "st-vqa"
    dataset: ClassVar[str] = "st-vqa"
    image: ClassVar[str] = "{file_path}"
    layout: ClassVar[Layout] = Layout(
        within="data.item", question="question", answer="answers", key="question_id", split="set_name"
    )


class OcrVqa(FlatSource):
    """OCR-VQA: books by id, each with ``questions`` and ``answers`` side by side; splits 1, 2, 3 are train, val, test.

    Images are called ``<id>`` with the ending of ``imageURL``, as the dataset's own downloader names them.
    """

    adapter: ClassVar[str] = "ocr-vqa"
    dataset: ClassVar[str] = "ocr-vqa"
    image: ClassVar[str] = "{key}{ending}|{key}.jpg"
    layout: ClassVar[Layout] = Layout(question="questions", answer="answers", key="id", split="own")

    def rows(self) -> Iterator[Row]:
        """The questions of all books."""
        for row in keyed_rows(self._annotations):
            yield from parallel(row, "questions", "answers")

    def mended(self, data: dict[str, Any]) -> dict[str, Any]:
        """With an id for each question, the name of the split, and the ending of the image's file."""
        ending = PurePosixPath(urlsplit(optional_field(data, "imageURL")).path).suffix
        own = data.get("split")
        split = OCR_VQA_SPLITS.get(own, "") if isinstance(own, int) else ""
        return {**data, "id": f"{data['key']}#{data['number']}", "own": split, "ending": ending}


class VisualMrc(AnnotationSource):
    """VisualMRC: a page's screenshot with ``qa_data``, whose answers are whole sentences."""

    adapter: ClassVar[str] = "visualmrc"
    dataset: ClassVar[str] = "visualmrc"
    image: ClassVar[str] = "{image_filename}"

    def rows(self) -> Iterator[Row]:
        """The questions of all pages."""
        for row in read_rows(self._annotations):
            yield from parallel(row, "qa_data")

    def item(self, row: Row) -> Item:
        """A question about a page."""
        pair = row.data["qa_data"]
        if not isinstance(pair, dict):
            raise BadRecord("wrong-type", "qa_data holds what is no object")
        question, answer = (required(pair, name) for name in ("question", "answer"))
        if not isinstance(question, dict) or not isinstance(answer, dict):
            raise BadRecord("wrong-type", "question and answer are objects with `text`")
        key = f"{record_id(required(row.data, 'id'))}#{row.data['number']}"
        turn = Turn(full_field(question, "text"), full_field(answer, "text"))
        return Item(key, (turn,), (self.image_named(row.data),))


class Dvqa(FlatSource):
    """DVQA: questions about bar charts."""

    adapter: ClassVar[str] = "dvqa"
    dataset: ClassVar[str] = "dvqa"
    image: ClassVar[str] = "{image}"
    layout: ClassVar[Layout] = Layout(question="question", answer="answer", key="question_id")


class ChartQa(FlatSource):
    """ChartQA: ``imgname``, ``query``, ``label``; it has no ids."""

    adapter: ClassVar[str] = "chartqa"
    dataset: ClassVar[str] = "chartqa"
    image: ClassVar[str] = "{imgname}"
    layout: ClassVar[Layout] = Layout(question="query", answer="label")


class PlotQa(FlatSource):
    """PlotQA: ``qa_pairs`` of ``question_string`` and ``answer``, a word or a number.

    Its documentation promises no id (files have a ``qid``, which need not be unique): records go by their number.
    """

    adapter: ClassVar[str] = "plotqa"
    dataset: ClassVar[str] = "plotqa"
    image: ClassVar[str] = "{image_index}.png"
    layout: ClassVar[Layout] = Layout(within="qa_pairs.item", question="question_string", answer="answer")


class TabMwp(FlatSource):
    """TabMWP: sums about a table that is drawn as an image. Where the answer has a ``unit``, the question tells it."""

    adapter: ClassVar[str] = "tabmwp"
    dataset: ClassVar[str] = "tabmwp"
    image: ClassVar[str] = "{key}.png"
    layout: ClassVar[Layout] = Layout(
        within="*", question="question", answer="answer", options="choices", key="key", split="split"
    )

    def mended(self, data: dict[str, Any]) -> dict[str, Any]:
        """With the unit behind the question, as its authors' own prompts have it."""
        asked, unit = full_field(data, "question"), optional_field(data, "unit")
        return {**data, "question": f"{asked} (Unit: {unit})" if unit else asked}


class PixMoDocs(FlatSource):
    """PixMo-Docs: Parquet with a picture and parallel lists of ``questions.question`` and ``questions.answer``."""

    adapter: ClassVar[str] = "pixmo-docs"
    dataset: ClassVar[str] = "pixmo-docs"
    layout: ClassVar[Layout] = Layout(question="question", answer="answer", key="id", picture="image")

    def rows(self) -> Iterator[Row]:
        """The questions of all pictures."""
        for row in super().rows():
            pairs = row.data.get("questions")
            data = {**row.data, **pairs} if isinstance(pairs, dict) else row.data
            yield from parallel(Row(row.place, data, row.error), "question", "answer")

    def mended(self, data: dict[str, Any]) -> dict[str, Any]:
        """With an id for each question."""
        return {**data, "id": f"{record_id(required(data, 'image_id'))}#{data['number']}"}
