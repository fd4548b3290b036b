"""Reasoning: CLEVR, SHAPES, NLVR and NLVR2, VCR, Winoground.

Formats: CLEVR 1.0 (cs.stanford.edu/people/jcjohns/clevr); SHAPES as its authors publish it, three parallel files
``*.query_str.txt``, ``*.output`` and ``*.input.npy`` (github.com/jacobandreas/nmn2, github.com/ronghanghu/n2nmn); NLVR
and NLVR2's JSON lines and names of images (github.com/lil-lab/nlvr, the two READMEs); VCR 1.0
(visualcommonsense.com/download); Winoground's ``examples.jsonl`` (huggingface.co/datasets/facebook/winoground).
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal

from PIL import Image
from pydantic import Field

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Turn
from polysee.sources.base import MediaBlob
from polysee.sources.families.answers import chosen, listed, required
from polysee.sources.families.core import AdapterParams, AnnotationSource, Item, Medium, fill
from polysee.sources.families.flat import FlatSource, Layout
from polysee.sources.families.reading import lines, text_lines
from polysee.sources.fields import full_field, optional_field, record_id, safe_path
from polysee.sources.rows import Row, read_rows

TRUE_FALSE = ("true", "false")


class Clevr(FlatSource):
    """CLEVR: ``questions`` with ``image_filename`` and ``answer``."""

    adapter: ClassVar[str] = "clevr"
    dataset: ClassVar[str] = "clevr"
    image: ClassVar[str] = "{image_filename}|{split}/{image_filename}"
    layout: ClassVar[Layout] = Layout(
        within="questions.item", question="question", answer="answer", key="question_index", split="split"
    )


class ShapesParams(AdapterParams):
    """Parameters of SHAPES. ``annotations`` is the file of questions (``train.large.query_str.txt``)."""

    outputs: str | None = None
    """The file of answers, line by line (``train.large.output``)."""
    arrays: str | None = None
    """The pictures: a NumPy file of bytes (0 to 255) or of shares (0 to 1), shaped (n, 30, 30, 3) or (n, 2700)."""


class Shapes(AnnotationSource):
    """SHAPES: questions about a grid of nine shapes, of 30 pixels in square."""

    Params: ClassVar[type[ShapesParams]] = ShapesParams
    adapter: ClassVar[str] = "shapes-vqa"
    dataset: ClassVar[str] = "shapes-vqa"
    extra_files: ClassVar[tuple[str, ...]] = ("outputs", "arrays")

    def rows(self) -> Iterator[Row]:
        """The questions."""
        return lines(self._annotations)

    @cached_property
    def _answers(self) -> list[str]:
        return text_lines(self.path("outputs"))

    @cached_property
    def _pictures(self) -> Any:
        import numpy as np

        path = self.path("arrays")
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(
                f"this is no NumPy file: {error}", "set `arrays` to `….input.npy`", place=str(path)
            ) from None
        if found.ndim == 0 or found.size != len(found) * 2700:
            fix = "set `arrays` to the file that belongs to the questions"
            raise UserError(f"its shape is {found.shape}, not (n, 30, 30, 3)", fix, place=str(path))
        return found.reshape(len(found), 30, 30, 3)

    def item(self, row: Row) -> Item:
        """A question about the picture of the same number."""
        at = row.data["number"] - 1
        if at >= min(len(self._answers), len(self._pictures)):
            raise BadRecord("missing-answer", f"there is no answer or picture {at + 1}")
        pixels = self._pictures[at]
        scaled = pixels if pixels.dtype.kind == "u" else (pixels.clip(0, 1) * 255).round()
        target = io.BytesIO()
        Image.fromarray(scaled.astype("uint8")).save(target, "PNG")
        blob = MediaBlob(target.getvalue(), place=f"picture {at + 1}")
        options = TRUE_FALSE if self._answers[at] in TRUE_FALSE else ()
        return Item("", (Turn(row.data["line"], self._answers[at]),), (blob,), options=options)


class NlvrParams(AdapterParams):
    """Parameters of NLVR."""

    permutations: int = Field(default=1, ge=1, le=6)
    """How many of the six pictures of each sentence, which differ in the order of their boxes alone."""


class Nlvr(AnnotationSource):
    """NLVR: is the ``sentence`` true of the drawn boxes? Names of images hold the split: ``train-3128-0-0.png``."""

    Params: ClassVar[type[NlvrParams]] = NlvrParams
    adapter: ClassVar[str] = "nlvr"
    dataset: ClassVar[str] = "nlvr"
    image: ClassVar[str] = "{directory}/{own}-{identifier}-{number}.png|{own}-{identifier}-{number}.png"

    def rows(self) -> Iterator[Row]:
        """The sentences, each as often as pictures are asked for."""
        assert isinstance(self._params, NlvrParams)
        for row in read_rows(self._annotations):
            for number in range(self._params.permutations if row.error is None else 1):
                yield Row(row.place, {**row.data, "number": number}, row.error)

    def item(self, row: Row) -> Item:
        """A sentence that is true or false of a picture."""
        own = next((s for s in ("train", "dev", "test") if s in self._annotations.stem), "train")
        key = f"{full_field(row.data, 'identifier')}-{row.data['number']}"
        turn = Turn(full_field(row.data, "sentence"), _truth(row.data))
        return Item(key, (turn,), (self.image_named(row.data, own=own),), options=TRUE_FALSE)


class Nlvr2(AnnotationSource):
    """NLVR2: is the ``sentence`` true of the two photographs, left and right?"""

    adapter: ClassVar[str] = "nlvr2"
    dataset: ClassVar[str] = "nlvr2"
    image: ClassVar[str] = "{pair}-img{side}.png|{directory}/{pair}-img{side}.png"

    def rows(self) -> Iterator[Row]:
        """The sentences."""
        return read_rows(self._annotations)

    def item(self, row: Row) -> Item:
        """A sentence with its two photographs, left before right."""
        key = full_field(row.data, "identifier")
        pair = {"directory": ".", **row.data, "pair": key.rpartition("-")[0]}
        media = tuple(self.image_named(pair, side=side) for side in (0, 1))
        return Item(key, (Turn(full_field(row.data, "sentence"), _truth(row.data)),), media, options=TRUE_FALSE)


def _truth(data: Mapping[str, Any]) -> str:
    label = str(required(data, "label")).lower()
    if label not in TRUE_FALSE:
        raise BadRecord("bad-option", f"label is {label!r}")
    return label


class VcrParams(AdapterParams):
    """Parameters of VCR."""

    ask: Literal["answer", "rationale"] = "answer"
    """``rationale``: why the right answer is right."""
    boxes: bool = True
    """Write the box of each person or thing that is mentioned under the question, from 0 to 1000 across and down."""


class Vcr(AnnotationSource):
    """VCR: tokens in which lists of numbers point at ``objects``; ``metadata_fn`` beside the image has their boxes.

    A list such as ``[0, 2]`` becomes ``person1 and bottle3``: the class and the number of the object.
    """

    Params: ClassVar[type[VcrParams]] = VcrParams
    adapter: ClassVar[str] = "vcr"
    dataset: ClassVar[str] = "vcr"
    image: ClassVar[str] = "{img_fn}"

    def rows(self) -> Iterator[Row]:
        """The questions."""
        return read_rows(self._annotations)

    def item(self, row: Row) -> Item:
        """A question with its four answers, or a question and its answer with four reasons."""
        assert isinstance(self._params, VcrParams)
        data, mentioned = row.data, set[int]()
        objects = [str(one) for one in listed(data, "objects", str)]
        question = _spoken(listed(data, "question", object), objects, mentioned)
        answers = tuple(_spoken(one, objects, mentioned) for one in listed(data, "answer_choices", list))
        answer = chosen(answers, data.get("answer_label"), "answer_label")
        if self._params.ask == "rationale":
            question, reasons = f"{question}\n{answer}", listed(data, "rationale_choices", list)
            answers = tuple(_spoken(one, objects, mentioned) for one in reasons)
            answer = chosen(answers, data.get("rationale_label"), "rationale_label")
        if self._params.boxes and mentioned:
            question = "\n".join([question, *self._boxes(data, objects, sorted(mentioned))])
        key = full_field(data, "annot_id")
        return Item(key, (Turn(question, answer),), (self.image_named(data),), options=answers)

    def beside(self, data: Mapping[str, Any]) -> Sequence[str]:
        """The file with the boxes."""
        return [optional_field(data, "metadata_fn")] if isinstance(data.get("metadata_fn"), str) else []

    def _boxes(self, data: Mapping[str, Any], objects: list[str], mentioned: list[int]) -> Iterator[str]:
        name = full_field(data, "metadata_fn")
        path = safe_path(self._folder, name)
        try:
            found = json.loads(path.read_bytes())
            width, height = float(found["width"]), float(found["height"])
            boxes = [[float(value) for value in box[:4]] for box in found["boxes"]]
        except FileNotFoundError:
            raise BadRecord("missing-metadata", name) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadRecord("bad-metadata", f"{name}: {error}") from None
        for number in mentioned:
            if number >= len(boxes) or width <= 0 or height <= 0:
                raise BadRecord("bad-box", f"{name} has no box {number}")
            scaled = [1000 * value / size for value, size in zip(boxes[number], (width, height) * 2, strict=True)]
            corners = ", ".join(str(min(1000, max(0, round(value)))) for value in scaled)
            yield f"{objects[number]}{number + 1}: [{corners}]"


def _spoken(tokens: list[Any], objects: list[str], mentioned: set[int]) -> str:
    said: list[str] = []
    for token in tokens:
        if isinstance(token, str):
            said.append(token)
            continue
        numbers = token if isinstance(token, list) else [token]
        if not all(isinstance(one, int) and 0 <= one < len(objects) for one in numbers):
            raise BadRecord("bad-option", f"{token!r} points at no object")
        mentioned.update(numbers)
        said.append(" and ".join(f"{objects[one]}{one + 1}" for one in numbers))
    text = ""
    for word in said:  # VCR's tokens are English words, with marks and "'s" as tokens of their own
        glued = not text or (word[:1] in ".,?!;:)'’" or word == "n't") or text[-1] == "("
        text += word if glued else f" {word}"
    if not text.strip():
        raise BadRecord("empty-field", "question or answer")
    return text.strip()


class WinogroundParams(AdapterParams):
    """Parameters of Winoground."""

    pick: Literal["caption", "image"] = "caption"
    """Which of two captions an image has, or (with both images shown) which image a caption has."""


class Winoground(AnnotationSource):
    """Winoground: two images and two captions of the same words; each example gives two records, as in M3IT."""

    Params: ClassVar[type[WinogroundParams]] = WinogroundParams
    adapter: ClassVar[str] = "winoground"
    dataset: ClassVar[str] = "winoground"
    image: ClassVar[str] = "{name}.png|{name}"

    def rows(self) -> Iterator[Row]:
        """Each example twice: for image or caption 0 and 1."""
        for row in read_rows(self._annotations):
            for side in (0, 1) if row.error is None else (0,):
                yield Row(row.place, {**row.data, "side": side}, row.error)

    def item(self, row: Row) -> Item:
        """A choice between two captions, or between two images called 1 and 2."""
        assert isinstance(self._params, WinogroundParams)
        data, side = row.data, row.data["side"]
        captions = (full_field(data, "caption_0"), full_field(data, "caption_1"))
        images = tuple(self._image(full_field(data, f"image_{n}")) for n in (0, 1))
        key, tag = f"{record_id(required(data, 'id'))}#{side}", optional_field(data, "collapsed_tag")
        tags = (f"kind:{tag}",) if tag else ()
        if self._params.pick == "caption":
            return Item(key, (Turn("", captions[side]),), (images[side],), options=captions, tags=tags)
        turn = Turn(captions[side], str(side + 1))
        return Item(key, (turn,), images, options=("1", "2"), tags=tags)

    def _image(self, name: str) -> Medium:
        return Medium(fill(self._params.image_name or self.image, {"name": name}))
