"""Steps that call services, from the recipe to the rejects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from polysee.cli.plan import plan
from polysee.cli.show import show
from polysee.engines.data_steps import SourceStep, TransformStep
from polysee.engines.local import explain, run_steps
from polysee.recipe.load import dump_recipe, load_recipe
from polysee.schema import UserError
from polysee.schema.arrow import from_table
from polysee.services.config import ChatConfig
from polysee.services.ledger import read_totals
from polysee.store.run import RunStore
from services.server import Server, last_text


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as running:
        yield running


def config(server: Server, **changes: Any) -> ChatConfig:
    base = {"name": "writer", "base_url": server.url, "model": "tiny", "backoff_s": 0.01, "licence": "Apache-2.0"}
    return ChatConfig.model_validate({**base, **changes})


def steps(one: ChatConfig, tolerance: float = 0.01) -> list[Any]:
    return [
        SourceStep("demo", "fake", {}),
        TransformStep("ask", "ask", {"service": "writer"}, tolerance=tolerance, services=(one,)),
    ]


def run(path: Path, one: ChatConfig, *, workers: int = 0, tolerance: float = 0.01) -> RunStore:
    store = RunStore(path)
    try:
        run_steps(steps(one, tolerance), store, workers=workers)
    finally:
        store.close()
    return RunStore.open_read_only(path)


def test_answers_become_samples_and_another_run_asks_nothing(server: Server, tmp_path: Path) -> None:
    store = run(tmp_path / "one", config(server), workers=2)
    samples = list(from_table(store.samples()))
    assert [sample.turns[0].output for sample in samples][:2] == ["answer to a red square 0", "answer to مربّع أحمر 1"]
    assert (samples[0].origin.service, samples[0].origin.model) == ("writer", "tiny")
    assert store.count() == 24
    (totals,) = read_totals(tmp_path / ".services")
    # One request is the probe's list of models, one the word that it asks for.
    assert totals.attempts == server.requests == 24 + 2
    manifest = store.manifest("ask")
    assert manifest is not None
    assert "writer: 26 requests" in manifest.summary
    again = run(tmp_path / "two", config(server, max_concurrency=3, timeout_s=9.0), workers=2)
    assert again.dataset_hash() == store.dataset_hash()
    assert server.posts == 25


def test_the_model_is_part_of_the_fingerprint_and_the_address_is_not(server: Server, tmp_path: Path) -> None:
    store = run(tmp_path / "one", config(server))
    elsewhere = config(server, base_url="http://127.0.0.1:9/v1", api_key_env="A_KEY", max_cost=3.0, retries=1)
    assert [step.why for step in explain(steps(elsewhere), store)] == ["committed", "committed"]
    (_, due) = explain(steps(config(server, model="other")), store)
    assert due.why == "parameters changed: transform.ask.services.writer.model"


def test_a_failure_is_a_reject_and_too_many_stop_the_step(server: Server, tmp_path: Path) -> None:
    server.script = lambda number, body: "400" if last_text(body).endswith("7") else "ok"
    store = run(tmp_path / "one", config(server), tolerance=0.2)
    rejects = store.rejects().to_pylist()
    assert {(row["reason"], row["key"]) for row in rejects} == {("refused", "s0/7"), ("refused", "s2/17")}
    with pytest.raises(UserError, match="2 of 24"):
        run(tmp_path / "two", config(server), tolerance=0.05)


def test_a_missing_key_stops_before_the_first_row(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UserError, match="NO_SUCH_KEY is not set"):
        run(tmp_path / "one", config(server, api_key_env="NO_SUCH_KEY"))
    assert server.requests == 0


def test_a_spent_budget_stops_a_worker_and_goes_on_when_raised(server: Server, tmp_path: Path) -> None:
    one = config(server, price_in=1000.0, price_out=1.0, max_cost=0.2, max_concurrency=2)
    with pytest.raises(UserError, match="budget"):
        run(tmp_path / "one", one, workers=1)
    asked = server.posts
    assert 2 < asked < 25
    store = run(tmp_path / "one", config(server, price_in=1000.0, price_out=1.0, max_cost=9.0), workers=1)
    assert store.count() == 24
    assert max(server.questions.values()) == 1


RECIPE = """
name: asked
services:
  - name: writer
    kind: chat
    base_url: {url}
    model: tiny
    licence: {licence}
    price_in: 100
sources:
  - {{name: demo, use: fake}}
transforms:
  - name: ask
    use: ask
    params: {{service: {service}}}
"""


def recipe(folder: Path, server: Server, service: str = "writer", licence: str = "Apache-2.0") -> Path:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(url=server.url, service=service, licence=licence), encoding="utf-8")
    return path


def test_a_recipe_with_services_is_read_and_written(server: Server, tmp_path: Path) -> None:
    loaded = load_recipe(recipe(tmp_path, server), ["services.writer.max_concurrency=3"])
    assert loaded.services[0].name == "writer"
    assert isinstance(loaded.services[0], ChatConfig)
    assert loaded.services[0].max_concurrency == 3
    (tmp_path / "again.yaml").write_text(dump_recipe(loaded), encoding="utf-8")
    assert load_recipe(tmp_path / "again.yaml") == loaded


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("writr", "transforms.ask.params.service: no service is called `writr`\nhint: did you mean `writer`?"),
        ("writer, judges: [writer]", "params.judges.0: the service `writer` is for chat, and this wants one for quali"),
        ("none-such-at-all", "hint: name one of writer"),
    ],
)
def test_a_step_must_name_a_service_of_the_right_kind(server: Server, tmp_path: Path, service: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(recipe(tmp_path, server, service))
    assert said in str(caught.value)
    assert "recipe.yaml:15:" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("services.writer.kind=chatt", "did you mean `chat`?"),
        ("services.writer.modl=x", "did you mean `model`?"),
        ("services.writer.api_key=abc", "no place for one"),
        ("services.writer.api_key_env=not a name", "name of an environment variable"),
        ("services.writer.base_url=ftp://x", "an address"),
        ("services.writer.max_cost=-1", "a number of at least 0"),
    ],
)
def test_mistakes_in_a_service(server: Server, tmp_path: Path, change: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load_recipe(recipe(tmp_path, server), [change])
    assert said in str(caught.value)


def test_plan_and_show_tell_what_is_asked_and_spent(server: Server, tmp_path: Path) -> None:
    path = recipe(tmp_path, server)
    arguments = [str(path), "--workdir", str(tmp_path)]
    planned = CliRunner().invoke(plan, arguments, catch_exceptions=False)
    assert "ask asks writer (chat, tiny): how often is not known yet" in planned.output
    assert not (tmp_path / ".services").exists()
    one = load_recipe(path).services[0]
    assert isinstance(one, ChatConfig)
    run(tmp_path / "asked", one)
    shown = CliRunner().invoke(show, [str(tmp_path / "asked"), "--limit", "1"], catch_exceptions=False)
    assert "writer: 26 requests, 0 from the cache" in shown.output
    assert "cost 0.0" in shown.output


def test_commercial_plans_refuse_what_is_not(server: Server, tmp_path: Path) -> None:
    arguments = ["--workdir", str(tmp_path), "--purpose", "commercial"]
    fine = CliRunner().invoke(plan, [str(recipe(tmp_path, server)), *arguments], catch_exceptions=False)
    assert fine.exit_code == 0
    with pytest.raises(UserError, match=r"'writer' \(tiny\) is CC-BY-NC-4.0"):
        CliRunner().invoke(
            plan, [str(recipe(tmp_path, server, licence="CC-BY-NC-4.0")), *arguments], catch_exceptions=False
        )


def test_steps_without_services_are_as_before() -> None:
    step = TransformStep("double", "double", {})
    assert step.parameters() == {"use": "double", "params": {}, "class_version": 1, "seed": 0}
    assert replace(step, services=(ChatConfig(name="a", base_url="http://x/v1", model="m"),)).parameters() == (
        step.parameters()
    )
