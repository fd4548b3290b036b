"""What people really hand over: a table of bad files, records and recipes, each through the real pipeline.

A bad record is set apart with its reason and its neighbours are untouched; an odd but sound picture comes through
right; a mistake of the user ends with exit code 2 and one error with one hint. `bad_inputs` makes the input.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

import polysee
from bad_inputs import (
    BOMB,
    GOOD,
    KEPT,
    QUARTERS,
    SPYING,
    Make,
    changed,
    clips,
    cut_array,
    empty_runs,
    encoded,
    file_in_the_way,
    flat,
    garbage_table,
    grey_16_bits,
    huge,
    image,
    large_gif,
    line,
    linked,
    llava,
    locked,
    long_answer,
    m3it,
    only_files,
    options,
    pipe,
    png_header,
    quarters,
    recipe,
    record,
    say,
    sharegpt,
    stamps,
    too_many_rejects,
    video,
    wrong_checksum,
)
from polysee import sources
from polysee.cli.main import main
from polysee.engines.build import build_steps
from polysee.engines.local import run_steps
from polysee.media.decode import decode
from polysee.models.tiles import TilePolicy
from polysee.recipe.load import load_recipe
from polysee.schema.arrow import from_table
from polysee.store.run import RunStore


def run_here(folder: Path) -> RunStore:
    """The recipe of ``folder``, in this process."""
    recipe = load_recipe("recipe.yaml")
    with RunStore(folder / "runs" / "run") as store:
        run_steps(build_steps(recipe), store, workers=0)
    return RunStore.open_read_only(folder / "runs" / "run")


def check_neighbours(store: RunStore, rejected: int) -> None:
    """The good records are all there, in their order, and every record is accounted for."""
    samples = [one for one in from_table(store.samples()) if one.origin.key != "bad"]
    assert {one.language: one.turns[0].output for one in samples} == KEPT
    assert len(samples) == len(KEPT)
    for sample in samples:
        data = store.read_media(sample.media[0].sha256)
        if sample.media[0].kind == "image":
            assert decode(data).size == (16, 12)
    for step in ("set", "size", "large"):
        rows = [row for row in store.funnel() if row.step == step]
        dropped = sum(n for row in rows for _, n in row.dropped)
        assert (sum(row.out for row in rows), dropped) == (store.count(), rejected if step == "set" else 0)


@dataclass(frozen=True)
class Rejected:
    """One record is in the rejects, with this reason and key."""

    reason: str
    key: str = "bad"

    def check(self, folder: Path) -> None:
        store = run_here(folder)
        found = [(row["step"], row["source"], row["key"], row["reason"]) for row in store.rejects().to_pylist()]
        assert found == [("set", "set", self.key, self.reason)]
        assert [dict(row.dropped) for row in store.funnel() if row.dropped] == [{self.reason: 1}]
        check_neighbours(store, rejected=1)


@dataclass(frozen=True)
class Clean:
    """Nothing is rejected."""

    def check(self, folder: Path) -> None:
        store = run_here(folder)
        assert store.rejects().num_rows == 0
        check_neighbours(store, rejected=0)


@dataclass(frozen=True)
class Right:
    """The picture of the record ``bad`` is stored with its displayed size and shows these four colours."""

    colours: Sequence[tuple[int, int, int]] = QUARTERS
    size: tuple[int, int] = (40, 24)
    frames: int = 1

    def check(self, folder: Path) -> None:
        store = run_here(folder)
        assert store.rejects().num_rows == 0
        check_neighbours(store, rejected=0)
        (sample,) = from_table(store.samples(where="language = 'sw'"))
        (ref,) = sample.media
        assert (ref.width, ref.height, ref.frames) == (*self.size, self.frames)
        data = store.read_media(ref.sha256)
        assert data == (folder / "images" / "bad.bin").read_bytes()
        shown = decode(data)
        (tile,) = TilePolicy(32, 1).cut(ref, data)
        assert shown.size == self.size
        for picture in (shown, Image.fromarray(tile)):
            for number, wanted in enumerate(self.colours):
                at = ((1 + 2 * (number % 2)) * picture.width // 4, (1 + 2 * (number // 2)) * picture.height // 4)
                found = picture.getpixel(at)
                assert isinstance(found, tuple)
                assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 8, (at, found, wanted)


CANNOT_MOUNT = 77


def _here(words: Sequence[str]) -> tuple[object, str, str]:
    """The command line in this process: exit code, output, errors."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(words)
    return end.value.code, out.getvalue(), err.getvalue()


def _apart(folder: Path, words: Sequence[str], before: Sequence[str]) -> tuple[object, str, str]:
    """The same in a process of its own, started by the command ``before``."""
    done = subprocess.run(
        [*before, sys.executable, "-m", "polysee.cli.main", *words],
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(polysee.__file__).parents[1])},
        timeout=120,
    )
    if before and before[0] == "unshare" and done.stderr.startswith("unshare: "):
        return CANNOT_MOUNT, done.stdout, done.stderr
    return done.returncode, done.stdout, done.stderr


@dataclass(frozen=True)
class Refused:
    """`polysee run` ends with 2, one error and one hint. ``words``: in that order in the message."""

    words: tuple[str, ...]
    recipe: str = "recipe.yaml"
    more: tuple[str, ...] = ()
    apart: bool = False
    before: tuple[str, ...] = ()

    def check(self, folder: Path) -> None:
        words = ["run", self.recipe, "--workdir", "runs", "--workers", "1", *self.more]
        code, out, err = _apart(folder, words, self.before) if self.apart or self.before else _here(words)
        if code == CANNOT_MOUNT:
            pytest.skip(f"a small disk cannot be mounted here: {err.strip()}")
        assert code == 2, err
        assert out == ""
        assert "Traceback" not in err
        assert "WARN" not in err, "Lance speaks to the user"
        assert (err.count("error: "), err.count("\nhint: ")) == (1, 1), err
        message = err[err.index("error: ") :]
        at = 0
        for word in self.words:
            assert word in message[at:], message
            at = message.index(word, at) + len(word)


def mounted(how: str) -> tuple[str, ...]:
    """Runs what follows with a file system of its own on ``runs``, which goes away with it."""
    script = f'mount -t tmpfs -o {how} none runs || exit {CANNOT_MOUNT}; exec "$@"'
    return ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")


@dataclass(frozen=True)
class Case:
    name: str
    make: Make
    outcome: Rejected | Clean | Right | Refused


def grey(*values: int) -> tuple[tuple[int, int, int], ...]:
    return tuple((value, value, value) for value in values)


ROTATED = Image.Exif()
ROTATED[0x0112] = 6
JPEG = encoded(Image.effect_noise((64, 64), 80), "JPEG", quality=95)

CASES = [
    # Files that are no pictures, or not all of one
    Case("truncated JPEG", image(JPEG[: len(JPEG) // 2]), Rejected("truncated-image")),
    Case("PNG of 60,000 x 60,000", image(png_header(60_000, 60_000)), Rejected("too-many-pixels")),
    Case("GIF of 65,000 x 65,000", image(large_gif()), Rejected("too-many-pixels")),
    Case("PNG without pixels", image(png_header(50, 50)), Rejected("truncated-image")),
    Case("zero bytes", image(b""), Rejected("zero-byte-file")),
    Case("text as image", image("<html>غير موجود</html>".encode()), Rejected("not-an-image")),
    Case("SVG as image", image(SPYING.encode()), Rejected("unknown-format")),
    Case("video as image", image(video()), Rejected("unknown-format")),
    Case("wrong PNG checksum", image(wrong_checksum()), Rejected("corrupt-image")),
    Case("floating-point TIFF", image(encoded(Image.new("F", (9, 9)), "TIFF")), Rejected("unsupported-mode")),
    Case("more bytes than the cap", llava(huge), Rejected("too-many-bytes")),
    # Paths
    Case("missing image", line(record(image="nowhere.png")), Rejected("missing-image")),
    Case("path out of the folder", line(record(image="../recipe.yaml")), Rejected("path-escape")),
    Case("absolute path", line(record(image="/etc/passwd")), Rejected("path-escape")),
    Case("link out of the folder", llava(linked), Rejected("path-escape")),
    Case("named pipe", llava(pipe), Rejected("unreadable-image")),
    Case("folder as image", line(record(image=".")), Rejected("unreadable-image")),
    Case("address as image", line(record(image="https://example.org/a.png")), Rejected("remote-image")),
    Case("NUL in a path", line(record(image="a\0.png")), Rejected("bad-path")),
    # Lines and records
    Case("invalid UTF-8", line(b'{"id": "bad", "x": "\xd9"}'), Rejected("invalid-utf8", "data.jsonl:2")),
    Case("broken JSON", line(b'{"id": "bad", "conversations": ['), Rejected("bad-json", "data.jsonl:2")),
    Case("JSON too deep", line(b"[" * 100_000), Rejected("bad-json", "data.jsonl:2")),
    Case("array cut short", cut_array, Rejected("bad-json", "data.json:1")),
    Case("not an object", line(["bad"]), Rejected("not-an-object", "data.jsonl:2")),
    Case("byte order mark", llava(head=b"\xef\xbb\xbf"), Clean()),
    Case("id twice", line(record(id="ar")), Rejected("duplicate-id", "data.jsonl:2")),
    Case("id that is no id", line(record(id=["bad"])), Rejected("bad-id", "data.jsonl:2")),
    Case("unknown language", line(record(lang="klingon!")), Rejected("unknown-language")),
    Case("empty answer", line(record(conversations=say("<image>\nNini?", " \n\u3000"))), Rejected("empty-answer")),
    Case("text where a list belongs", line(record(conversations="Paka")), Rejected("wrong-type")),
    Case(
        "number where text belongs", line(record(conversations=[{"from": "human", "value": 7}])), Rejected("wrong-type")
    ),
    Case(
        "half a surrogate pair",
        line(b'{"id": "bad", "conversations": [{"from": "human", "value": "\\ud83d"}]}'),
        Rejected("invalid-unicode"),
    ),
    Case(
        "more marks than images", line(record(conversations=say("<image> <image>", "Paka"))), Rejected("missing-image")
    ),
    Case("image and video in one record", line(record(video="a.mp4")), Rejected("image-and-video")),
    Case("unknown role", sharegpt(("user", "Nini?"), ("oracle", "Paka")), Rejected("unknown-role")),
    Case("assistant first", sharegpt(("assistant", "Paka"), ("user", "Nini?")), Rejected("turn-order")),
    Case("question without answer", sharegpt(("user", "Nini?")), Rejected("odd-turns")),
    Case("bad base64", m3it(["iVBORw0KGgo*"]), Rejected("bad-base64")),
    Case("base64 of nothing", m3it([""]), Rejected("zero-byte-file")),
    Case("answer that is no option", options("Paka"), Rejected("bad-option")),
    # Drawings and videos
    Case("SVG bomb", stamps(BOMB), Rejected("svg-entity-bomb", "animals/bomb")),
    Case("SVG that reads files", stamps(SPYING), Rejected("svg-external-resource", "animals/bomb")),
    Case("garbage as video", clips(b"\0" * 4096), Rejected("not-a-video")),
    Case("video cut short", clips(video()[:-600]), Rejected("no-video-stream")),
    # Sound pictures of rare kinds
    Case("CMYK", image(encoded(quarters().convert("CMYK"), "JPEG", quality=100, subsampling=0)), Right()),
    Case("16 bits", image(encoded(grey_16_bits(0, 300, 0x8000, 0xFFFF))), Right(grey(0, 1, 128, 255))),
    Case(
        "animated GIF",
        image(encoded(quarters(), "GIF", save_all=True, append_images=[flat("black", (40, 24))])),
        Right(frames=2),
    ),
    Case(
        "animated WebP",
        image(encoded(quarters(), "WEBP", save_all=True, append_images=[flat("black", (40, 24))], lossless=True)),
        Right(frames=2),
    ),
    Case(
        "rotated by EXIF",
        image(
            encoded(quarters().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=ROTATED, quality=100, subsampling=0)
        ),
        Right(),
    ),
    Case("palette with a clear colour", image(encoded(quarters().quantize(4), transparency=0)), Right()),
    Case("one bit", image(encoded(quarters((0, 1, 1, 0), "1"))), Right(grey(0, 255, 255, 0))),
    Case(
        "half clear",
        image(encoded(quarters([(*colour, 128) for colour in QUARTERS], "RGBA"))),
        Right([(255, 127, 127), (127, 255, 127), (127, 127, 255), (255, 255, 255)]),
    ),
    Case("long and thin", image(encoded(quarters(size=(4000, 4)))), Right(size=(4000, 4))),
    # Recipes
    Case(
        "misspelt key",
        changed("tolerance:", "tolerence:"),
        Refused(("recipe.yaml:3:1: ", "tolerence", "unknown key", "did you mean `tolerance`")),
    ),
    Case("wrong type", changed("tolerance: 1.0", "tolerance: all"), Refused(("recipe.yaml:3:12: ", "tolerance"))),
    Case(
        "tab",
        changed("tolerance: 1.0", "tolerance: 1.0\nmix:\n\ttemperature: 2.0"),
        Refused(("recipe.yaml:5:1: ", "tab")),
    ),
    Case(
        "key twice",
        changed("tolerance: 1.0", "tolerance: 1.0\ntolerance: 0.5"),
        Refused(("recipe.yaml:4:1: ", "tolerance", "the first is in line 3")),
    ),
    Case(
        "unknown source",
        changed("use: llava", "use: lava"),
        Refused(("recipe.yaml:5:", "no source is called 'lava'", "'llava'")),
    ),
    Case("bad SQL", changed("min_side IS NULL OR", "min_side IS NULL XOR NOT"), Refused(("recipe.yaml:9:", "SQL"))),
    Case(
        "unknown column",
        changed("min_side >= 1", "min_sides >= 1"),
        Refused(("recipe.yaml:9:", "no column `min_sides`", "`min_side`")),
    ),
    Case(
        "code in YAML",
        changed("tolerance: 1.0", "tolerance: !!python/object/apply:os.getcwd []"),
        Refused(("recipe.yaml:3:12: ", "tag")),
    ),
    Case(
        "recipe that is not UTF-8",
        recipe(GOOD.encode() + b"# \xe9t\xe9\n"),
        Refused(("recipe.yaml:10:3: ", "not UTF-8")),
    ),
    Case("no recipe", llava(), Refused(("other.yaml: there is no such file",), recipe="other.yaml")),
    Case("folder as recipe", llava(), Refused(("images: this is a directory",), recipe="images")),
    Case("unknown --set", llava(), Refused(("--set", "tolerence"), more=("--set", "tolerence=0.5"))),
    # Datasets as a whole
    Case(
        "no dataset",
        changed("data.jsonl", "nowhere.jsonl"),
        Refused(("nowhere.jsonl: there is no such file or folder", "set `path`")),
    ),
    Case(
        "folder without data",
        only_files(notes_txt=lambda path: path.write_text("x")),
        Refused(("data: no .json or .jsonl file",)),
    ),
    Case("folder called like a file", only_files(old_json=Path.mkdir), Refused(("data: no .json or .jsonl file",))),
    Case(
        "link to nowhere",
        only_files(a_json=lambda path: path.symlink_to("gone.json")),
        Refused(("data/a.json: this is no file that can be read",)),
    ),
    Case("pipe as dataset", only_files(a_json=os.mkfifo), Refused(("data/a.json: this is no file that can be read",))),
    Case(
        "unreadable dataset",
        only_files(a_json=lambda path: path.symlink_to("/proc/self/mem")),
        Refused(("data/a.json: cannot be read: ",)),
    ),
    Case("garbage as table", garbage_table, Refused(("data.parquet", "the table cannot be", "hint: "))),
    Case(
        "no image folder",
        changed("images: images", "images: pictures"),
        Refused(("pictures: there is no such image folder",)),
    ),
    Case(
        "tolerance exceeded",
        too_many_rejects,
        Refused(("1 of 4 records cannot be used", "20.00%", "zero-byte-file 1", "rejects.lance"), apart=True),
    ),
    Case(
        "sample over the pack budget",
        long_answer,
        Refused(("1 sample fits no pack of the stage 'one'", "over the 64", "max_tokens")),
    ),
    # Where runs go
    Case("file in the way", file_in_the_way, Refused(("runs/run: cannot write here",))),
    Case(
        "read-only disk",
        empty_runs,
        Refused(("runs/run: cannot write here (read-only file system)",), before=mounted("ro")),
    ),
    Case("disk full at the start", empty_runs, Refused(("the disk is full",), before=mounted("size=4k"))),
    Case("disk full on the way", empty_runs, Refused(("the disk is full",), before=mounted("size=40k"))),
    Case(
        "run that another process has",
        locked,
        Refused((f"another polysee process (pid {os.getpid()})", f"kill {os.getpid()}"), apart=True),
    ),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name.replace(" ", "-")) for case in CASES])
def test_bad_input(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sources._registry._builtin, "clips", "bad_inputs:Clips")
    monkeypatch.chdir(tmp_path)
    with case.make(tmp_path) or nullcontext():
        case.outcome.check(tmp_path)
