"""The chat service against a scripted server."""

from __future__ import annotations

import base64
import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polysee.schema.errors import UserError
from polysee.services import endpoint
from polysee.services.base import ChatMessage, ChatReply, ChatRequest, Failure
from polysee.services.chat import ChatService
from polysee.services.config import ChatConfig
from polysee.services.database import Database
from polysee.services.ledger import Totals, totals
from services.server import Server, last_text

WORDS = ("قطة حمراء", "一只红猫", "แมวแดง", "लाल बिल्ली", "赤い猫", "ቀይ ድመት", "a red cat")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server().running() as running:
        yield running


class Setup:
    """A service in a folder of its own, closed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(folder)
        self._services: list[ChatService] = []

    def chat(self, server: Server, **changes: Any) -> ChatService:
        base = {"name": "writer", "base_url": server.url, "model": "tiny", "backoff_s": 0.01, "timeout_s": 20.0}
        made = ChatService(ChatConfig.model_validate({**base, **changes}), self.database, self.folder)
        self._services.append(made)
        return made

    @property
    def totals(self) -> Totals:
        return totals(self.database, "writer")

    def close(self) -> None:
        for one in self._services:
            one.close()
        self.database.close()


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    made = Setup(tmp_path / ".services")
    yield made
    made.close()


def question(text: str, **more: Any) -> ChatRequest:
    return ChatRequest((ChatMessage("system", "be brief"), ChatMessage("user", text)), **more)


def texts(answers: list[ChatReply | Failure]) -> list[str]:
    return [answer.text if isinstance(answer, ChatReply) else f"!{answer.reason}" for answer in answers]


def test_answers_come_in_order_and_equal_questions_are_asked_once(server: Server, setup: Setup) -> None:
    asked = [question(word) for word in (*WORDS, *WORDS)]
    assert texts(setup.chat(server).ask(asked)) == [f"answer to {word}" for word in (*WORDS, *WORDS)]
    assert server.posts == len(WORDS)
    assert setup.totals.attempts == server.requests == len(WORDS)
    assert setup.totals.tokens_in == 10 * len(WORDS)


def test_a_second_run_asks_nothing(server: Server, setup: Setup, tmp_path: Path) -> None:
    setup.chat(server).ask([question(word) for word in WORDS])
    again = setup.chat(server, name="other", base_url="http://127.0.0.1:9/v1", max_concurrency=1, timeout_s=1.0)
    assert texts(again.ask([question(word) for word in WORDS])) == [f"answer to {word}" for word in WORDS]
    assert server.posts == len(WORDS)


@pytest.mark.parametrize(
    ("change", "request_"),
    [
        ({"model": "other"}, question("x")),
        ({"parameters": {"top_p": 0.5}}, question("x")),
        ({}, question("x", temperature=0.5)),
        ({}, question("x", draw=1)),
        ({}, question("x", max_tokens=7)),
        ({}, ChatRequest((ChatMessage("user", "x"),))),
        ({}, ChatRequest((ChatMessage("system", "be brief"), ChatMessage("user", "x", (b"\x89PNG1",))))),
    ],
)
def test_what_is_another_question(server: Server, setup: Setup, change: dict[str, Any], request_: ChatRequest) -> None:
    server.listed = ("tiny", "other")
    setup.chat(server).ask([question("x")])
    server.model = change.get("model", "tiny")
    setup.chat(server, **change).ask([request_])
    assert server.posts == 2


def test_pictures_travel_as_data_addresses(server: Server, setup: Setup) -> None:
    setup.chat(server).ask([ChatRequest((ChatMessage("user", "ما هذا؟", (b"\x89PNG....", b"\xff\xd8\xff..")),))])
    parts = server.bodies[0]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    assert parts[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert parts[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")


def test_a_large_picture_travels_whole(server: Server, setup: Setup) -> None:
    data = b"\x89PNG" + random.Random(1).randbytes(1_200_000)
    small = b"GIF8" + bytes(range(256))
    messages = (ChatMessage("user", "ما هذا؟", (data, small)), ChatMessage("assistant", "猫"), ChatMessage("user", "?"))
    assert texts(setup.chat(server).ask([ChatRequest(messages)])) == ["answer to ?"]
    urls = [part["image_url"]["url"] for part in server.bodies[0]["messages"][0]["content"][:2]]
    assert [base64.b64decode(url.partition(",")[2]) for url in urls] == [data, small]
    assert urls[1].startswith("data:image/gif;base64,")


def test_a_reply_without_end_is_not_read_to_its_end(
    server: Server, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_LONGEST_REPLY", 1 << 20)
    server.answer = lambda body: "x" * (3 << 20) if last_text(body) == "long" else "short"
    answers = setup.chat(server, retries=1).ask([question("long"), question("猫")])
    assert texts(answers) == ["!broken-reply", "short"]
    assert answers[0] == Failure("broken-reply", "a reply of more than 1 MiB")


def _timeout(fault: str) -> float:
    return 1.0 if fault == "hang" else 20.0


@pytest.mark.parametrize(
    "fault", ["429", "500", "503", "reset", "break", "overlong", "malformed", "html", "no-choices", "error-in-200",
              "empty", "null", "list", "hang"],
)  # fmt: skip
def test_a_fault_that_passes_is_tried_again(server: Server, setup: Setup, fault: str) -> None:
    server.script = lambda number, body: fault if number == 0 else "ok"
    assert texts(setup.chat(server, timeout_s=_timeout(fault)).ask([question("ቀይ")])) == ["answer to ቀይ"]
    assert setup.totals.attempts == server.requests == 2
    assert sum(setup.totals.outcomes.values()) == 2


@pytest.mark.parametrize(
    ("fault", "reason", "tries"),
    [
        ("500", "server-error", 3),
        ("429", "rate-limited", 3),
        ("hang", "timed-out", 3),
        ("break", "broken-reply", 3),
        ("empty", "empty-answer", 3),
        ("400", "refused", 1),
        ("filtered", "filtered", 1),
    ],
)
def test_a_fault_that_stays_is_a_failure(server: Server, setup: Setup, fault: str, reason: str, tries: int) -> None:
    server.script = lambda number, body: fault if last_text(body) == "bad" else "ok"
    answers = setup.chat(server, retries=2, timeout_s=_timeout(fault)).ask([question("bad"), question("good")])
    assert texts(answers) == [f"!{reason}", "answer to good"]
    assert server.questions["bad"] == tries
    assert setup.database.query("SELECT * FROM claims") == []


def test_retry_after_is_obeyed(server: Server, setup: Setup) -> None:
    server.script, server.retry_after = lambda number, body: "ok" if number else "429", "0.6"
    start = time.monotonic()
    assert texts(setup.chat(server).ask([question("x")])) == ["answer to x"]
    assert time.monotonic() - start >= 0.6
    assert server.posts == 2


def test_no_more_requests_at_once_than_allowed(server: Server, setup: Setup) -> None:
    server.latency = 0.02
    services = [setup.chat(server, max_concurrency=3), setup.chat(server, max_concurrency=3)]
    threads = [
        threading.Thread(target=one.ask, args=([question(f"{number} {at}") for at in range(12)],))
        for number, one in enumerate(services)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.posts == 24
    assert server.most_at_once == 3


def test_two_who_ask_the_same_pay_once(server: Server, setup: Setup, tmp_path: Path) -> None:
    server.latency = 0.1
    other = Setup(setup.folder)
    found: list[list[str]] = []

    def ask(one: Setup) -> None:
        found.append(texts(one.chat(server).ask([question(word) for word in WORDS])))

    threads = [threading.Thread(target=ask, args=(one,)) for one in (setup, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert found == [[f"answer to {word}" for word in WORDS]] * 2
    assert server.posts == len(WORDS)


def test_a_refused_answer_is_asked_again_with_the_complaint(server: Server, setup: Setup) -> None:
    server.answer = lambda body: "نعم" if len(body["messages"]) == 2 else "はい"

    def check(text: str) -> str | None:
        return None if text == "はい" else "this is not Japanese"

    asked = [question("x")]
    assert texts(setup.chat(server).ask(asked, check)) == ["はい"]
    said = server.bodies[1]["messages"]
    assert [m["role"] for m in said] == ["system", "user", "assistant", "user"]
    assert said[2]["content"] == "نعم"
    assert "this is not Japanese" in said[3]["content"]
    # The way to the answer is kept as well.
    assert texts(setup.chat(server).ask(asked, check)) == ["はい"]
    assert server.posts == 2


def test_a_check_that_is_never_content_ends_in_a_failure(server: Server, setup: Setup) -> None:
    answers = setup.chat(server, reasks=2).ask([question("x")], lambda text: "too short")
    assert answers == [Failure("check-failed", "too short")]
    assert server.posts == 3


SCHEMA = json.dumps({"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]})


def test_json_is_found_checked_and_asked_for_again(server: Server, setup: Setup) -> None:
    said = {"a": '```json\n{"word": "猫"}\n```', "b": '{"wort": 1}', "c": 'Here: {"word": "ድመት"} Enjoy!', "d": "no"}
    server.answer = lambda body: said.get(last_text(body), '{"word": "बिल्ली"}')
    answers = setup.chat(server).ask([question(key, json_schema=SCHEMA) for key in said])
    assert [json.loads(text)["word"] for text in texts(answers)] == ["猫", "बिल्ली", "ድመት", "बिल्ली"]
    assert server.posts == 6


def test_json_that_is_cut_is_not_asked_for_again(server: Server, setup: Setup) -> None:
    server.script = lambda number, body: "cut"
    assert texts(setup.chat(server).ask([question("x", json_schema=SCHEMA)])) == ["!cut-short"]
    assert server.posts == 1


@pytest.mark.parametrize(("mode", "kind"), [("schema", "json_schema"), ("object", "json_object"), ("prompt", None)])
def test_how_json_is_asked_for(server: Server, setup: Setup, mode: str, kind: str | None) -> None:
    server.answer = lambda body: '{"word": "猫"}'
    setup.chat(server, json_mode=mode).ask([question("x", json_schema=SCHEMA)])
    assert server.bodies[0].get("response_format", {}).get("type") == kind


def test_nothing_is_lost_among_faults(setup: Setup) -> None:
    faults = ["429", "500", "reset", "break", "malformed", "html", "no-choices", "error-in-200", "empty"] * 3 + ["hang"]
    chance = random.Random(3)
    server = Server(limit=24, retry_after="0.02")
    server.script = lambda number, body: chance.choice(faults) if chance.random() < 0.2 else "ok"
    with server.running():
        chat = setup.chat(server, max_concurrency=32, timeout_s=2.0, retries=12)
        answers = chat.ask([question(f"{WORDS[n % 7]} {n}") for n in range(400)])
    assert texts(answers) == [f"answer to {WORDS[n % 7]} {n}" for n in range(400)]
    assert setup.totals.attempts == server.requests > 450
    assert sum(setup.totals.outcomes.values()) == server.requests
    assert setup.totals.outcomes["answered"] == 400


PRICES = {"price_in": 1000.0, "price_out": 1000.0}


def test_the_ledger_knows_the_cost(server: Server, setup: Setup) -> None:
    setup.chat(server, **PRICES).ask([question("猫")])
    assert setup.totals.cost == pytest.approx((10 + len("answer to 猫")) / 1000)
    assert setup.totals.unsaid == 0


@pytest.mark.parametrize("fault", ["no-usage", "lying-usage"])
def test_what_is_not_told_is_taken_at_its_bound(server: Server, setup: Setup, fault: str) -> None:
    server.script = lambda number, body: fault
    setup.chat(server, **PRICES).ask([question("猫", max_tokens=100)])
    assert setup.totals.cost == 0
    assert setup.totals.unsaid > 0.1


def test_a_budget_stops_and_goes_on_when_raised(server: Server, setup: Setup) -> None:
    asked = [question(f"{n:04}", max_tokens=20) for n in range(60)]
    with pytest.raises(UserError, match=r"'writer' has spent .* of its budget of 1\.00") as caught:
        setup.chat(server, **PRICES, max_cost=1.0, max_concurrency=8).ask(asked)
    assert "raise `max_cost`" in caught.value.fix
    assert 0.5 < setup.totals.spent <= 1.0
    first = server.posts
    assert 20 < first < 60
    assert setup.database.query("SELECT * FROM claims") == []
    answers = setup.chat(server, **PRICES, max_cost=100.0).ask(asked)
    assert texts(answers) == [f"answer to {n:04}" for n in range(60)]
    assert server.posts == 60
    assert max(server.questions.values()) == 1


def test_a_key_that_is_not_set(server: Server, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WRITER_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-this-server-1234567890")
    for call in (lambda c: c.probe(), lambda c: c.ask([question("x")])):
        with pytest.raises(UserError, match="WRITER_KEY is not set"):
            call(setup.chat(server, api_key_env="WRITER_KEY"))
    setup.chat(server).ask([question("x")])
    assert server.requests == 1


def test_a_key_reaches_no_file_and_no_message(
    server: Server, setup: Setup, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "plain-words-as-a-key"
    monkeypatch.setenv("WRITER_KEY", secret)
    server.key = "another"
    with pytest.raises(UserError) as caught:
        setup.chat(server, api_key_env="WRITER_KEY").ask([question("x")])
    assert "401" in str(caught.value)
    assert secret not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    server.key = secret
    server.answer = lambda body: f"you are {secret}"
    (answer,) = setup.chat(server, api_key_env="WRITER_KEY").ask([question("x")])
    assert texts([answer]) == ["you are (hidden)"]
    setup.close()
    for path in setup.folder.rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()
    assert secret not in "".join(capfd.readouterr())


def test_a_word_for_no_key_is_left_in_answers(server: Server, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRITER_KEY", "EMPTY")
    server.key, server.answer = "EMPTY", lambda body: "the box is EMPTY"
    assert texts(setup.chat(server, api_key_env="WRITER_KEY").ask([question("x")])) == ["the box is EMPTY"]


def test_a_proxy_is_taken_from_the_environment(server: Server, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    monkeypatch.setenv("no_proxy", "")
    chat = setup.chat(server, base_url="http://somewhere.invalid/v1")
    assert texts(chat.ask([question("x")])) == ["answer to x"]
    monkeypatch.setenv("no_proxy", "somewhere.invalid")
    with pytest.raises(UserError, match="cannot be reached"):
        setup.chat(server, base_url="http://somewhere.invalid/v1", retries=0).ask([question("y")])


def test_a_model_that_the_server_has_not(server: Server, setup: Setup) -> None:
    with pytest.raises(UserError, match="no model other"):
        setup.chat(server, model="other").probe()
    server.listed = ("tiny",)
    setup.chat(server).probe()
    assert server.posts == 1


def test_a_server_without_a_list_is_asked_for_a_word(server: Server, setup: Setup) -> None:
    setup.chat(server).probe()
    setup.chat(server).probe()
    assert server.posts == 1


def test_a_server_that_is_not_there(setup: Setup) -> None:
    nobody = Server(port=9)
    with pytest.raises(UserError, match="cannot be reached"):
        setup.chat(nobody, retries=1).probe()
    with pytest.raises(UserError, match="cannot be reached"):
        setup.chat(nobody, retries=1).ask([question("x")])


def test_a_defect_in_a_check_is_not_swallowed(server: Server, setup: Setup) -> None:
    def check(text: str) -> str | None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        setup.chat(server).ask([question("x"), question("y")], check)
    assert setup.database.query("SELECT * FROM claims") == []


def test_a_check_that_asks_a_service_is_told_that_it_cannot(server: Server, setup: Setup) -> None:
    chat = setup.chat(server)

    def check(text: str) -> str | None:
        return texts(chat.ask([question("is this right?")]))[0]

    with pytest.raises(RuntimeError, match="cannot ask a service"):
        chat.ask([question("x")], check)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts what runs in the background deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("seconds", [0.02, 0.05, 0.4])
def test_ctrl_c_leaves_nothing_behind(server: Server, setup: Setup, seconds: float) -> None:
    server.script = lambda number, body: "hang"
    chat = setup.chat(server, max_concurrency=4)
    asked = [question(f"{word} {n}") for n in range(20) for word in WORDS]
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGINT))

    def ask() -> None:
        timer.start()
        chat.ask(asked)

    with pytest.raises(KeyboardInterrupt):
        ask()
    timer.join()
    server.script = lambda number, body: "ok"
    # Nobody else holds a claim or a slot: this ends.
    assert texts(chat.ask(asked)) == [f"answer to {word} {n}" for n in range(20) for word in WORDS]
    assert setup.database.query("SELECT * FROM claims") == []
    assert setup.database.query("SELECT * FROM under_way") == []
    assert sum(setup.totals.outcomes.values()) == setup.totals.attempts


def test_half_a_character_is_one_failure(server: Server, setup: Setup) -> None:
    answers = setup.chat(server).ask([question("\ud83d"), question("猫")])
    assert texts(answers)[1] == "answer to 猫"
    assert isinstance(answers[0], Failure)
