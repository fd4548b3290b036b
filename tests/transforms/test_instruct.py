"""Instructions: which one, in which language, and what happens without a pool."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.schema.errors import UserError
from polysee.schema.sample import Origin, Sample, Turn, make_sample
from polysee.sources import catalogue
from polysee.transforms import get
from polysee.transforms.base import Failed, Made
from polysee.transforms.diversity import families
from polysee.transforms.instruct import Instruct, InstructParams, dataset_pools, load_pool, task_pools

POOLS = Path(__file__).parents[2] / "src" / "polysee" / "transforms" / "pools"
LANGUAGES = sorted(path.stem for path in POOLS.glob("*.yaml"))


def _sample(language: str = "ar", key: str = "1", **more: Any) -> Sample:
    return make_sample(
        **{
            "task": "naming",
            "language": language,
            "turns": (Turn("", f"قطة {key}"),),
            "origin": Origin("microworld", key, "OFL-1.1"),
            **more,
        }
    )


def _none(sha256: str) -> bytes:
    raise KeyError(sha256)


def _apply(samples: list[Sample], seed: int = 0, **params: Any) -> list[Made | Failed]:
    return list(Instruct(InstructParams(**params), seed=seed).apply(samples, _none))


def _made(sample: Sample, seed: int = 0, **params: Any) -> Sample:
    (made,) = _apply([sample], seed, **params)
    assert isinstance(made, Made), made
    return made.sample


def _index(sample: Sample) -> int:
    return next(int(t.split(":")[1]) for t in sample.tags if t.startswith("instruction:"))


def test_the_registry_knows_it() -> None:
    assert get("instruct") is Instruct


@pytest.mark.parametrize("language", ["ar", "zh", "th", "hi", "ja", "am", "en", "pt-BR"])
def test_a_sentence_of_the_pool_and_where_it_came_from(language: str) -> None:
    before = _sample(language, split="scenes", tags=("concept:cat",))
    after = _made(before)
    pool = load_pool(language)
    assert pool is not None
    assert after.instruction == pool.pools["naming"][_index(after)]
    assert (after.turns, after.split, after.language) == (before.turns, "scenes", language)
    assert "concept:cat" in after.tags
    assert after.id != before.id
    assert (after.origin.parent, after.origin.step) == (before.id, "instruct")
    assert (after.origin.source, after.origin.key, after.origin.licence) == ("microworld", "1", "OFL-1.1")
    assert after.origin.parameters != ""


def test_parallel_samples_get_the_same_sentence_of_their_languages() -> None:
    for number in range(20):
        tags = (f"group:scenes/naming/{number}",)
        indexes = {_index(_made(_sample(tag, f"{number}/{tag}", tags=tags))) for tag in ("ar", "en", "ja", "th", "am")}
        assert len(indexes) == 1


def test_parallel_samples_stay_together_where_pools_differ_in_size(tmp_path: Path) -> None:
    for tag, size in (("no", 9), ("sv", 4)):
        sentences = "".join(f"\n  - {tag} {n}" for n in range(size))
        _write(tmp_path, f"language: {tag}\nreviewed: true\npools:\n naming:{sentences}\n", f"{tag}.yaml")
    seen = set()
    for number in range(40):
        tags = (f"group:{number}",)
        one, other = (_index(_made(_sample(tag, tags=tags), pools=str(tmp_path))) for tag in ("no", "sv"))
        assert one == other
        seen.add(one)
    assert seen == {0, 1, 2, 3}


def test_the_choice_depends_on_the_sample_and_the_seed_alone() -> None:
    samples = [_sample(key=str(n)) for n in range(60)]
    forwards = {m.sample.turns: m.sample for m in _apply(samples) if isinstance(m, Made)}
    backwards = {m.sample.turns: m.sample for m in _apply(samples[::-1]) if isinstance(m, Made)}
    assert forwards == backwards
    other = {m.sample.turns: m.sample for m in _apply(samples, seed=1) if isinstance(m, Made)}
    assert forwards != other
    assert len(Counter(map(_index, forwards.values()))) == 10


@given(k=st.integers(1, 15), seed=st.integers(0, 1000))
def test_k_sentences_of_n(k: int, seed: int) -> None:
    used = {
        _index(m.sample) for m in _apply([_sample(key=str(n)) for n in range(80)], seed, k=k) if isinstance(m, Made)
    }
    assert len(used) <= min(k, 10)
    if k <= 3:
        assert len(used) == k


def test_an_instruction_stays_and_other_tasks_pass() -> None:
    instructed = _sample(instruction="قل ما هذا.")
    assert _made(instructed) == instructed
    assert _made(_sample(), tasks=("counting",)) == _sample()


def test_a_pool_tag_names_another_pool() -> None:
    after = _made(_sample(task="naming_text", tags=("pool:naming",)))
    pool = load_pool("ar")
    assert pool is not None
    assert after.instruction in pool.pools["naming"]


@pytest.mark.parametrize("sample", [_sample("xh"), _sample(task="unheard-of"), _sample("zh-Hant"), _sample("sr-Latn")])
def test_without_a_pool(sample: Sample) -> None:
    (failed,) = _apply([sample])
    assert isinstance(failed, Failed)
    assert failed.reason == "no-pool"
    assert sample.language in failed.detail
    assert _made(sample, missing="skip") == sample


def test_english_instead() -> None:
    after = _made(_sample("xh"), missing="english")
    pool = load_pool("en")
    assert pool is not None
    assert after.instruction in pool.pools["naming"]
    assert "instruction_language:en" in after.tags
    (failed,) = _apply([_sample("xh", task="unheard-of")], missing="english")
    assert isinstance(failed, Failed)


@pytest.mark.parametrize("language", LANGUAGES)
def test_polysees_own_pools(language: str) -> None:
    pool = load_pool(language)
    assert pool is not None
    assert pool.language == language
    assert all(len(sentences) >= 10 for sentences in pool.pools.values())
    everywhere = {name for family in ("scenes", "pages") for name in families()[family]}
    # Languages that a captioning model is asked in have prompts for captions at least.
    assert everywhere <= set(pool.pools) or "captioning" in pool.pools


def test_the_english_pools_cover_every_family() -> None:
    pool, chinese = load_pool("en"), load_pool("zh")
    assert pool is not None
    assert chinese is not None
    named = [name for family in families().values() for name in family]
    assert len(set(named)) == len(named)
    assert set(named) == {*pool.pools, *families()["chinese"]}
    assert {"captioning", "vqa", "classification", "visual_chat"} <= set(chinese.pools)


def test_a_region_has_its_own_pools_and_those_of_its_language() -> None:
    brazil, wide = load_pool("pt-BR"), load_pool("pt")
    assert brazil is not None
    assert wide is not None
    assert (brazil.language, brazil.reviewed) == ("pt-BR", False)
    assert brazil.pools["naming"] == wide.pools["naming"]
    assert not set(brazil.pools["captioning"]) & set(wide.pools["captioning"])


def test_a_larger_k_keeps_the_sentences_of_a_smaller() -> None:
    samples = [_sample(key=str(n)) for n in range(200)]
    used = [{_index(m.sample) for m in _apply(samples, k=k) if isinstance(m, Made)} for k in (1, 2, 4, 8)]
    assert [len(one) for one in used] == [1, 2, 4, 8]
    assert used[0] < used[1] < used[2] < used[3]


def test_a_folder_can_stand_before_polysees_own(tmp_path: Path) -> None:
    _write(tmp_path, "language: ar\nreviewed: true\npools: {naming: [ما اسم هذا؟]}\n", "ar.yaml")
    assert _made(_sample(), pools=str(tmp_path)).instruction == "ما اسم هذا؟"
    own = load_pool("ar")
    assert own is not None
    counting = _sample(task="counting")
    assert isinstance(_apply([counting], pools=str(tmp_path))[0], Failed)
    assert _made(counting, pools=str(tmp_path), extend=True).instruction in own.pools["counting"]
    alone = Instruct(InstructParams(pools=str(tmp_path))).fingerprint_inputs()
    both = Instruct(InstructParams(pools=str(tmp_path), extend=True)).fingerprint_inputs()
    assert set(alone) < set(both)


def test_parallel_samples_stay_together_where_one_language_is_the_users(tmp_path: Path) -> None:
    _write(tmp_path, "language: ar\nreviewed: true\npools: {naming: [ما هذا؟, ما ذاك؟]}\n", "ar.yaml")
    for number in range(10):
        tags = (f"group:{number}",)
        indexes = {_index(_made(_sample(t, tags=tags), pools=str(tmp_path), extend=True)) for t in ("ar", "th", "am")}
        assert len(indexes) == 1


def test_a_task_can_be_asked_from_another_pool() -> None:
    pool = load_pool("hi")
    assert pool is not None
    assert _made(_sample("hi", task="chart_qa"), task_pools={"chart_qa": "lookup"}).instruction in pool.pools["lookup"]


def test_tasks_of_the_catalogue_have_pools() -> None:
    english = load_pool("en")
    assert english is not None
    named = {*task_pools().values(), *dataset_pools().values()} - {None}
    assert named <= {*english.pools, *families()["chinese"]}
    assert not set(task_pools()) & {name for family in families().values() for name in family}
    sample = _sample("en", task="knowledge-vqa")
    assert _made(sample).instruction in english.pools["knowledge_vqa"]
    assert _made(sample, task_pools={"knowledge-vqa": "vqa"}).instruction in english.pools["vqa"]


@pytest.mark.parametrize("entry", [one for one in catalogue.entries() if one.adapter], ids=lambda one: one.name)
def test_every_dataset_with_an_adapter_is_asked_something_or_asks_itself(entry: catalogue.Entry) -> None:
    for tag in set(entry.languages or ("en",)) & {"en", "zh", "de"}:
        turns = (Turn("图中有什么？", "猫"),)
        sample = _sample(tag, task=entry.task, turns=turns, tags=(f"dataset:{entry.name}",))
        made = _made(sample, missing="english")
        assert made.instruction or entry.adapter == "conversations"


def test_a_dataset_has_its_own_pool_before_that_of_its_task() -> None:
    english, german = load_pool("en"), load_pool("de")
    assert english is not None
    assert german is not None
    covers = _sample("en", task="text-vqa", tags=("dataset:ocr-vqa",))
    assert _made(covers).instruction in english.pools["book_cover_vqa"]
    # German has no sentences for texts in captions, but for captions.
    assert _made(_sample("de", task="caption", tags=("dataset:textcaps",))).instruction in german.pools["caption"]
    asks = _sample("de", task="video-qa", tags=("dataset:llava-video-178k",))
    assert _made(asks) == asks
    assert _made(_sample("de", task="dialogue")).instruction == ""


def test_only_reviewed_pools(tmp_path: Path) -> None:
    (failed,) = _apply([_sample()], reviewed_only=True)
    assert isinstance(failed, Failed)
    _write(tmp_path, "language: no\nreviewed: true\npools: {naming: [Hva er dette?]}\n")
    assert _made(_sample("no"), pools=str(tmp_path), reviewed_only=True).instruction == "Hva er dette?"


def _write(folder: Path, text: str, name: str = "no.yaml") -> Path:
    folder.joinpath(name).write_text(text, encoding="utf-8")
    return folder


def test_pools_of_ones_own(tmp_path: Path) -> None:
    _write(tmp_path, "language: no\nreviewed: true\npools:\n  naming:\n    - ' Hva er\n   dette? '\n")
    assert _made(_sample("no"), pools=str(tmp_path)).instruction == "Hva er dette?"
    assert isinstance(_apply([_sample("en")], pools=str(tmp_path))[0], Failed)
    before = Instruct(InstructParams(pools=str(tmp_path))).fingerprint_inputs()
    _write(tmp_path, "language: no\nreviewed: true\npools: {naming: [Hva?]}\n")
    assert Instruct(InstructParams(pools=str(tmp_path))).fingerprint_inputs() != before


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        ("its name says 'no'", "language: sv\nreviewed: true\npools: {naming: [Vad?]}"),
        ("not YAML", "language: no\npools: {naming: [Hva?"),
        ("pools: Field required", "language: no\nreviewed: true"),
        ("language", "language: norwegian\nreviewed: true\npools: {naming: [Hva?]}"),
        ("author", "language: no\nreviewed: true\nauthor: me\npools: {naming: [Hva?]}"),
        ("empty", "language: no\nreviewed: true\npools: {naming: []}"),
        ("empty", "language: no\nreviewed: true\npools: {naming: ['  ']}"),
        ("twice", "language: no\nreviewed: true\npools: {naming: [Hva?, Hva?]}"),
        ("belongs to a turn", "language: no\nreviewed: true\npools: {naming: ['<image> Hva?']}"),
        ("no pool", "language: no\nreviewed: true\npools: {}"),
        ("valid", "just text"),
    ],
)
def test_faulty_pools(tmp_path: Path, cause: str, text: str) -> None:
    with pytest.raises(UserError, match=cause) as caught:
        load_pool("no", _write(tmp_path, text))
    assert "no.yaml" in str(caught.value.place)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder of pools"):
        Instruct(InstructParams(pools=str(tmp_path / "none")))
