"""Stories, dialogues and translation about images: VIST, VisDial, MMChat, Multi30k.

Formats: VIST's stories in sequence (visionandlanguage.net/VIST); VisDial 1.0 (visualdial.org/data); MMChat's parallel
files of dialogues, posts and addresses of images (github.com/silverriver/MMChat, its script on the Hub); Multi30k's
parallel lines with a list of images (github.com/multi30k/dataset).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import PurePosixPath
from typing import ClassVar
from urllib.parse import urlsplit

from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import Turn
from polysee.sources.families.answers import listed, required
from polysee.sources.families.core import AdapterParams, AnnotationSource, Item, Medium
from polysee.sources.families.reading import json_rows, lines, text_lines, values
from polysee.sources.fields import full_field, record_id, text
from polysee.sources.rows import Row


class Vist(AnnotationSource):
    """VIST: five photographs of an album and a story of five sentences. Each annotation is a list of one sentence."""

    adapter: ClassVar[str] = "vist"
    dataset: ClassVar[str] = "vist"
    image: ClassVar[str] = "{photo_flickr_id}.jpg|{photo_flickr_id}.png|{photo_flickr_id}.gif"

    def rows(self) -> Iterator[Row]:
        """The stories, sentences in their order."""
        stories: dict[object, Row] = {}
        for number, group in enumerate(values(self._annotations, "annotations.item"), 1):
            place = f"{self._annotations.name}:annotations[{number}]"
            for one in group if isinstance(group, list) else [group]:
                if not isinstance(one, dict) or not isinstance(one.get("story_id"), str | int):
                    yield Row(place, {}, BadRecord("missing-field", "story_id"))
                    continue
                stories.setdefault(one["story_id"], Row(place, {"parts": []})).data["parts"].append(one)
        yield from stories.values()

    def item(self, row: Row) -> Item:
        """A story."""
        parts = row.data["parts"]
        if not all(isinstance(one.get("worker_arranged_photo_order"), int) for one in parts):
            raise BadRecord("missing-field", "worker_arranged_photo_order")
        ordered = sorted(parts, key=lambda one: int(one["worker_arranged_photo_order"]))
        story = " ".join(full_field(one, "original_text") for one in ordered)
        media = tuple(self.image_named(one) for one in ordered)
        return Item(record_id(ordered[0]["story_id"]), (Turn("", story),), media)


class VisDial(AnnotationSource):
    """VisDial: ten questions and answers about an image, as numbers in the file's lists; its caption comes first."""

    adapter: ClassVar[str] = "visdial"
    dataset: ClassVar[str] = "visdial"
    image: ClassVar[str] = (
        "COCO_train2014_{image_id:012}.jpg|COCO_val2014_{image_id:012}.jpg|train2014/COCO_train2014_{image_id:012}.jpg"
        "|val2014/COCO_val2014_{image_id:012}.jpg|VisualDialog_val2018_{image_id:012}.jpg"
        "|VisualDialog_test2018_{image_id:012}.jpg"
    )

    def rows(self) -> Iterator[Row]:
        """The dialogues."""
        return json_rows(self._annotations, "data.dialogs.item")

    @cached_property
    def _questions(self) -> list[object]:
        return list(values(self._annotations, "data.questions.item"))

    @cached_property
    def _answers(self) -> list[object]:
        return list(values(self._annotations, "data.answers.item"))

    def item(self, row: Row) -> Item:
        """A dialogue of as many turns as have answers (in the test split the last has none)."""
        turns = []
        for part in listed(row.data, "dialog", dict):
            if part.get("answer") is None:
                break
            asked = _said(self._questions, part.get("question"), "question")
            turns.append(Turn(asked, _said(self._answers, part["answer"], "answer")))
        if not turns:
            raise BadRecord("empty-answer", "dialog")
        turns[0] = Turn(f"{full_field(row.data, 'caption')}\n{turns[0].input}", turns[0].output)
        return Item(record_id(required(row.data, "image_id")), tuple(turns), (self.image_named(row.data),))


def _said(all_of_them: list[object], number: object, name: str) -> str:
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < len(all_of_them):
        raise BadRecord("bad-id", f"{name} {number!r} is none of {len(all_of_them)}")
    return full_field({name: all_of_them[number]}, name)


class MmChatParams(AdapterParams):
    """Parameters of MMChat. ``annotations`` is the file of dialogues, ``images`` a folder of downloaded images."""

    image_urls: str | None = None
    """The file with the images' addresses, line by line (``img_url_train.jsonl``)."""
    posts: str | None = None
    """The file with the posts under which people talk (``weibo_train.jsonl``); each then stands before its dialogue."""


class MmChat(AnnotationSource):
    """MMChat: a dialogue in Chinese under a post with up to nine images, which are files called as in their addresses.

    Speakers take turns; a last line that nobody answers is left out, and so is a dialogue of one line.
    """

    Params: ClassVar[type[MmChatParams]] = MmChatParams
    adapter: ClassVar[str] = "mmchat"
    dataset: ClassVar[str] = "mmchat"
    extra_files: ClassVar[tuple[str, ...]] = ("image_urls", "posts")

    def rows(self) -> Iterator[Row]:
        """The dialogues with their posts and images."""
        return lines(self._annotations)

    @cached_property
    def _urls(self) -> list[str]:
        return text_lines(self.path("image_urls"))

    @cached_property
    def _posts(self) -> list[str] | None:
        assert isinstance(self._params, MmChatParams)
        return None if self._params.posts is None else text_lines(self.path("posts"))

    def item(self, row: Row) -> Item | None:
        """A dialogue of whole turns."""
        at = row.data["number"] - 1
        said = [text(one, "dialog") for one in _list(_json(row.data["line"]))]
        turns = [Turn(asked, answer) for asked, answer in zip(said[::2], said[1::2], strict=False)]
        if not turns:
            return None
        if at >= len(self._urls):
            raise BadRecord("missing-image", f"there is no line {at + 1} of addresses")
        if self._posts is not None and at < len(self._posts):
            post = text(_json(self._posts[at]), "post")
            turns[0] = Turn("\n".join(part for part in (post, turns[0].input) if part), turns[0].output)
        return Item("", tuple(turns), tuple(Medium(name) for name in _names(self._urls[at])))


def _names(line: str) -> list[str]:
    """Names of files out of ``https://…/a.jpg;https://…/b.jpg``, or of ``{"weibo_img": "…"}``."""
    found = _json(line) if line.startswith(("{", '"')) else line
    if isinstance(found, dict):
        found = found.get("weibo_img")
    names = [PurePosixPath(urlsplit(one).path).name for one in text(found, "image").split(";") if one.strip()]
    if not names or not all(names):
        raise BadRecord("missing-image", "the line names no image")
    return names


def _json(line: str) -> object:
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadRecord("bad-json", str(error)) from None
    return found


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise BadRecord("wrong-type", f"a dialogue is a {type(value).__name__}, not a list")
    return value


class Multi30kParams(AdapterParams):
    """Parameters of Multi30k. ``annotations`` has the lines to translate, ``language`` is that of ``target``."""

    target: str | None = None
    """The file with the translations, line by line (``train.de``)."""
    names: str | None = None
    """The list of images, line by line (``image_splits/train.txt``)."""
    source_language: str = "en"


class Multi30k(AnnotationSource):
    """Multi30k: translate a caption with the help of its image. The sample's language is that of the translation."""

    Params: ClassVar[type[Multi30kParams]] = Multi30kParams
    adapter: ClassVar[str] = "multi30k"
    dataset: ClassVar[str] = "multi30k"
    image: ClassVar[str] = "{image}"
    extra_files: ClassVar[tuple[str, ...]] = ("target", "names")

    def rows(self) -> Iterator[Row]:
        """The captions with their translations and images. Raises `UserError` where the files' lengths differ."""
        paths = (self._annotations, self.path("target"), self.path("names"))
        columns = [text_lines(path) for path in paths]
        if len({len(column) for column in columns}) != 1:
            told = ", ".join(f"{path.name} has {len(column):,}" for path, column in zip(paths, columns, strict=True))
            raise UserError(f"the files have unlike numbers of lines: {told}", "use files of one split")
        for number, (source, target, image) in enumerate(zip(*columns, strict=True), 1):
            # Older lists write the image's number among the captions of it behind a `#`.
            data = {"source": source, "target": target, "image": image.partition("#")[0], "number": number}
            yield Row(f"{self._annotations.name}:{number}", data)

    def item(self, row: Row) -> Item:
        """A caption and its translation."""
        assert isinstance(self._params, Multi30kParams)
        turn = Turn(full_field(row.data, "source"), full_field(row.data, "target"))
        tags = (f"source_language:{self._params.source_language}",)
        key = f"{row.data['number']}:{self._language()}"
        return Item(key, (turn,), (self.image_named(row.data),), tags=tags)
