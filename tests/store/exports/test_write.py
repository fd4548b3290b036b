"""Exports of a run: whole or not at all, byte-equal, with a card that says what is true."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from export_run import files, make_run, picture, ref, sample, shapes, write_manifest
from polysee.schema.errors import UserError
from polysee.schema.sample import Sample
from polysee.sources.readback import open_export
from polysee.store import exports
from polysee.store.exports import text as text_module
from polysee.store.exports.compare import FIELDS
from polysee.store.exports.selection import Wanted
from polysee.store.exports.write import Outcome, Request, export
from polysee.store.run import RunStore

FORMATS = ("llava", "m3it", "parquet", "sharegpt", "webdataset")


def write(run: Path, out: Path, kind: str = "parquet", **wanted: Any) -> Outcome:
    return export(RunStore.open_read_only(run), Request(kind, out, Wanted(**wanted)), open_export)


def read(kind: str, folder: Path) -> list[Sample]:
    form = exports.get(kind)
    source = open_export(form.source, form.source_params, folder)
    endings = (".json", ".jsonl", ".parquet", ".tar")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix in endings)
    found = [one for name in names for one in source(name)]
    assert all(isinstance(one, Sample) for one in found)
    return [one for one in found if isinstance(one, Sample)]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_statement_is_true(kind: str, shapes_run: Path, tmp_path: Path) -> None:
    """What it says of each field is what reading the published files shows, and a word of it stands in the card."""
    outcome = write(shapes_run, tmp_path / "out", kind, kept=False)
    made, _ = shapes()
    there = {one.id: one for one in read(kind, tmp_path / "out")}
    ids = {(s.language, s.turns[-1].output): s for s in made}
    pairs = [(ids[one.language, one.turns[-1].output], one) for one in there.values()]
    assert len(pairs) == outcome.facts.samples == len(made) - sum(outcome.left_out.values())
    differ = {name: sum(get(a) != get(b) for a, b in pairs) for name, get in FIELDS.items()}
    assert outcome.comparison.lost == {name: number for name, number in differ.items() if number}
    assert outcome.comparison.other_id == sum(a.id != b.id for a, b in pairs)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for name, number in outcome.comparison.lost.items():
        assert f"- {name}: not kept in {number} of {len(pairs)} samples" in card
    if kind in ("parquet", "webdataset"):
        assert f"every field of the {len(made)} samples was read back as it was" in card
    for reason, number in outcome.left_out.items():
        assert f"- left out: {number} ({reason})" in card
    assert ("columns that are not written: quality, keep\\_clean" in card) == (kind != "parquet")


@pytest.mark.parametrize("kind", FORMATS)
def test_two_exports_are_byte_equal(kind: str, shapes_run: Path, tmp_path: Path) -> None:
    for name in ("a", "b/deep"):
        write(shapes_run, tmp_path / name, kind)
    assert files(tmp_path / "a") == files(tmp_path / "b" / "deep")
    assert [p.name for p in tmp_path.iterdir()] == ["a", "b"] or sorted(p.name for p in tmp_path.iterdir()) == [
        "a",
        "b",
    ]


def test_choice(shapes_run: Path, tmp_path: Path) -> None:
    made, _ = shapes()
    kept, everything = write(shapes_run, tmp_path / "k"), write(shapes_run, tmp_path / "a", kept=False)
    assert (kept.facts.samples, everything.facts.samples) == (len(made) - 2, len(made))
    found = write(shapes_run, tmp_path / "l", languages=("ar", "th"))
    assert (dict(found.facts.languages), dict(found.facts.splits)) == ({"ar": 1, "th": 1}, {"train": 1, "con": 1})
    found = write(shapes_run, tmp_path / "s", splits=("scenes",), where="quality < 0.6 OR language = 'ar'")
    assert dict(found.facts.languages) == {"zh-Hant": 1}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"languages": ("sw",)}, "there is no sample to export (rows that every filter kept, language sw)"),
        ({"languages": ("x' OR 'a'='a",)}, "there is no sample"),
        ({"where": "qualty > 1"}, "qualty"),
        ({"where": "language ="}, "language ="),
    ],
)
def test_nothing_to_export(wanted: dict[str, Any], words: str, shapes_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        write(shapes_run, tmp_path / "out", **wanted)
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_no_sample_fits(shapes_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no sample fits the format m3it \\(1: it has a video\\)"):
        write(shapes_run, tmp_path / "out", "m3it", languages=("am",))
    assert list(tmp_path.iterdir()) == []


def test_only_an_export_is_replaced(shapes_run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    write(shapes_run, mine, "llava")
    assert (mine / "train.json").is_file()
    write(shapes_run, mine, "sharegpt")
    assert (mine / "train.jsonl").is_file()
    assert not (mine / "train.json").exists()
    (mine / ".polysee-export").write_text("{}")
    before = files(mine)
    for target in (mine, shapes_run, mine / "README.md"):
        with pytest.raises(UserError):
            write(shapes_run, target)
    assert files(mine) == before


def test_full_disk_leaves_nothing(shapes_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(value: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    write(shapes_run, tmp_path / "out", "sharegpt")
    before = files(tmp_path / "out")
    monkeypatch.setattr(text_module, "json_line", full)
    with pytest.raises(UserError, match="the disk is full"):
        write(shapes_run, tmp_path / "out", "sharegpt")
    assert files(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_folder_that_cannot_be_made(shapes_run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot write here"):
        write(shapes_run, tmp_path / "file" / "out")


def test_run_that_changes_meanwhile(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", *shapes())

    def change(done: int, total: int) -> None:
        assert 0 < done <= total
        write_manifest(run, (), 1, 1, mark="b")

    with pytest.raises(UserError, match="changed while"):
        export(RunStore.open_read_only(run), Request("llava", tmp_path / "out"), open_export, change)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_one_at_a_time(shapes_run: Path, tmp_path: Path) -> None:
    def again(done: int, total: int) -> None:
        if done == 1:
            with pytest.raises(UserError, match="another polysee process"):
                write(shapes_run, tmp_path / "out")

    export(RunStore.open_read_only(shapes_run), Request("m3it", tmp_path / "out"), open_export, again)
    assert (tmp_path / "out" / "README.md").is_file()


def test_killed_at_every_write_point(shapes_run: Path, tmp_path: Path) -> None:
    """An older export is there, or the new one, or (for the instant between two renames) both under other names."""
    script = Path(__file__).parent / "killed_export.py"
    done = subprocess.run(
        [sys.executable, str(script), str(shapes_run), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *killed, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert last == {"code": 0}
    assert len(killed) >= 8
    for one in killed:
        assert one["code"] == 137
        assert one["whole"][0] in ("older", "new"), one
        assert one["after"] == ["new"]
        assert one["names"] == ["out"]


def test_media_are_read_in_bounded_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from polysee.store.exports import selection
    from polysee.store.media import MediaTable

    blobs = [picture(n, "BMP") for n in range(60)]
    samples = [sample("en", (str(n), "y"), media=(ref(blob),)) for n, blob in enumerate(blobs)]
    run = make_run(tmp_path / "run", samples, blobs)
    sizes: list[int] = []
    real = MediaTable.read_many

    def spy(self: MediaTable, sha256: list[str]) -> dict[str, bytes]:
        sizes.append(len(sha256))
        return real(self, sha256)

    monkeypatch.setattr(MediaTable, "read_many", spy)
    monkeypatch.setattr(selection, "_HEAVY", 100)
    monkeypatch.setattr(selection, "_LIGHT", 50)
    write(run, tmp_path / "out", "m3it")
    assert sizes == [32, 16, 8, 4]


def test_several_origins_come_back(shapes_run: Path, tmp_path: Path) -> None:
    write(shapes_run, tmp_path / "out")
    (arabic,) = [one for one in read("parquet", tmp_path / "out") if one.language == "ar"]
    made, _ = shapes()
    assert replace(arabic, media=()) == replace(made[1], media=())
