"""The records of a small microworld: what each split may hold, and what it must not."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from polysee.media.frames import video_info
from polysee.media.tiling import tile_count
from polysee.recipe.load import load_recipe
from polysee.recipe.problems import RecipeError
from polysee.schema.errors import UserError
from polysee.schema.sample import Origin, make_sample
from polysee.sources.base import SourceRecord
from polysee.sources.microworld.concepts import CONCEPTS
from polysee.sources.microworld.layouts import FOUR_WAY, TASKS
from polysee.sources.microworld.source import BLOCK, Microworld, MicroworldParams
from polysee.sources.microworld.words import Words, words

VISION, TEXT, NONE = ("en", "ar", "zh", "ko"), ("fr", "fa"), ("ur", "bg")
PAIRS = {("counting", "ar"), ("absent", "ko"), ("video", "zh")}
HELD_OUT = {c.emoji for c in CONCEPTS if c.held_out}
TREE: dict[str, Any] = {
    "languages": {"vision": VISION, "text": TEXT, "none": NONE},
    "scenes": {**dict.fromkeys(TASKS, 6), "naming": 2 * BLOCK + 1, "video": 4},
    "languages_per_scene": 2,
    "text_scenes": 5,
    "held_out_pairs": ["counting:ar", "absent:ko", "video:zh"],
    "evaluation": {"development": 3, "scenes": 5, "abilities": 3, "concepts": 5, "pairs": 3, "languages": 4},
    "side": 64,
}
SPLITS = ("train", "development", "scenes", "concepts", "pairs", "languages", "abilities")


def source(seed: int = 7, **changes: Any) -> Microworld:
    return Microworld(MicroworldParams.model_validate({**TREE, **changes}), seed=seed)


def read(made: Microworld, shard: str) -> list[SourceRecord]:
    records = list(made.read(shard))
    assert all(isinstance(record, SourceRecord) for record in records)
    return records  # type: ignore[return-value]


@pytest.fixture(scope="module")
def records() -> tuple[SourceRecord, ...]:
    made = source()
    return tuple(record for shard in made.shards() for record in read(made, shard))


def of(records: tuple[SourceRecord, ...], split: str) -> list[SourceRecord]:
    return [record for record in records if record.split == split]


def hashes(record: SourceRecord) -> tuple[str, ...]:
    return tuple(hashlib.sha256(blob.data).hexdigest() for blob in record.media)


def group(record: SourceRecord) -> str:
    (found,) = (tag for tag in record.tags if tag.startswith("group:"))
    return found


def test_shards_cover_every_scene_once(records: tuple[SourceRecord, ...]) -> None:
    shards = source().shards()
    assert len(set(shards)) == len(shards)
    assert [s for s in shards if s.startswith("train/naming/")] == [
        "train/naming/0/250",
        "train/naming/250/500",
        "train/naming/500/501",
    ]
    keys = [record.key for record in records]
    assert len(set(keys)) == len(keys)
    scenes = defaultdict(set)
    for record in records:
        split, task, index, language = record.key.split("/")
        assert (split, task, language) == (record.split, record.task, record.language)
        scenes[split, task].add(int(index))
    for task in TASKS:
        assert scenes["train", task] == set(range(TREE["scenes"][task]))
        assert len(scenes["scenes", task]) == (5 if task in FOUR_WAY else 0)
        assert len(scenes["abilities", task]) == (0 if task in FOUR_WAY else 3)
    for task in ("counting_text", "position_text", "absent_text"):
        assert scenes["train", task] == set(range(5))
        assert scenes["abilities", task] == set(range(3))
    for split, count in (("development", 3), ("languages", 4)):
        assert {task: len(found) for (s, task), found in scenes.items() if s == split} == dict.fromkeys(FOUR_WAY, count)
    assert {task for s, task in scenes if s == "concepts"} == {"naming", "colour", "position"}
    assert {split for (split, _), found in scenes.items() if found} == set(SPLITS)


def test_a_count_of_zero_leaves_a_split_out() -> None:
    counts: Any = dict.fromkeys(("development", "scenes", "abilities", "concepts", "pairs", "languages"), 0)
    found = source(scenes={"colour": 3}, text_scenes=0, evaluation=counts).shards()
    assert found == ["train/colour/0/3"]


def test_reading_is_deterministic_and_no_shard_depends_on_another(records: tuple[SourceRecord, ...]) -> None:
    by_key = {record.key: record for record in records}
    made = source()
    for shard in reversed([s for s in made.shards() if not s.startswith("train/naming/")]):
        for record in read(made, shard):
            assert record == by_key[record.key]
    assert [r.key for r in read(source(), "train/naming/249/251")] == [
        k for k in by_key if k.startswith(("train/naming/249/", "train/naming/250/"))
    ]


def test_another_seed_gives_other_scenes(records: tuple[SourceRecord, ...]) -> None:
    mine = {h for record in records for h in hashes(record)}
    other = read(source(seed=8), "scenes/colour/0/5")
    assert other
    assert not mine & {h for record in other for h in hashes(record)}


def test_splits_share_no_picture(records: tuple[SourceRecord, ...]) -> None:
    seen = {split: {h for record in of(records, split) for h in hashes(record)} for split in SPLITS}
    assert all(seen.values())
    for split in SPLITS:
        for other in SPLITS[SPLITS.index(split) + 1 :]:
            assert not seen[split] & seen[other], (split, other)


def test_held_out_pairs_are_in_their_split_alone(records: tuple[SourceRecord, ...]) -> None:
    for split in SPLITS:
        found = {(record.task, record.language) for record in of(records, split)}
        assert found & PAIRS == (PAIRS if split == "pairs" else set()), split
    assert {(r.task, r.language) for r in of(records, "pairs")} == PAIRS
    # The rest of what the two have is there.
    assert {("counting", "en"), ("naming", "ar")} <= {(r.task, r.language) for r in of(records, "train")}


def test_which_languages_have_pictures_in_training(records: tuple[SourceRecord, ...]) -> None:
    seen = {r.language for r in of(records, "train") if r.media}
    read_alone = {r.language for r in of(records, "train") if not r.media}
    assert seen == set(VISION)
    assert read_alone == {*VISION, *TEXT}
    assert {r.language for r in of(records, "languages")} == {*TEXT, *NONE}
    assert all(r.media for r in of(records, "languages"))
    for record in records:
        assert bool(record.media) != record.task.endswith("_text")


def test_each_scene_is_worded_in_so_many_languages_and_all_as_often(records: tuple[SourceRecord, ...]) -> None:
    named = [r for r in of(records, "train") if r.task == "naming"]
    assert set(Counter(map(group, named)).values()) == {2}
    often = Counter(r.language for r in named)
    assert max(often.values()) - min(often.values()) <= 1


def test_held_out_concepts_are_shown_in_their_split_alone(records: tuple[SourceRecord, ...]) -> None:
    for record in records:
        shown = {tag.removeprefix("concept:") for tag in record.tags if tag.startswith("concept:")}
        assert shown or record.task == "reading"
        assert bool(shown & HELD_OUT) == (record.split == "concepts")
        if record.split == "concepts":
            assert shown <= HELD_OUT
        else:
            names = {words(record.language).names[c.index] for c in CONCEPTS if c.held_out}
            said = {text for turn in record.turns for text in (*turn.input.splitlines(), turn.output)}
            assert not names & {*said, *record.options}


def inverse(spoken_words: Words, task: str) -> dict[str, object]:
    """Text of an answer -> what it stands for, in any language."""
    tables: dict[str, Any] = {
        "naming": spoken_words.names,
        "counting": spoken_words.numbers,
        "colour": spoken_words.squares,
        "position": spoken_words.places,
        "multi_image": spoken_words.pictures,
        "video": spoken_words.directions,
        "needle": spoken_words.places,
        "absent": {True: spoken_words.yes, False: spoken_words.no},
        "matching": {
            (a, b): spoken_words.listing([name, other])
            for a, name in spoken_words.names.items()
            for b, other in spoken_words.names.items()
        },
    }
    return {text: code for code, text in tables[task.removesuffix("_text")].items()}


def test_parallel_groups_share_picture_options_and_answer(records: tuple[SourceRecord, ...]) -> None:
    groups = defaultdict(list)
    for record in records:
        if record.split != "train" and record.task not in ("reading", "caption", "grounding"):
            groups[group(record)].append(record)
    tables: dict[tuple[str, str], dict[str, object]] = {}
    for members in groups.values():
        assert len({r.language for r in members}) == len(members)
        meanings = set()
        for record in members:
            known = tables.setdefault((record.language, record.task), inverse(words(record.language), record.task))
            coded = tuple(known[text] for text in record.options)
            meanings.add((hashes(record), coded, known[record.turns[0].output]))
        assert len(meanings) == 1
    assert max(map(len, groups.values())) == 6
    assert {len(r.options) for found in groups.values() for r in found} == {2, 4}


def test_options_hold_the_answer_and_training_has_none(records: tuple[SourceRecord, ...]) -> None:
    for record in records:
        assert len(set(record.options)) == len(record.options)
        if record.split == "train":
            assert record.options == ()
            assert 1 <= len(record.turns) <= 4
        else:
            assert len(record.turns) == 1
            assert bool(record.options) == (record.task not in ("caption", "grounding"))
            assert not record.options or record.turns[0].output in record.options
    assert max(len(r.turns) for r in records) > 1
    one = [r for shard in ("train/colour/0/6",) for r in read(source(turns=1), shard)]
    assert {len(r.turns) for r in one} == {1}


def test_records_become_samples(records: tuple[SourceRecord, ...]) -> None:
    for r in records:
        sample = make_sample(
            task=r.task, language=r.language, turns=r.turns, options=r.options, origin=Origin("m", r.key, "OFL-1.1")
        )
        assert [t.output for t in sample.turns] == [t.output for t in r.turns]  # NFC already
        assert all(turn.output for turn in r.turns)


def test_media_by_task(records: tuple[SourceRecord, ...]) -> None:
    for record in records:
        kinds = [blob.kind for blob in record.media]
        if record.task == "video":
            assert kinds == ["video"]
            info = video_info(record.media[0].data)
            assert (info.frames, info.width, info.height) == (4, 64, 64)
        elif not record.task.endswith("_text"):
            assert kinds == ["image"] * (4 if record.task == "multi_image" else 1)
    assert sum(r.task == "video" for r in records) >= 15


def test_a_needle_is_cut_into_tiles() -> None:
    from polysee.media.decode import probe

    record = read(source(), "abilities/needle/0/1")[0]
    info = probe(record.media[0].data)
    assert (info.width, info.height) == (128, 128)
    assert tile_count(info.width, info.height, tile=64, max_tiles=4) == 5


def test_what_a_scene_tells_in_words(records: tuple[SourceRecord, ...]) -> None:
    asked = [r for r in records if r.task.endswith("_text")]
    for record in asked:
        *told, about = record.turns[0].input.split("\n")
        names = set(words(record.language).names.values())
        assert about in names
        shown = words(record.language).listing(told) if record.task == "counting_text" else "\n".join(told)
        if record.task == "counting_text":
            number = shown.split(words(record.language).separator).count(about)
            assert record.turns[0].output == words(record.language).numbers[number]
        elif record.task == "absent_text":
            there = any(line.split(": ", 1)[1] == about for line in told)
            assert record.turns[0].output == (words(record.language).yes if there else words(record.language).no)
        else:
            (line,) = (line for line in told if line.split(": ", 1)[1] == about)
            assert line.split(": ", 1)[0] == record.turns[0].output
    assert {r.task for r in asked} == {"counting_text", "position_text", "absent_text"}


def test_reading_shows_another_picture_in_each_language(records: tuple[SourceRecord, ...]) -> None:
    groups = defaultdict(list)
    for record in of(records, "abilities"):
        if record.task == "reading":
            groups[group(record)].append(record)
    for members in groups.values():
        assert {r.language for r in members} == set(VISION)
        assert len({hashes(r) for r in members}) == len(members)
        codes = {tuple(inverse(words(r.language), "naming")[o] for o in r.options) for r in members}
        assert len(codes) == 1


@pytest.mark.parametrize(
    "changes", [{}, {"languages_per_scene": 3}, {"languages_per_scene": 9}, {"held_out_pairs": [], "text_scenes": 0}]
)
def test_the_estimate_is_a_close_upper_bound(changes: dict[str, Any], records: tuple[SourceRecord, ...]) -> None:
    small = {"scenes": {"naming": 7, "counting": 5, "reading": 2}} if changes else {}
    made = source(**small, **changes)
    found = len(records) if not changes else sum(len(read(made, shard)) for shard in made.shards())
    assert found <= made.estimate() <= 1.02 * found


@pytest.mark.parametrize(("scenes", "tolerance"), [(2, 0.0), (9, 0.15)])
def test_media_are_weighed_by_their_first_scenes(scenes: int, tolerance: float) -> None:
    counts: Any = dict.fromkeys(("development", "scenes", "abilities", "concepts", "languages"), scenes)
    made = source(scenes=dict.fromkeys(TASKS, scenes), evaluation=counts, held_out_pairs=[])
    stored = {blob.data for shard in made.shards() for record in read(made, shard) for blob in record.media}
    assert abs(made.media_bytes() / sum(map(len, stored)) - 1) <= tolerance


def test_the_fingerprint_sees_the_languages() -> None:
    one = source().fingerprint_inputs()
    assert one == source().fingerprint_inputs()
    other = source(languages={"vision": [*VISION, "th"], "text": TEXT, "none": NONE}).fingerprint_inputs()
    assert set(one) < set(other)


@pytest.mark.parametrize("kind", ["vision", "text", "none"])
def test_an_unknown_language(kind: str) -> None:
    languages = {**TREE["languages"], kind: (*TREE["languages"][kind], "tlh")}
    with pytest.raises(UserError, match="no words in 'tlh'"):
        source(languages=languages).fingerprint_inputs()


RECIPE = """name: small
sources:
  - name: scenes
    use: microworld
    params:
      languages: {vision: [en, ar], text: [fr]}
      scenes: {naming: 3}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{naming: 3}", "{nameing: 3}", r"r\.yaml:7:16: .*nameing"),
        ("{naming: 3}", "{naming: -3}", r"r\.yaml:7:24: .*at least 0, got -3"),
        ("{naming: 3}", "{naming: 3}\n      held_out_pairs: [naming]", r"r\.yaml:8:23: .*'naming' is no task:language"),
        ("{naming: 3}", '{naming: 3}\n      held_out_pairs: ["nameing:ar"]', r"r\.yaml:8:23: .*'nameing:ar' is no"),
        ("{naming: 3}", '{naming: 3}\n      held_out_pairs: ["naming:zh"]', r"r\.yaml:8:23: .*'zh' is not among"),
        ("text: [fr]", "text: [fr, ar]", r"r\.yaml:6:18: .*'ar' stands in it twice"),
        ("vision: [en, ar]", "vision: []", r"r\.yaml:6:27: .*vision"),
    ],
    ids=["task", "negative", "no pair", "pair's task", "pair's language", "twice", "nothing seen"],
)
def test_mistakes_in_a_recipe_have_a_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE)
    assert load_recipe(path).name == "small"
    path.write_text(RECIPE.replace(old, new))
    with pytest.raises(RecipeError, match=message):
        load_recipe(path)
