"""The recipe whose steps ask a chat model: run, killed and run again, and run among faults of the server."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from polysee.engines.build import build_steps
from polysee.engines.local import run_steps
from polysee.recipe.load import load_recipe
from polysee.schema.arrow import from_table
from polysee.schema.provenance import provenance
from polysee.schema.sample import Sample
from polysee.services.ledger import read_totals
from polysee.store.run import RunStore
from recipes.chat_model import BAD, WRONG, answer, flawed
from services.server import Server
from services.test_serve import url, vision_model  # noqa: F401 - fixtures

RECIPE = Path(__file__).parents[2] / "recipes" / "chat-tiny.yaml"
AT_ONCE = 4
FAULTS = ("illegible", "other-language", "refusal")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(answer=answer, listed=("tiny",)).running() as running:
        yield running


def changes(server: Server) -> list[str]:
    of_services = {
        "base_url": server.url,
        "model": "tiny",
        "licence": "Apache-2.0",
        "max_concurrency": AT_ONCE,
        "retries": 12,
        "backoff_s": 0.01,
        "timeout_s": 1.0,
    }
    return [
        *(f"services.{name}.{key}={value}" for name in ("writer", "mt") for key, value in of_services.items()),
        "sources.scenes.params.scenes={naming: 12, counting: 4, colour: 6, position: 4}",
        # The model behind the server sees no picture.
        "transforms.forms.params.reference=ignore",
    ]


def run(path: Path, server: Server) -> RunStore:
    return run_changed(path, changes(server))


def run_changed(path: Path, changed: list[str]) -> RunStore:
    with RunStore(path) as store:
        run_steps(build_steps(load_recipe(RECIPE, changed)), store, workers=0)
    return RunStore.open_read_only(path)


def samples(store: RunStore) -> list[Sample]:
    return list(from_table(store.samples()))


def of_step(store: RunStore, step: str) -> list[Sample]:
    return [sample for sample in samples(store) if sample.origin.step == step]


def tags(found: list[Sample], prefix: str) -> Counter[tuple[str, str]]:
    """How many samples of a language have which value of a tag."""
    pairs = ((s.language, tag.removeprefix(prefix)) for s in found for tag in s.tags if tag.startswith(prefix))
    return Counter(pairs)


def test_every_step_asks_and_says_who_answered(server: Server, tmp_path: Path) -> None:
    store = run(tmp_path / "one", server)
    made = {step: of_step(store, step) for step in ("paraphrase", "answers", "caption", "translate")}
    assert all(made.values())
    for step, found in made.items():
        for origin in (origin for sample in found for origin in sample.origins):
            service = "mt" if step == "translate" else "writer"
            assert (origin.service, origin.model, origin.licence) == (
                service,
                "tiny",
                "OFL-1.1 AND Unicode-3.0 AND Apache-2.0",
            )
            assert re.fullmatch("[0-9a-f]{16}", origin.parameters)
            assert origin.parent
        assert len({sample.origin.parameters for sample in found}) == 1
    assert {provenance(sample) for sample in made["caption"] + made["answers"]} == {"synthetic"}
    assert {sample.language for sample in made["caption"]} == {"en", "ar", "th"}
    assert {sample.language for sample in made["translate"]} == {"sw"}
    assert {value for _, value in tags(made["paraphrase"], "paraphrase:")} == {"model"}
    # What a step passes on is counted as itself, also where what it was made from is there as well.
    assert all(not row.dropped for row in store.funnel() if row.verb == "transform")
    posts = server.posts
    assert sum(totals.attempts for totals in read_totals(tmp_path / ".services")) == server.requests
    again = run(tmp_path / "two", server)
    assert again.dataset_hash() == store.dataset_hash()
    assert server.posts == posts


def test_fall_backs_are_counted_by_language(server: Server, tmp_path: Path) -> None:
    def no_thai(body: Mapping[str, Any]) -> str:
        said = str(body["messages"])
        return WRONG if "Write in Thai" in said and "Short answer" in said else answer(body)

    server.answer = no_thai
    store = run(tmp_path / "one", server)
    ways = tags(of_step(store, "paraphrase"), "paraphrase:")
    number = ways["th", "template"]
    assert ways.keys() == {
        (tag, "template" if tag == "th" else "model") for tag in ("en", "ar", "hi", "th", "zh", "am")
    }
    told = {row.language: dict(row.dropped) for row in store.funnel() if row.step == "written"}
    assert {tag: dropped for tag, dropped in told.items() if dropped} == {"th": {"written": number}}
    for name in ("funnel.json", "report.html"):
        assert "written" in (tmp_path / "one" / name).read_text(encoding="utf-8")


def test_a_kill_costs_what_was_under_way(server: Server, tmp_path: Path) -> None:
    undisturbed = run(tmp_path / "whole" / "chat-tiny", server)
    needed, before = server.posts, Counter(server.questions)
    server.latency = 0.05
    command = [sys.executable, "-m", "polysee.cli.main", "run", str(RECIPE), "--workdir", str(tmp_path / "runs")]
    command += [part for change in changes(server) for part in ("--set", change)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while server.posts < needed + needed // 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    server.latency = 0.0
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    assert needed <= server.posts - needed <= needed + 2 * AT_ONCE
    assert server.questions.keys() == before.keys()
    store = RunStore.open_read_only(tmp_path / "runs" / "chat-tiny")
    assert store.dataset_hash() == undisturbed.dataset_hash()
    posts = server.posts
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=300)
    assert server.posts == posts


def test_no_sample_is_lost_among_faults(tmp_path: Path) -> None:
    """A fifth of all requests fail on the way, and a fifth of all questions get what will not do."""
    with Server(answer=flawed, listed=("tiny",)).running() as calm:
        expected = run(tmp_path / "calm" / "runs" / "one", calm)
    faults = ["429", "500", "503", "reset", "break", "malformed", "html", "no-choices", "error-in-200"] * 3 + ["hang"]
    chance = random.Random(5)
    server = Server(answer=flawed, listed=("tiny",), retry_after="0.02")
    server.script = lambda number, body: chance.choice(faults) if chance.random() < 0.2 else "ok"
    with server.running():
        store = run(tmp_path / "runs" / "one", server)
    assert server.posts > 1.1 * calm.posts
    totals = read_totals(tmp_path / "runs" / ".services")
    assert sum(one.attempts for one in totals) == server.requests
    assert sum(one.outcomes["answered"] for one in totals) == server.good + (server.requests - server.posts)
    assert store.dataset_hash() == expected.dataset_hash()
    assert store.funnel() == expected.funnel()
    _nothing_is_silent(store)


def _nothing_is_silent(store: RunStore) -> None:
    """What became of every question that got no good answer stands in a tag, in the rejects or in a select's column."""
    found, rejects = samples(store), store.rejects().to_pylist()
    train = [sample for sample in found if sample.split == "train"]
    assert all(turn.output.strip() for sample in found for turn in sample.turns)

    def made(step: str) -> set[tuple[str, str]]:
        return {(origin.parent, s.language) for s in train for origin in s.origins if origin.step == step}

    def refused(step: str, start: str = "") -> set[str]:
        return {row["key"] for row in rejects if row["step"] == step and row["detail"].startswith(start)}

    assert tags([s for s in train if s.origin.step == "paraphrase"], "paraphrase:").total() == 48
    forms = {origin.key for s in train for origin in s.origins if origin.step == "answers"}
    assert not forms & refused("forms")
    assert len(forms | refused("forms")) == 18
    for sample in (s for s in train if s.task == "position"):
        for tag in ("en", "ar", "th"):
            assert (sample.id, tag) in made("caption") or sample.origin.key in refused("captions", f"{tag}: ")
    for sample in (s for s in train if s.language == "en" and s.task in ("naming", "captioning")):
        assert (sample.id, "sw") in made("translate") or sample.origin.key in refused("translate")
    reasons = {row["reason"] for row in rejects}
    assert reasons <= {f"{what}-{why}" for what in ("caption", "answer") for why in FAULTS} | {"empty-translation"}
    assert len(reasons) >= 2
    assert {"refusal", "answer-lost"} <= {flaw for _, flaw in tags(train, "paraphrase_flaw:")}
    # What only a score can tell is dropped by a select.
    wrong = {s.id for s in train if s.origin.step == "translate" and s.turns[0].output in BAD}
    kept = store.samples(columns=["id"], where=store.kept())["id"].to_pylist()
    assert wrong
    assert not wrong & set(kept)


@pytest.mark.slow
def test_a_real_server_that_writes_nonsense(url: str, vision_model: Path, tmp_path: Path) -> None:  # noqa: F811
    """`transformers serve` with random weights: every short answer falls back, every other text is a reject."""
    given = {"base_url": url, "model": str(vision_model), "max_concurrency": "1", "retries": "1"}
    changed = [f"services.{name}.{key}={value}" for name in ("writer", "mt") for key, value in given.items()]
    changed += ["sources.scenes.params.scenes={naming: 2, counting: 2, colour: 2, position: 1}", "tolerance=1"]
    store = run_changed(tmp_path / "runs" / "one", changed)
    found = of_step(store, "paraphrase")
    ways = tags(found, "paraphrase:")
    assert ways.total() == 12
    assert {value for _, value in ways} == {"template"}
    dropped = {row.language: dict(row.dropped).get("written", 0) for row in store.funnel() if row.step == "written"}
    assert sum(dropped.values()) >= 12
    assert {sample.origin.service for sample in found} == {""}
    assert of_step(store, "answers") == []
    rejects = Counter(row["step"] for row in store.rejects().to_pylist())
    assert rejects["forms"] == 6
    assert rejects["captions"] + len(of_step(store, "caption")) >= 3
    totals = read_totals(tmp_path / "runs" / ".services")
    assert sum(one.outcomes["answered"] for one in totals) > 2 * 12
