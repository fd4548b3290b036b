"""Tux Paint's stamps: a folder in their format, and Debian's own where it is installed."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from polysee.schema.errors import UserError
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.tuxpaint import SYSTEM_ROOT, TuxPaint, TuxPaintParams

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><rect width="20" height="10" fill="red"/></svg>'
CAPTIONS = """A cat.
am.utf8=ድመት 
ar.utf8=قطة.
ca@valencia.utf8=Un gat.
hi.utf8=
ja.utf8=ねこ
pt_BR.utf8=Um gato.
sr@latin.utf8=Mačka.
th.utf8=แมว
zh_CN.utf8=一只猫。
zh_TW.utf8=一隻貓。
"""


def png(colour: str = "red") -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(target, "PNG")
    return target.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "stamps" / "animals"
    folder.mkdir(parents=True)
    (folder / "cat.txt").write_text(CAPTIONS, encoding="utf-8")
    (folder / "cat.png").write_bytes(png())
    (folder / "cat_mirror.png").write_bytes(png("blue"))
    (folder / "cat.dat").write_text("scale")
    return tmp_path / "stamps"


def _read(root: Path, seed: int = 0, **params: object) -> list[SourceRecord | Reject]:
    source = TuxPaint(TuxPaintParams.model_validate({"root": str(root), **params}), seed=seed)
    return [record for shard in source.shards() for record in source.read(shard)]


def test_captions_by_language(root: Path) -> None:
    found = _read(root)
    assert all(isinstance(r, SourceRecord) for r in found)
    texts = {r.language: r.turns[0].output for r in found if isinstance(r, SourceRecord)}
    assert texts == {
        "am": "ድመት", "ar": "قطة.", "ca-valencia": "Un gat.", "en": "A cat.", "ja": "ねこ", "pt-BR": "Um gato.",
        "sr-Latn": "Mačka.", "th": "แมว", "zh": "一只猫。", "zh-Hant": "一隻貓。",
    }  # fmt: skip
    assert [r.key for r in found] == sorted(f"animals/cat:{tag}" for tag in texts)
    first = found[0]
    assert isinstance(first, SourceRecord)
    assert first.task == "caption"
    assert first.media[0].data == png()
    assert set(first.tags) == {"domain:animals", "group:animals/cat"}


def test_only_the_languages_asked_for(root: Path) -> None:
    assert [r.language for r in _read(root, languages=["th", "zh-Hant", "sw"])] == ["th", "zh-Hant"]


def test_vector_stamps_are_drawn(root: Path) -> None:
    (root / "animals" / "cat.svg").write_bytes(SVG)
    record = _read(root, size=32)[0]
    assert isinstance(record, SourceRecord)
    assert record.media[0].data.startswith(b"\x89PNG")
    assert record.media[0].place == "animals/cat.svg"
    assert record.media[0].data == _read(root, size=32)[1].media[0].data  # type: ignore[union-attr]


def test_splits_are_by_stamp_and_by_seed(root: Path) -> None:
    for n in range(60):
        (root / "animals" / f"s{n}.txt").write_text(CAPTIONS, encoding="utf-8")
        (root / "animals" / f"s{n}.png").write_bytes(png())

    def splits(seed: int) -> dict[str, str]:
        pairs = {(r.key.split(":")[0], r.split) for r in _read(root, seed, held_out=0.3) if isinstance(r, SourceRecord)}
        assert len(pairs) == 61, "a stamp is on one side in all languages"
        return dict(pairs)

    assert splits(0) == splits(0)
    assert splits(0) != splits(1)
    assert 8 <= Counter(splits(0).values())["development"] <= 30


@pytest.mark.parametrize(
    ("reason", "line"),
    [("unknown-language", b"xx.utf8=x"), ("bad-line", b"no caption"), ("invalid-utf8", b"fr.utf8=\xff"),
     ("duplicate-language", "ar.utf8=قط".encode())],
)  # fmt: skip
def test_bad_lines(root: Path, reason: str, line: bytes) -> None:
    path = root / "animals" / "cat.txt"
    path.write_bytes(path.read_bytes() + line + b"\n")
    found = _read(root)
    (reject,) = [r for r in found if isinstance(r, Reject)]
    assert (reject.reason, reject.detail.split(": ")[0]) == (reason, "animals/cat.txt:12")
    assert len(found) == 11


@pytest.mark.parametrize(
    ("reason", "name", "data"),
    [("missing-image", "dog.gif", b"x"), ("zero-byte-file", "dog.png", b""), ("zero-byte-file", "dog.svg", b""),
     ("not-an-svg", "dog.svg", b"<html/>")],
)  # fmt: skip
def test_bad_pictures(root: Path, reason: str, name: str, data: bytes) -> None:
    (root / "animals" / "dog.txt").write_text("A dog.\n")
    (root / "animals" / name).write_bytes(data)
    (reject,) = [r for r in _read(root) if isinstance(r, Reject)]
    assert (reject.key, reject.reason) == ("animals/dog", reason)


def test_the_fingerprint_follows_captions_and_pictures(root: Path) -> None:
    def fingerprint() -> list[str]:
        return list(TuxPaint(TuxPaintParams(root=str(root))).fingerprint_inputs())

    first = fingerprint()
    (root / "animals" / "cat.dat").write_text("other")
    assert fingerprint() == first
    (root / "animals" / "cat.png").write_bytes(png("blue"))
    assert fingerprint() != first


def test_no_stamps(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder of stamps") as caught:
        TuxPaint(TuxPaintParams(root=str(tmp_path / "none")))
    assert "tuxpaint-stamps-default" in caught.value.fix


@pytest.mark.skipif(not SYSTEM_ROOT.is_dir(), reason="tuxpaint-stamps-default is not installed")
def test_debians_stamps() -> None:
    source = TuxPaint(TuxPaintParams(languages=("en", "ar", "zh", "th", "hi", "ja", "am")))
    found = list(source.read("hobbies"))
    records = [r for r in found if isinstance(r, SourceRecord)]
    assert len(source.shards()) == 16
    assert {r.language for r in records} == {"en", "ar", "zh", "th", "hi", "ja", "am"}
    pictures = {hashlib.sha256(r.media[0].data).hexdigest() for r in records}
    assert 5 < len(pictures) <= len({r.key.split(":")[0] for r in records})


def test_only_the_themes_asked_for(root: Path) -> None:
    (root / "food").mkdir()
    (root / "food" / "tea.txt").write_text("Tea.\nar.utf8=شاي\n", encoding="utf-8")
    assert TuxPaint(TuxPaintParams(root=str(root))).shards() == ["animals", "food"]
    assert TuxPaint(TuxPaintParams(root=str(root), themes=("food",))).shards() == ["food"]
    with pytest.raises(UserError, match="no theme 'foods'") as error:
        TuxPaint(TuxPaintParams(root=str(root), themes=("foods",))).shards()
    assert "animals, food" in error.value.fix
