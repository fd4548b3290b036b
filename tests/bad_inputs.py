"""Makers of bad input for `test_bad_input`: each writes files, a dataset and its recipe into a folder."""

from __future__ import annotations

import base64
import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from polysee.media.frames import write_video
from polysee.schema.sample import Turn
from polysee.sources.base import MediaBlob, Params, SourceRecord
from polysee.store.run import RunStore

Make = Callable[[Path], AbstractContextManager[object] | None]
"""Writes the input into a folder; may return what has to stay open while the run is tried."""

WORDS = (("ar", "ما هذا؟", "قطة"), ("hi", "यह क्या है?", "बिल्ली"), ("zh", "这是什么？", "猫"))
COLOURS = {"ar": "red", "hi": "lime", "zh": "blue"}
KEPT = {key: answer for key, _, answer in WORDS}

RECIPE = """
name: run
tolerance: 1.0
sources:
  - {name: set, %s}
scores:
  - {name: size, use: image_size}
select:
  - {name: large, where: "min_side IS NULL OR min_side >= 1"}
"""
LLAVA = "use: llava, params: {path: %s, images: images, language_field: lang, language: en}"


# ---- bytes of pictures and videos


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def flat(colour: str, size: tuple[int, int] = (16, 12)) -> Image.Image:
    return Image.new("RGB", size, colour)


QUARTERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))


def quarters(colours: Sequence[Any] = QUARTERS, mode: str = "RGB", size: tuple[int, int] = (40, 24)) -> Image.Image:
    """Four coloured quarters: upper left, upper right, lower left, lower right."""
    image = Image.new(mode, size)
    width, height = size[0] // 2, size[1] // 2
    for number, colour in enumerate(colours):
        left, top = number % 2 * width, number // 2 * height
        image.paste(colour, (left, top, left + width, top + height))
    return image


def grey_16_bits(*values: int) -> Image.Image:
    """Four quarters of these values."""
    corners = np.array(values, np.uint16).reshape(2, 2)
    return Image.fromarray(corners.repeat(12, axis=0).repeat(20, axis=1))


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises that many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def wrong_checksum() -> bytes:
    data = bytearray(encoded(flat("red")))
    at = data.index(b"IDAT")
    (length,) = struct.unpack_from(">I", data, at - 4)
    data[at + 4 + length] ^= 0xFF
    return bytes(data)


def large_gif() -> bytes:
    data = bytearray(encoded(flat("red"), "GIF"))
    struct.pack_into("<HH", data, 6, 65_000, 65_000)
    return bytes(data)


def video() -> bytes:
    return write_video([flat(colour, (32, 32)) for colour in ("red", "lime", "blue", "red", "lime", "blue")], 6.0)


ENTITIES = "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
)
BOMB = f"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "hahahahaha">{ENTITIES}]>
<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&k;</text></svg>"""
SPYING = '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd" width="9" height="9"/></svg>'


# ---- datasets


def say(*said: str) -> list[dict[str, str]]:
    return [{"from": "gpt" if n % 2 else "human", "value": text} for n, text in enumerate(said)]


def good_records(folder: Path) -> list[Any]:
    images = folder / "images"
    images.mkdir(exist_ok=True)
    for key, colour in COLOURS.items():
        (images / f"{key}.png").write_bytes(encoded(flat(colour)))
    return [
        {"id": key, "image": f"{key}.png", "lang": key, "conversations": say(f"<image>\n{question}", answer)}
        for key, question, answer in WORDS
    ]


def write_lines(path: Path, records: Sequence[Any], head: bytes = b"") -> None:
    lines = [one if isinstance(one, bytes) else json.dumps(one, ensure_ascii=False).encode() for one in records]
    path.write_bytes(head + b"\n".join(lines) + b"\n")


def write_recipe(folder: Path, source: str = LLAVA % "data.jsonl", recipe: str = RECIPE) -> None:
    # Paths of a recipe are relative to the current folder, which is this one while the case runs.
    (folder / "recipe.yaml").write_text(recipe % source, encoding="utf-8")


def llava(spoil: Callable[[Path], Any] | None = None, head: bytes = b"") -> Make:
    """Three good records, and in their midst the one that ``spoil`` gives for the folder of images."""

    def make(folder: Path) -> None:
        records = good_records(folder)
        if spoil is not None:
            records.insert(1, spoil(folder / "images"))
        write_lines(folder / "data.jsonl", records, head)
        write_recipe(folder)

    return make


def record(**changes: Any) -> dict[str, Any]:
    return {
        "id": "bad",
        "image": "ar.png",
        "lang": "sw",
        "conversations": say("<image>\nNi nini hiki?", "Paka"),
        **changes,
    }


def image(data: bytes) -> Make:
    """A record whose picture has these bytes."""

    def spoil(images: Path) -> Any:
        (images / "bad.bin").write_bytes(data)
        return record(image="bad.bin")

    return llava(spoil)


def line(value: Any) -> Make:
    return llava(lambda images: value)


def linked(images: Path) -> Any:
    (images.parent / "secret.png").write_bytes(encoded(flat("black")))
    (images / "link.png").symlink_to(images.parent / "secret.png")
    return record(image="link.png")


def pipe(images: Path) -> Any:
    os.mkfifo(images / "pipe.png")
    return record(image="pipe.png")


def huge(images: Path) -> Any:
    with (images / "huge.png").open("wb") as file:
        file.truncate(2**28 + 1)
    return record(image="huge.png")


def cut_array(folder: Path) -> None:
    text = json.dumps([*good_records(folder), record()], ensure_ascii=False)
    (folder / "data.json").write_text(text[:-40], encoding="utf-8")
    write_recipe(folder, LLAVA % "data.json")


def sharegpt(*messages: tuple[str, str]) -> Make:
    def make(folder: Path) -> None:
        records = [{**one, "images": one.pop("image")} for one in good_records(folder)]
        bad = {"id": "bad", "lang": "sw", "messages": [{"role": role, "content": text} for role, text in messages]}
        write_lines(folder / "data.jsonl", [records[0], bad, *records[1:]])
        write_recipe(folder, LLAVA.replace("llava", "sharegpt") % "data.jsonl")

    return make


def m3it(picture: Any) -> Make:
    def make(folder: Path) -> None:
        records = [
            {"id": key, "lang": key, "inputs": question, "outputs": answer,
             "image_base64_str": [base64.b64encode(encoded(flat(COLOURS[key]))).decode()]}
            for key, question, answer in WORDS
        ]  # fmt: skip
        records.insert(1, {**records[0], "id": "bad", "lang": "sw", "image_base64_str": picture})
        write_lines(folder / "data.jsonl", records)
        write_recipe(folder, "use: m3it, params: {path: data.jsonl, language_field: lang}")

    return make


def options(answer: Any) -> Make:
    def make(folder: Path) -> None:
        good_records(folder)
        names = [word for _, _, word in WORDS]
        records = [
            {"id": key, "image": f"{key}.png", "lang": key, "q": question, "a": word, "o": names}
            for key, question, word in WORDS
        ]
        write_lines(
            folder / "data.jsonl", [records[0], {**records[0], "id": "bad", "lang": "sw", "a": answer}, *records[1:]]
        )
        columns = "image: image, images: images, question: q, answer: a, options: o, id: id, language_column: lang"
        write_recipe(folder, f"use: huggingface, params: {{path: data.jsonl, {columns}}}")

    return make


def stamps(svg: str) -> Make:
    def make(folder: Path) -> None:
        animals = folder / "stamps" / "animals"
        animals.mkdir(parents=True)
        (animals / "cat.png").write_bytes(encoded(flat("red")))
        lines = ["A cat.", *(f"{key}.utf8={answer}" for key, _, answer in WORDS if key != "zh"), "zh_CN.utf8=猫"]
        (animals / "cat.txt").write_text("\n".join(lines), encoding="utf-8")
        (animals / "bomb.svg").write_text(svg)
        (animals / "bomb.txt").write_text("A bomb.")
        write_recipe(folder, "use: tuxpaint, params: {root: stamps, languages: [ar, hi, zh], held_out: 0.0}")

    return make


class ClipsParams(Params):
    path: str


class Clips:
    """A folder of videos, as a package of somebody's would add it."""

    Params: ClassVar[type[ClipsParams]] = ClipsParams
    version: ClassVar[int] = 1
    licence = "CC0-1.0"

    def __init__(self, params: ClipsParams, *, seed: int) -> None:
        self._folder = Path(params.path)

    def fingerprint_inputs(self) -> Sequence[str]:
        return ()

    def shards(self) -> Sequence[str]:
        return ("all",)

    def read(self, shard: str) -> Iterator[SourceRecord]:
        for path in sorted(self._folder.iterdir()):
            words = {"bad": ("sw", "Paka"), **{key: (key, answer) for key, _, answer in WORDS}}
            tag, answer = words[path.stem]
            yield SourceRecord(path.stem, "video", tag, (Turn("", answer),), (MediaBlob(path.read_bytes(), "video"),))


def clips(data: bytes) -> Make:
    def make(folder: Path) -> None:
        (folder / "clips").mkdir()
        for name in KEPT:
            (folder / "clips" / f"{name}.mp4").write_bytes(video())
        (folder / "clips" / "bad.mp4").write_bytes(data)
        write_recipe(folder, "use: clips, params: {path: clips}")

    return make


# ---- mistakes of people


def recipe(text: str | bytes) -> Make:
    """That recipe, beside three good records."""

    def make(folder: Path) -> None:
        llava()(folder)
        (folder / "recipe.yaml").write_bytes(text.encode() if isinstance(text, str) else text)

    return make


GOOD = RECIPE % (LLAVA % "data.jsonl")


def changed(old: str, new: str) -> Make:
    assert GOOD.count(old) == 1, old
    return recipe(GOOD.replace(old, new))


def only_files(**files: Callable[[Path], object]) -> Make:
    """The good recipe reads a folder ``data`` of these files, each made by a function of its path."""

    def make(folder: Path) -> None:
        good_records(folder)
        (folder / "data").mkdir()
        for name, fill in files.items():
            fill(folder / "data" / name.replace("_", "."))
        write_recipe(folder, LLAVA % "data")

    return make


def garbage_table(folder: Path) -> None:
    (folder / "data.parquet").write_bytes(b"PAR1 and then nothing of the kind PAR1")
    write_recipe(folder, "use: huggingface, params: {path: data.parquet, answer: a, language: en}")


def too_many_rejects(folder: Path) -> None:
    image(b"")(folder)
    (folder / "recipe.yaml").write_text(GOOD.replace("tolerance: 1.0", "tolerance: 0.2"))


def locked(folder: Path) -> AbstractContextManager[object]:
    llava()(folder)
    return RunStore(folder / "runs" / "run")


def file_in_the_way(folder: Path) -> None:
    llava()(folder)
    (folder / "runs").write_text("")


def empty_runs(folder: Path) -> None:
    llava()(folder)
    (folder / "runs").mkdir()


def long_answer(folder: Path) -> None:
    llava(lambda images: record(conversations=say("<image>\nSema mengi.", "Paka mweusi. " * 60)))(folder)
    model = """
tokenizer: {vocabulary: 512}
model: {vision: {hidden: 32, heads: 2, tile: 32}, language: {hidden: 32, heads: 2, kv_heads: 1}}
stages:
  - {name: one, train: [connector], steps: 1, max_tokens: 64, learning_rate: {connector: 1.0e-3}}
"""
    (folder / "recipe.yaml").write_text(GOOD + model)
