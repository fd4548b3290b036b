"""Sample → format → sample, for samples of any shape and script."""

from __future__ import annotations

import json
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from export_run import picture, ref, shapes, video
from polysee.schema.sample import Origin, Sample, Turn, make_sample
from polysee.sources.readback import open_export
from polysee.store import exports
from polysee.store.exports.base import Item, Plan, Unfit
from polysee.store.exports.compare import FIELDS, Comparison, Unreadable
from polysee.store.exports.filenames import split_names

WHOLE = ("parquet", "webdataset")
TALKS = ("llava", "sharegpt")
KEPT = ("task", "language", "media", "boxes", "spans", "instruction", "turns", "split", "licence")
"""What every format keeps of a sample that it can hold, if its texts have no white space at their ends."""

BLOBS = [picture(1), picture(2, "JPEG"), picture(3, "WEBP"), video()]
LETTERS = "aZ9 .,?!\"'\\{}<>|\n\tآبتثةًاशि้ก่猫狗、ይህмиёé\u200d😀\u0000"

words = st.text(st.sampled_from(LETTERS), max_size=12)
tidy = words.map(lambda text: unicodedata.normalize("NFC", text).strip(" \n\t\x1f"))
full = tidy.filter(bool)


@contextmanager
def round_trip(name: str, samples: Sequence[Sample], **more: Any) -> Iterator[tuple[list[Sample | Unreadable], Path]]:
    """What comes back of the samples, which are of one split after the other."""
    splits = list(dict.fromkeys(sample.split for sample in samples))
    kind = exports.get(name)
    data = {ref(blob, "video" if blob is BLOBS[3] else "image").sha256: blob for blob in BLOBS}
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(Path(folder), split_names(splits), pa.schema([]), videos=True, **more)
        writer = kind(plan)
        for split in splits:
            writer.start(split)
            for sample in samples:
                if sample.split == split:
                    writer.add(Item(sample, tuple(data[one.sha256] for one in sample.media)))
        written = writer.finish()
        assert [file.split for file in written] == sorted((f.split for f in written), key=splits.index)
        read = open_export(kind.source, kind.source_params, Path(folder))
        found = []
        for file in written:
            there = list(read(file.name))
            assert len(there) == file.samples
            found += there
        yield found, Path(folder)


@st.composite
def any_sample(draw: st.DrawFn, text: st.SearchStrategy[str] = words) -> Sample:
    media = []
    for blob in draw(st.lists(st.sampled_from(BLOBS), max_size=3)):
        if blob is BLOBS[3]:
            media.append(ref(blob, "video", span=draw(st.sampled_from([None, None, (0.1, 1 / 3)]))))
        else:
            box = draw(st.sampled_from([None, None, None, (0.1, 1e-9, 7.0, 5.5)]))
            media.append(ref(blob, draw(st.sampled_from(["image", "page"])), box=box))
    turns = [Turn(draw(text), draw(text)) for _ in range(draw(st.integers(1, 3)))]
    marks = draw(st.sampled_from(["none", "none", "all", "wild"]))
    if marks == "all":
        at = draw(st.integers(0, len(turns) - 1))
        said = f"{draw(full)} " + " و ".join(["<image>"] * len(media))
        turns[at] = Turn(said.strip(), turns[at].output)
    elif marks == "wild":
        turns[-1] = Turn(draw(st.sampled_from(["<image>", "<video> x", "a <image>\n<image>"])), turns[-1].output)
    origins = [Origin(draw(words), draw(words), draw(tidy)) for _ in range(draw(st.integers(1, 2)))]
    made = make_sample(
        task=draw(full),
        language=draw(st.sampled_from(["ar", "zh-Hant", "no", "th", "hi", "ja", "am", "pt-BR"])),
        turns=tuple(turns),
        origin=origins[0],
        media=tuple(media),
        instruction=draw(text),
        options=draw(st.sampled_from([(), (turns[0].output, "x")])),
        split=draw(st.sampled_from(["train", "Train", "con", "دفعة/١"])),
        tags=tuple(draw(st.lists(words, max_size=2))),
        references=tuple(draw(st.lists(words, max_size=3))),
    )
    return replace(made, origins=tuple(origins))


def fits(name: str, sample: Sample) -> bool:
    try:
        exports.get(name).check(sample)
    except Unfit:
        return False
    return True


def by_split(samples: Sequence[Sample]) -> list[Sample]:
    splits = list(dict.fromkeys(sample.split for sample in samples))
    return sorted({sample.id: sample for sample in samples}.values(), key=lambda sample: splits.index(sample.split))


quick = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", WHOLE)
@quick
@given(samples=st.lists(any_sample(), min_size=1, max_size=5))
def test_whole_formats_keep_every_field(name: str, samples: list[Sample]) -> None:
    samples = by_split(samples)
    with round_trip(name, samples) as (found, _):
        for sample, again in zip(samples, found, strict=True):
            assert isinstance(again, Sample), again
            assert again.id == sample.id
            assert {field: get(again) for field, get in FIELDS.items()} == {f: g(sample) for f, g in FIELDS.items()}


@pytest.mark.parametrize("name", [*TALKS, "m3it"])
@quick
@given(samples=st.lists(any_sample(tidy), min_size=3, max_size=8))
def test_lossy_formats_keep_what_they_have_a_place_for(name: str, samples: list[Sample]) -> None:
    samples = [sample for sample in by_split(samples) if fits(name, sample)]
    assume(samples)
    leading = "<image>"
    with round_trip(name, samples) as (found, _):
        for sample, again in zip(samples, found, strict=True):
            assert isinstance(again, Sample), again
            if sample.instruction == "" and sample.turns[0].input.lstrip().startswith(leading):
                continue  # marks before all text are what no marks mean, and the sources leave them out
            if name == "m3it" and sample.turns[0].input.lstrip().startswith(leading):
                continue
            for field in KEPT:
                assert FIELDS[field](again) == FIELDS[field](sample), field


@pytest.mark.parametrize("name", [*TALKS, "m3it"])
@quick
@given(samples=st.lists(any_sample(), min_size=3, max_size=8))
def test_what_is_written_can_be_read(name: str, samples: list[Sample]) -> None:
    samples = [sample for sample in by_split(samples) if fits(name, sample)]
    assume(samples)
    with round_trip(name, samples) as (found, _):
        assert [one for one in found if isinstance(one, Unreadable)] == []
        assert [one.media for one in found if isinstance(one, Sample) and any(m.box for m in one.media)] == []


@pytest.mark.parametrize(
    ("name", "unfit"),
    [
        ("parquet", []),
        ("webdataset", []),
        ("llava", ["ja", "ur", "he"]),
        ("sharegpt", ["ja", "ur"]),
        ("m3it", ["en", "ja", "am", "ur", "he", "nb", "pt-BR"]),
    ],
)
def test_each_shape(name: str, unfit: list[str]) -> None:
    samples, _ = shapes()
    assert [sample.language for sample in samples if not fits(name, sample)] == unfit
    good = by_split([sample for sample in samples if fits(name, sample)])
    with round_trip(name, good) as (found, _):
        comparison = Comparison()
        for sample, again in zip(good, found, strict=True):
            comparison.add(sample, again)
        fields = dict.fromkeys(("kind of media", "options", "tags", "references"), 1)
        lost = {} if name in WHOLE else {**fields, "origins": len(good)}
        assert (comparison.lost, dict(comparison.unreadable)) == (lost, {})


def test_shards_are_closed_by_size() -> None:
    samples = [
        make_sample(
            task="t", language="en", turns=(Turn(str(n), "y"),), origin=Origin("s", "k", ""), media=(ref(BLOBS[0]),)
        )
        for n in range(9)
    ]
    for name, pattern in (("parquet", "data/*.parquet"), ("webdataset", "data/*.tar"), ("m3it", "*.jsonl")):
        with round_trip(name, samples, shard_bytes=900) as (found, folder):
            assert len(list(folder.glob(pattern))) >= 3
            assert found == [replace(one, origins=found[n].origins) for n, one in enumerate(found)]  # type: ignore[union-attr]
            assert [one.turns for one in found if isinstance(one, Sample)] == [s.turns for s in samples]


def test_conversations_as_trainers_read_them() -> None:
    samples, _ = shapes()
    talk = {sample.language: sample for sample in samples}
    with round_trip("llava", [talk["hi"], talk["en"], talk["am"]]) as (_, folder):
        hindi, english, amharic = json.loads((folder / "train.json").read_text(encoding="utf-8"))
    assert hindi["conversations"][0] == {"from": "human", "value": "<image>\nइस चित्र में क्या है?"}
    assert hindi["image"].endswith(".jpg")
    assert hindi["image"].startswith("images/")
    assert len(english["image"]) == 2
    assert [said["from"] for said in english["conversations"]] == ["human", "gpt"] * 2
    assert amharic["video"].startswith("videos/")
    with round_trip("sharegpt", [talk["he"]]) as (_, folder):
        (line,) = (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    hebrew = json.loads(line)
    assert hebrew["messages"][0] == {"role": "user", "content": "ענה\nמה <video> ומה <image>?"}
    assert (len(hebrew["images"]), len(hebrew["videos"])) == (1, 1)


def test_a_picture_is_a_file_once() -> None:
    samples, _ = shapes()
    with round_trip("sharegpt", [s for s in by_split(samples) if fits("sharegpt", s)]) as (_, folder):
        names = [path.name for path in folder.rglob("*") if path.is_file() and path.suffix in (".png", ".jpg", ".webp")]
        assert len(names) == len(set(names)) == 3
