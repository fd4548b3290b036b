"""The parts below the door: cache, ledger, slots, waiting, JSON, configuration."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import sqlite3
import threading
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from polysee.schema.errors import UserError
from polysee.schema.licences import is_non_commercial
from polysee.schema.secrets import redact
from polysee.services import local
from polysee.services.base import Failure, Segment
from polysee.services.cache import AnswerCache, Keys
from polysee.services.config import ROLES, ApertiumConfig, ChatConfig, Seq2SeqConfig, service_configs
from polysee.services.database import FILE, Database, Outbox
from polysee.services.ledger import Answered, Attempt, Ledger, Totals, Wait, read_totals, totals
from polysee.services.licences import licence_of
from polysee.services.local import CachedTranslator
from polysee.services.open import Services, ServicesSpec
from polysee.services.retry import LONGEST_WAIT, parse_retry_after, wait_before
from polysee.services.slots import Slots
from polysee.services.structured import NotAsked, extract


@pytest.fixture
def database(tmp_path: Path) -> Any:
    made = Database(tmp_path / ".services")
    yield made
    made.close()


def test_answers_are_found_by_content_and_never_changed(database: Database) -> None:
    keys, cache = Keys({"model": "a"}), AnswerCache(database)
    made = {keys.of([word, n]): word.encode() for word in ("قطة", "猫", "ቀይ") for n in range(700)}
    cache.keep(list(made.items()))
    cache.keep([(next(iter(made)), b"another")])
    assert cache.find([*made, Keys({"model": "b"}).of(["猫", 1]), *made]) == made


def test_what_is_committed_is_there_for_others(tmp_path: Path, database: Database) -> None:
    key = Keys({}).of("x")
    other = Database(tmp_path / ".services")
    AnswerCache(other).keep([(key, b"v")])
    assert AnswerCache(database).find([key]) == {key: b"v"}
    other.close()


def test_a_claim_holds_others_back_until_its_owner_is_gone(tmp_path: Path, database: Database) -> None:
    key = b"k" * 32
    other = Database(tmp_path / ".services")
    theirs, ours = Ledger(other, "s", None), Ledger(database, "s", None)
    attempt = other.do(lambda c: theirs.enter(c, key, 0.0, held=False))
    assert isinstance(attempt, Attempt)
    assert ours.is_claimed(key)
    assert database.do(lambda c: ours.enter(c, key, 0.0, held=False)) == Wait()
    other.close()
    assert not ours.is_claimed(key)
    assert isinstance(database.do(lambda c: ours.enter(c, key, 0.0, held=False)), Attempt)


def test_an_answer_that_came_in_the_meantime_is_taken(database: Database) -> None:
    ledger, key = Ledger(database, "s", None), b"k" * 32
    attempt = database.do(lambda c: ledger.enter(c, key, 0.0, held=False))
    assert isinstance(attempt, Attempt)
    database.do(lambda c: ledger.settle(c, attempt, "answered", tokens=(3, 4), cost=0.5, answer=(key, b"v")))
    assert database.do(lambda c: ledger.enter(c, key, 0.0, held=False)) == Answered(b"v")
    assert totals(database, "s") == Totals("s", 1, 0, 3, 4, 0.5, 0.0, {"answered": 1})
    assert read_totals(database.folder) == [totals(database, "s")]


def test_what_a_dead_process_had_under_way_is_on_the_bill(tmp_path: Path, database: Database) -> None:
    other = Database(tmp_path / ".services")
    theirs, ours = Ledger(other, "s", 1.0), Ledger(database, "s", 1.0)
    other.do(lambda c: theirs.enter(c, None, 0.8, held=False))
    assert database.do(lambda c: ours.enter(c, None, 0.8, held=False)) == Wait()
    other.close()
    with pytest.raises(UserError, match=r"has spent 0\.8 of its budget of 1\.00"):
        database.do(lambda c: ours.enter(c, None, 0.8, held=False))
    assert totals(database, "s").outcomes == {"interrupted": 1}


def test_a_budget_is_used_to_its_end(database: Database) -> None:
    ledger = Ledger(database, "s", 1.0)
    for _ in range(10):
        attempt = database.do(lambda c: ledger.enter(c, None, 0.1, held=False))
        assert isinstance(attempt, Attempt)
        database.do(lambda c, a=attempt: ledger.settle(c, a, "answered", cost=0.1))
    with pytest.raises(UserError, match="budget"):
        database.do(lambda c: ledger.enter(c, None, 0.1, held=False))


def test_a_failed_group_leaves_the_database_usable(database: Database) -> None:
    with pytest.raises(UserError, match="damaged"):
        database.do(lambda c: c.execute("SELECT * FROM nothing"))
    assert database.do(lambda c: c.execute("SELECT 1").fetchone()) == (1,)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"\0" * 5000])
def test_a_damaged_file_is_said_so(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / ".services"
    folder.mkdir()
    (folder / FILE).write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        Database(folder)


def test_a_cache_of_another_format_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / ".services"
    folder.mkdir()
    connection = sqlite3.connect(folder / FILE)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(UserError, match="format 99"):
        Database(folder)


def test_slots_are_shared_and_given_back(tmp_path: Path) -> None:
    async def work() -> int:
        most = now = 0
        groups = [Slots(tmp_path, 3), Slots(tmp_path, 3)]

        async def one(slots: Slots) -> None:
            nonlocal most, now
            slot = await slots.take()
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.005)
            now -= 1
            slots.give(slot)

        await asyncio.gather(*(one(slots) for slots in groups for _ in range(10)))
        for slots in groups:
            slots.close()
        return most

    assert asyncio.run(work()) == 3


def test_a_long_line_of_one_process_leaves_slots_to_another(tmp_path: Path) -> None:
    async def work() -> tuple[int, int]:
        busy, other = Slots(tmp_path, 2), Slots(tmp_path, 2)
        done = 0

        async def one() -> None:
            nonlocal done
            slot = await busy.take()
            await asyncio.sleep(0.005)
            busy.give(slot)
            done += 1

        line = [asyncio.create_task(one()) for _ in range(2000)]
        await asyncio.sleep(0.05)
        first = done
        slot = await other.take()
        later = done
        other.give(slot)
        for task in line:
            task.cancel()
        await asyncio.gather(*line, return_exceptions=True)
        busy.close()
        other.close()
        return first, later

    first, later = asyncio.run(work())
    assert first > 0
    assert later < 1500


def test_others_have_a_slot_once_the_answer_is_written(tmp_path: Path) -> None:
    async def work() -> None:
        ours, theirs = Slots(tmp_path, 1), Slots(tmp_path, 1)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ours.give(await ours.take(), written)
        waiting = asyncio.create_task(theirs.take())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        # One who waits in the same process need not look: the slot comes to it.
        near = asyncio.create_task(ours.take())
        await asyncio.sleep(0.02)
        assert not near.done()
        written.set_result(None)
        await asyncio.wait_for(asyncio.wait([waiting, near], return_when=asyncio.FIRST_COMPLETED), 10)
        first, last, group = (near, waiting, ours) if near.done() else (waiting, near, theirs)
        assert not last.done()
        group.give(first.result())
        await asyncio.wait_for(last, 10)
        ours.close()
        theirs.close()

    asyncio.run(work())


def test_a_slot_is_not_lost_with_the_task_that_waited_for_it(tmp_path: Path) -> None:
    async def work() -> None:
        slots = Slots(tmp_path, 1)
        slot = await slots.take()
        tasks = [asyncio.create_task(slots.take()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        slots.give(slot)
        # This one has it already, but has not heard of it.
        tasks[1].cancel()
        assert await asyncio.wait_for(tasks[2], 10) == slot
        await asyncio.gather(*tasks[:2], return_exceptions=True)
        slots.close()

    asyncio.run(work())


def test_more_slots_than_files_may_be_open_is_said_so(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, hard))
    try:
        with pytest.raises(UserError, match="300 requests at once need more open files") as caught:
            Slots(tmp_path, 300)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in caught.value.fix
    Slots(tmp_path, 30).close()


def test_work_that_nobody_waits_for_any_more_is_done_and_the_next_too(database: Database) -> None:
    begun = threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        begun.wait(10)
        connection.execute("INSERT INTO answers VALUES (?, ?)", [b"k", b"v"])

    database.submit(slow).cancel()
    begun.set()
    assert database.submit(lambda c: c.execute("SELECT value FROM answers").fetchone()).result(timeout=10) == (b"v",)


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    closed = Database(tmp_path / ".services")
    closed.close()
    with pytest.raises(RuntimeError, match="closed"):
        closed.submit(lambda c: None)

    async def write() -> None:
        await Outbox(closed).write(lambda c: None)

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(write())


def test_an_owner_that_leaves_while_another_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter([*entries(folder), folder / "gone"]))
    database = Database(tmp_path / ".services")
    assert database.is_alive(database.owner)
    database.close()


def test_what_one_turn_writes_is_one_transaction(database: Database) -> None:
    turns: list[int] = []
    begin = database._write
    database._write = lambda group: (turns.append(sum(len(parcel.works) for parcel in group)), begin(group))[1]  # type: ignore[method-assign,func-returns-value]

    async def work() -> list[int]:
        outbox = Outbox(database)
        written = [outbox.write(lambda c, n=n: n) for n in range(5)]
        # Whoever is woken by the one that writes is in it as well.
        await asyncio.sleep(0)
        written.append(outbox.write(lambda c: 5))
        assert outbox.latest is written[-1]
        return [await one for one in written]

    assert asyncio.run(work()) == list(range(6))
    assert turns == [6]


def test_a_task_that_is_cancelled_hears_of_it_when_its_work_is_written(database: Database) -> None:
    async def work() -> None:
        outbox = Outbox(database)

        async def one() -> None:
            await outbox.write(lambda c: c.execute("INSERT INTO answers VALUES (?, ?)", [b"k", b"v"]) and None)

        task = asyncio.create_task(one())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert database.query("SELECT value FROM answers") == [(b"v",)]

    asyncio.run(work())


def test_waits_grow_and_obey() -> None:
    assert all(0.25 <= wait_before(1, 0.5) <= 0.5 for _ in range(50))
    assert all(4 <= wait_before(5, 0.5) <= 8 for _ in range(50))
    assert wait_before(20, 0.5) <= LONGEST_WAIT
    assert wait_before(1, 0.1, retry_after=7) >= 7
    assert parse_retry_after("3") == 3
    assert (
        parse_retry_after(None) == parse_retry_after("soon") == parse_retry_after("-4") == parse_retry_after("nan") == 0
    )
    assert parse_retry_after(formatdate(usegmt=True)) == 0


SCHEMA = json.dumps({"type": "array", "items": {"type": "string"}})
words = st.lists(st.text(alphabet=st.characters(codec="utf-8")))


@settings(deadline=None)
@given(words, st.sampled_from(["{}", "```json\n{}\n```", "Sure!\n```\n{}\n```\nBye", "هذا: {} انتهى"]))
def test_json_is_found_in_what_surrounds_it(value: list[str], around: str) -> None:
    assert json.loads(extract(around.replace("{}", json.dumps(value, ensure_ascii=False)), SCHEMA)) == value


@settings(deadline=None)
@given(st.text())
def test_any_text_is_json_or_not(text: str) -> None:
    with contextlib.suppress(NotAsked):
        assert isinstance(json.loads(extract(text, SCHEMA)), list)


@pytest.mark.parametrize(
    "text",
    ["", "no", "[1]", '{"a": "b"}', "[NaN]", "[" * 100_000],
    ids=["empty", "no", "number", "object", "nan", "deep"],
)
def test_what_is_not_the_json_that_was_asked_for(text: str) -> None:
    with pytest.raises(NotAsked):
        extract(text, SCHEMA)


def test_an_identity_leaves_out_where_and_how_fast() -> None:
    one = ChatConfig(name="a", base_url="http://a/v1", model="m", max_concurrency=1, price_in=3)
    two = ChatConfig(name="b", base_url="https://b/v1", model="m", api_key_env="B_KEY", timeout_s=3, retries=1)
    assert one.identity() == two.identity() == {"kind": "chat", "model": "m", "json_mode": "prompt", "parameters": {}}
    assert Seq2SeqConfig(name="a", beam=4).identity() != Seq2SeqConfig(name="a").identity()
    assert Seq2SeqConfig(name="a", batch_tokens=64).identity() == Seq2SeqConfig(name="a").identity()


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "ftp://x"},
        {"base_url": "http://user:pass@host/v1"},
        {"api_key_env": "sk-123"},
        {"max_concurrency": 0},
        {"parameters": {"messages": []}},
        {"surprise": 1},
        {"max_cost": -1},
    ],
)
def test_a_faulty_service_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatConfig.model_validate({"name": "a", "base_url": "http://a/v1", "model": "m", **change})


def test_every_kind_has_a_role_and_survives_json() -> None:
    assert set(ROLES.values()) == {"chat", "translator", "embedder", "quality"}
    more: dict[str, Any] = {"base_url": "http://a/v1", "model": "m"}
    made = [{"name": f"s-{n}", "kind": kind, **(more if "chat" in kind else {})} for n, kind in enumerate(ROLES)]
    configs = service_configs.validate_python(made)
    assert service_configs.validate_json(service_configs.dump_json(configs), strict=True) == configs
    assert [one.role for one in configs] == list(ROLES.values())


def test_licences_of_models() -> None:
    assert licence_of("facebook/nllb-200-distilled-600M") == "CC-BY-NC-4.0"
    assert licence_of("google/madlad400-3b-mt") == "Apache-2.0"
    assert licence_of("/models/mine") == "unknown"
    assert all(map(is_non_commercial, ("CC-BY-NC-4.0", "cc-by-nc-sa-4.0", "research only", "Non-Commercial")))
    assert not any(map(is_non_commercial, ("Apache-2.0", "CC-BY-SA-4.0", "MIT", "unknown", "ODC-By-1.0", "Encore")))


def test_services_without_a_folder_have_names_only(tmp_path: Path) -> None:
    services = Services((ChatConfig(name="a", base_url="http://a/v1", model="Qwen/Qwen3-8B"),), None)
    assert (services.chat("a").name, services.chat("a").licence) == ("a", "Apache-2.0")
    with pytest.raises(RuntimeError, match="no folder"):
        services.chat("a").ask([])
    with pytest.raises(UserError, match="no service for chat is called 'b'"):
        services.chat("b")
    with pytest.raises(UserError, match="no service for translator is called 'a'"):
        services.translator("a")
    assert list(tmp_path.iterdir()) == []


def test_a_specification_opens_the_same_services(tmp_path: Path) -> None:
    spec = ServicesSpec.of((ApertiumConfig(name="rules"),), tmp_path / ".services")
    assert spec.open() is ServicesSpec(spec.configs, spec.folder).open()
    assert spec.open().translator("rules").licence == ""


class Backwards:
    """Translates by reversing; fails on what starts with an exclamation mark."""

    version: ClassVar[int] = 1
    name = model = licence = "backwards"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def supports(self, source: str, target: str) -> bool:
        return target == "ar"

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        self.asked += [segment.text for segment in segments]
        return [Failure("odd") if s.text.startswith("!") else s.text[::-1] + s.target for s in segments]


def test_translations_are_kept_and_failures_are_not(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_AT_ONCE", 2)
    backend = Backwards()
    translator = CachedTranslator(Seq2SeqConfig(name="t"), lambda: backend, database)
    texts = ("abc", "!x", "abc", "猫狗", "de")
    asked = [Segment(text, "en", "ar") for text in texts]
    assert translator.supports("en", "ar")
    wanted = ["cbaar", Failure("odd"), "cbaar", "狗猫ar", "edar"]
    assert translator.translate(asked) == wanted
    assert translator.translate(asked) == wanted
    assert translator.translate([Segment("abc", "en", "fa")]) == ["cbafa"]
    assert backend.asked == ["abc", "!x", "猫狗", "de", "!x", "abc"]
    assert totals(database, "t").hits == 3


def test_a_known_key_is_redacted_however_it_looks() -> None:
    assert redact("the key is blue-sky, sk-proj-abcdefghijkl123456", "blue-sky") == "the key is (hidden), (hidden)"
