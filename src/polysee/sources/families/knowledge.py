"""Questions that need knowledge or schooling: ScienceQA, ViQuAE, AI2D, IconQA.

Formats: ScienceQA's ``problems.json`` (github.com/lupantech/ScienceQA); ViQuAE's JSON lines in KILT's form
(github.com/PaulLerner/ViQuAE); AI2D's folder ``questions`` with a file an image (prior.allenai.org/projects/diagram-
understanding), and its lettered pictures as in InternVL's layout of folders; IconQA's folders with ``data.json``
(github.com/lupantech/IconQA).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from polysee.schema.errors import BadRecord
from polysee.schema.sample import IMAGE_MARK, Turn
from polysee.sources.families.answers import chosen, listed, required, said, sayings
from polysee.sources.families.core import AdapterParams, AnnotationSource, Item, Medium, fill
from polysee.sources.families.reading import keyed_rows
from polysee.sources.fields import full_field, optional_field, record_id
from polysee.sources.rows import Row, read_rows, unreadable


class ScienceQa(AnnotationSource):
    """ScienceQA: problems by id, the hint before the question; about half of them have no image."""

    adapter: ClassVar[str] = "scienceqa"
    dataset: ClassVar[str] = "scienceqa"
    image: ClassVar[str] = "{key}/{image}|{split}/{key}/{image}"

    def rows(self) -> Iterator[Row]:
        """The problems of all splits."""
        return keyed_rows(self._annotations)

    def item(self, row: Row) -> Item | None:
        """A problem with its choices; the subject is a tag."""
        data = row.data
        if self.other_split(data.get("split")):
            return None
        options = sayings(listed(data, "choices", str), "choices")
        asked = "\n".join(part for part in (optional_field(data, "hint"), full_field(data, "question")) if part)
        media = (self.image_named(data),) if data.get("image") else ()
        subject = optional_field(data, "subject")
        return Item(
            record_id(data["key"]),
            (Turn(asked, chosen(options, data.get("answer"), "answer")),),
            media,
            options=options,
            tags=(f"subject:{subject}",) if subject else (),
        )


class ViquaeParams(AdapterParams):
    """Parameters of ViQuAE."""

    aliases: int = Field(default=20, ge=1)
    """At most so many accepted answers are kept as references: some entities have hundreds of names."""


class Viquae(AnnotationSource):
    """ViQuAE: questions about a named thing that only the image shows; ``output.original_answer`` is the answer."""

    Params: ClassVar[type[ViquaeParams]] = ViquaeParams
    adapter: ClassVar[str] = "viquae"
    dataset: ClassVar[str] = "viquae"
    image: ClassVar[str] = "{image}"

    def rows(self) -> Iterator[Row]:
        """The questions."""
        return read_rows(self._annotations)

    def item(self, row: Row) -> Item:
        """A question with its answer and the answer's other names."""
        assert isinstance(self._params, ViquaeParams)
        output = required(row.data, "output")
        if not isinstance(output, dict):
            raise BadRecord("wrong-type", "output is no object")
        answer = full_field(output, "original_answer")
        others = [one for one in sayings(output.get("answer") or [], "answer") if one and one != answer]
        turn = Turn(full_field(row.data, "input"), answer)
        kept = (answer, *dict.fromkeys(others))[: self._params.aliases]
        return Item(record_id(required(row.data, "id")), (turn,), (self.image_named(row.data),), references=kept)


class Ai2d(AnnotationSource):
    """AI2D: ``annotations`` is the folder ``questions``; each file has the questions about one diagram.

    A question with ``abcLabel`` asks for letters that are drawn over the diagram's own words. Its picture is
    ``abc_images/0.png`` or ``0-abc.png``, which users of AI2D draw from its folder ``annotations``; the plain diagram
    would not do, so that without it the question is rejected. ``images`` is the folder that has ``images`` in it, or
    that folder itself.
    """

    adapter: ClassVar[str] = "ai2d"
    dataset: ClassVar[str] = "ai2d"
    image: ClassVar[str] = "images/{imageName}|{imageName}"
    LETTERED: ClassVar[str] = "abc_images/{imageName}|images/{stem}-abc.png|{stem}-abc.png"

    def rows(self) -> Iterator[Row]:
        """The questions of all diagrams, by file name."""
        for path in self.files():
            for whole in _whole(path):
                asked = whole.data.get("questions")
                if whole.error is not None or not isinstance(asked, dict):
                    yield Row(whole.place, {}, whole.error or BadRecord("missing-field", "questions"))
                    continue
                for question, data in asked.items():
                    fault = None if isinstance(data, dict) else BadRecord("not-an-object", "a question")
                    found = data if isinstance(data, dict) else {}
                    yield Row(whole.place, {"imageName": whole.data.get("imageName"), **found, "text": question}, fault)

    def item(self, row: Row) -> Item:
        """A question with its candidates."""
        options = sayings(listed(row.data, "answerTexts", str), "answerTexts")
        answer = chosen(options, row.data.get("correctAnswer"), "correctAnswer")
        key = record_id(required(row.data, "questionId"))
        turn = Turn(full_field(row.data, "text"), answer)
        return Item(key, (turn,), (self._diagram(row.data),), options=options)

    def _diagram(self, data: Mapping[str, Any]) -> Medium:
        if data.get("abcLabel") is not True or self._params.image_name is not None:
            return self.image_named(data)
        return Medium(fill(self.LETTERED, {**data, "stem": full_field(data, "imageName").removesuffix(".png")}))


class IconQa(AnnotationSource):
    """IconQA: ``annotations`` is a folder of problems (``choose_txt/123/data.json``) with their pictures beside them.

    In ``choose_img`` the choices are pictures too: the sample has them all, numbered, and its answer is a number.
    """

    adapter: ClassVar[str] = "iconqa"
    dataset: ClassVar[str] = "iconqa"

    def rows(self) -> Iterator[Row]:
        """The problems, by path."""
        root = self._annotations
        for path in self.files():
            for row in _whole(path):
                folder = path.parent.relative_to(root).as_posix() if root.is_dir() else "."
                yield Row(f"{folder}/{path.name}", {**row.data, "folder": folder}, row.error)

    def item(self, row: Row) -> Item:
        """A problem: choose a text, choose a picture, or fill in."""
        data, folder = row.data, row.data["folder"]
        question, media = full_field(data, "question"), [Medium(f"{folder}/image.png")]
        choices = data.get("choices")
        if not choices:
            return Item(folder, (Turn(question, said(required(data, "answer"), "answer")),), tuple(media))
        options = sayings(choices, "choices")
        answer = chosen(options, data.get("answer"), "answer")
        if data.get("ques_type") == "choose_img":
            media += [Medium(f"{folder}/{name}") for name in options]
            answer = str(options.index(answer) + 1)
            options = tuple(str(number + 1) for number in range(len(options)))
            shown = "\n".join(f"{number}: {IMAGE_MARK}" for number in options)
            question = f"{IMAGE_MARK}\n{question}\n{shown}"
        return Item(folder, (Turn(question, answer),), tuple(media), options=options)


def _whole(path: Path) -> Iterator[Row]:
    """The one object of a small JSON file."""
    try:
        data: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        yield Row(path.name, {}, BadRecord("bad-json", str(error)))
        return
    fault = None if isinstance(data, dict) else BadRecord("not-an-object", f"found a {type(data).__name__}")
    yield Row(path.name, data if isinstance(data, dict) else {}, fault)
