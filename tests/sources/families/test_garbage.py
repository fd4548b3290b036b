"""Files that went wrong: whatever stands in a field, a record is rejected and the reading goes on."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polysee.schema.errors import UserError
from polysee.sources.base import Reject, SourceRecord

DATA = Path(__file__).parents[1] / "data"
GARBAGE: tuple[Any, ...] = (
    None,
    "",
    "x",
    1,
    -1,
    1.5,
    1e300,
    True,
    [],
    [[]],
    {},
    {"a": 1},
    ["a", 1, None],
    "\ud800",
    "\0",
)

FILES: dict[str, tuple[str, dict[str, str]]] = {
    "coco-captions": ("captions/captions_val2014.json", {}),
    "coco-itm": ("captions/captions_val2014.json", {}),
    "karpathy-captions": ("captions/dataset_coco.json", {}),
    "textcaps": ("captions/TextCaps_0.1_train.json", {}),
    "image-paragraphs": ("captions/paragraphs_v1.json", {"ids": "captions/train_split.json"}),
    "vqa-v2": (
        "questions/v2_mscoco_val2014_annotations.json",
        {"questions": "questions/v2_OpenEnded_mscoco_val2014_questions.json"},
    ),
    "gqa": ("questions/val_balanced_questions.json", {}),
    "a-okvqa": ("questions/aokvqa_v1p0_val.json", {}),
    "tallyqa": ("questions/tallyqa_test.json", {}),
    "fm-iqa": ("questions/FM-IQA.json", {"file_split": "val", "split": "evaluation"}),
    "vsr": ("questions/vsr_dev.jsonl", {}),
    "docvqa": ("documents/val_v1.0.json", {}),
    "infographicvqa": ("documents/infographicsVQA_val_v1.0.json", {}),
    "textvqa": ("documents/TextVQA_0.5.1_val.json", {}),
    "st-vqa": ("documents/train_task_3.json", {}),
    "ocr-vqa": ("documents/dataset.json", {}),
    "visualmrc": ("documents/visualmrc_dev.jsonl", {}),
    "dvqa": ("documents/dvqa_train_qa.json", {}),
    "chartqa": ("documents/chartqa_train_human.json", {}),
    "plotqa": ("documents/qa_pairs_V2.json", {}),
    "tabmwp": ("documents/problems_dev1k.json", {}),
    "scienceqa": ("knowledge/problems.json", {}),
    "viquae": ("knowledge/viquae_test.jsonl", {"split": "evaluation"}),
    "clevr": ("reasoning/CLEVR_val_questions.json", {}),
    "nlvr": ("reasoning/nlvr_train.json", {}),
    "nlvr2": ("reasoning/nlvr2_train.json", {}),
    "vcr": ("reasoning/vcr_val.jsonl", {}),
    "winoground": ("reasoning/winoground_examples.jsonl", {"split": "evaluation"}),
    "coco-instances": ("classification/instances_val2017.json", {}),
    "coco-text": ("classification/COCO_Text.json", {}),
    "snli-ve": ("classification/snli_ve_dev.jsonl", {}),
    "vist": ("generation/val.story-in-sequence.json", {}),
    "visdial": ("generation/visdial_1.0_test.json", {}),
    "msr-vtt": ("video/train_val_videodatainfo.json", {"split": "evaluation"}),
    "video-qa": ("video/val_qa.json", {"split": "evaluation"}),
    "activitynet-qa": ("video/val_a.json", {"questions": "video/val_q.json", "split": "evaluation"}),
    "something-something": ("video/something_validation.json", {"split": "evaluation"}),
    "conversations": ("conversations/llava_video.json", {}),
}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every field and element below a value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in steps:
        yield (*path, step)
        yield from _places(below, (*path, step))


def _with(value: Any, path: tuple[Any, ...], put: object) -> Any:
    changed = copy.deepcopy(value)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = put
    return changed


def _load(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _spoilt(path: Path) -> Iterator[tuple[tuple[Any, ...], str]]:
    """The file's text with one value at a time replaced, each place by a few kinds of garbage in turn."""
    value = _load(path)
    by_line = path.suffix == ".jsonl"
    for number, place in enumerate(_places(value)):
        for put in GARBAGE[number % 3 :: 3]:
            bad = _with(value, place, put)
            yield place, "\n".join(json.dumps(one) for one in bad) if by_line else json.dumps(bad)


def _read(source: Any) -> list[SourceRecord | Reject] | UserError:
    """What it reads, or why it cannot: what a whole file needs may be broken, such as its list of questions."""
    try:
        found = [one for shard in source.shards() for one in source.read(shard)]
        source.fingerprint_inputs()
    except UserError as error:
        return error
    return found


@pytest.mark.parametrize("use", sorted(FILES))
def test_no_value_stops_an_adapter(make: Callable[..., Any], tmp_path: Path, use: str) -> None:
    name, params = FILES[use]
    path = tmp_path / Path(name).name  # some adapters read the split out of it
    for place, text in _spoilt(DATA / name):
        path.write_text(text, encoding="utf-8")
        found = _read(make(use, str(path), ["a.png"], image_name="a.png", **params))
        if isinstance(found, UserError):
            assert found.fix, place
        else:
            assert all(isinstance(one, Reject | SourceRecord) for one in found), place


@pytest.mark.parametrize("use", sorted(FILES))
def test_torn_marked_and_windows_files(make: Callable[..., Any], tmp_path: Path, use: str) -> None:
    name, params = FILES[use]
    whole = (DATA / name).read_bytes()
    path = tmp_path / Path(name).name

    def read(data: bytes) -> list[SourceRecord | Reject] | UserError:
        path.write_bytes(data)
        return _read(make(use, str(path), **params))

    windows = b"\xef\xbb\xbf" + whole.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert read(windows) == read(whole)
    half = len(whole) // 2
    for spoilt in (whole[: len(whole) * 2 // 3], whole[:half] + b"\xff" + whole[half:]):
        found = read(spoilt)
        if isinstance(found, UserError):
            assert "whole JSON" in found.cause
        else:
            assert any(isinstance(one, Reject) for one in found)
