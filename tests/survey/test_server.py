"""The server: who gets in, what pages give away, what is kept."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_survey import ADMIN, MODELS, Visitor, choices_of, make_survey, served

from polysee.survey.questionnaire import PICTURES, order_for, read_questionnaire
from polysee.survey.server import Access, Server
from polysee.survey.votes import Reader, add_tokens, hash_token


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("survey") / "survey"
    make_survey(path)
    return path


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    with served(folder) as (found, _):
        yield found


@pytest.fixture
def token(folder: Path) -> str:
    return add_tokens(folder, 1)[0]


@pytest.fixture
def visitor(port: int) -> Iterator[Visitor]:
    one = Visitor(port)
    yield one
    one.close()


def test_nothing_without_a_token(visitor: Visitor) -> None:
    for path in ("/welcome", "/question/1", "/last", "/picture/x", "/nowhere"):
        found = visitor.ask(path)
        assert (found.status, found.where) == (303, "/")
    assert "code" in visitor.ask("/").text
    assert visitor.ask("/question/1", {"best-overall": "0"}).where == "/"
    assert visitor.ask("/t/no-such-token").status == 403
    assert not visitor.cookies


def test_headers_forbid_scripts_frames_and_sniffing(visitor: Visitor, token: str) -> None:
    for found in (visitor.ask("/"), visitor.ask(f"/t/{token}"), visitor.ask("/welcome"), visitor.ask("/nowhere")):
        policy = found.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script" not in policy
        assert "frame-ancestors 'none'" in policy
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["cache-control"] == "no-store"
        assert "<script" not in found.text
    cookie = visitor.ask(f"/t/{token}").headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_pages_do_not_say_whose_answers_they_are(visitor: Visitor, token: str, folder: Path) -> None:
    where = visitor.begin(token)
    seen = 0
    while where.startswith("/question"):
        page = visitor.ask(where).text
        assert not any(model in page for model in MODELS)
        assert str(folder) not in page
        seen += len(choices_of(page))
        where = visitor.ask(where, {"best-overall": "tie"}).where
    assert seen == 17  # six questions of three answers, one of which two models share
    assert where == "/last"


def test_orders_are_stored_shuffled_and_the_persons_own(folder: Path, port: int) -> None:
    survey = read_questionnaire(folder)
    tokens = add_tokens(folder, 40)
    orders = [order_for(survey, hash_token(one), ("ar", "he", "hi", "zh", "th", "am")) for one in tokens]
    assert len({tuple(asked.question for asked in order) for order in orders}) > 20
    first = [next(asked.cards[0] for asked in order if asked.question == "q-ar") for order in orders]
    assert {model for cards in first for model in cards} == {0, 1, 2}
    visitor = Visitor(port)
    visitor.begin(tokens[0])
    visitor.close()
    reader = Reader(folder, survey.fingerprint())
    person = reader.person(hash_token(tokens[0]))
    reader.close()
    assert person is not None
    assert person.asked == orders[0]


def test_it_goes_on_where_it_was(port: int, token: str, visitor: Visitor) -> None:
    where = visitor.begin(token)
    assert visitor.ask(where, {"best-overall": "1"}).where == "/question/2"
    later = Visitor(port)
    later.ask(f"/t/{token}")
    assert later.ask("/").where == "/question/2"
    assert re.search(r'value="1" required checked', later.ask("/question/1").text)
    assert later.ask("/question/1", {"best-overall": "0"}).where == "/question/2"
    later.close()


def test_a_token_is_spent_once(folder: Path, port: int, token: str, visitor: Visitor) -> None:
    where = visitor.begin(token)
    other = Visitor(port)
    other.ask(f"/t/{token}")
    assert visitor.ask("/last").where == where  # not before the last question
    while where.startswith("/question"):
        where = visitor.ask(where, {"best-overall": "0"}).where
    assert visitor.ask("/last", {"comfort": "prefer", "comment": "شكرًا\x00"}).where == "/"
    assert "Thank you" in visitor.ask("/").text
    for again in (visitor, other):
        assert again.ask("/question/1", {"best-overall": "1"}).where == "/"
        assert again.ask("/welcome", {"agree": "1", "country": "EG", "language": "en"}).where == "/"
    other.close()
    survey = read_questionnaire(folder)
    reader = Reader(folder, survey.fingerprint())
    person, votes = reader.person(hash_token(token)), reader.votes(hash_token(token))
    reader.close()
    assert person is not None
    assert (person.comfort, person.comment, person.country, person.dialect) == ("prefer", "شكرًا", "EG", "صعيدي")
    assert {vote.choice for vote in votes} == {"0"}
    assert len(votes) == 6


@pytest.mark.parametrize("choice", ["", "7", "alpha", "-1", "0; DROP TABLE votes"])
def test_only_what_was_shown_can_be_picked(visitor: Visitor, token: str, choice: str) -> None:
    where = visitor.begin(token)
    assert visitor.ask(where, {"best-overall": choice}).status == 422
    assert visitor.ask("/").where == where


@pytest.mark.parametrize(
    "form",
    [
        {"agree": ""},
        {"country": ""},
        {"country": "<b>"},
        {f"reads-{tag}": "" for tag in ["ar", "he", "hi", "zh", "th", "am"]},
    ],
)
def test_consent_country_and_a_language_are_needed(visitor: Visitor, token: str, form: dict[str, str]) -> None:
    visitor.ask(f"/t/{token}")
    given = {"language": "en", "country": "EG", "agree": "1", "reads-ar": "1", "dialect": '"><script>x</script>'}
    found = visitor.ask("/welcome", {**given, **form})
    assert found.status == 422
    assert "<script>x" not in found.text
    assert "&lt;script&gt;x" in found.text
    assert visitor.ask("/").where == "/welcome"


def test_pictures_come_by_name_alone(visitor: Visitor, token: str, folder: Path) -> None:
    where = visitor.begin(token)
    name = re.search(r'src="/picture/([0-9a-f]{32})"', visitor.ask(where).text)
    assert name is not None
    found = visitor.ask(f"/picture/{name[1]}")
    assert found.headers["content-type"] == "image/webp"
    assert int(found.headers["content-length"]) == (folder / PICTURES / f"{name[1]}.webp").stat().st_size
    for other in ("../survey.json", "..%2fsurvey.json", "%2e%2e%2fvotes.db", "0" * 32, f"{name[1]}.webp"):
        answer = visitor.ask(f"/picture/{other}")
        assert answer.status in (303, 404)
        assert "alpha" not in answer.text


def test_forms_are_limited(visitor: Visitor, token: str) -> None:
    where = visitor.begin(token)
    assert visitor.ask(where, {"best-overall": "0", "x": "a" * 20_000}).status == 413
    assert visitor.ask(where, body=b"{}", headers={"Content-Type": "application/json"}).status == 415
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.ask(where, body=b"a=%ff", headers=form).status == 400
    assert visitor.ask(where, body=b"&".join(b"a=1" for _ in range(300)), headers=form).status == 400


def test_other_sites_can_send_nothing(visitor: Visitor, token: str) -> None:
    where = visitor.begin(token)
    assert visitor.ask(where, {"best-overall": "0"}, headers={"Origin": "https://evil.example"}).status == 403
    assert visitor.ask(where, {"best-overall": "0"}, headers={"Origin": "null"}).status == 403
    assert visitor.ask("/", headers={"Host": "evil.example"}).status == 421
    assert (
        visitor.ask(where, {"best-overall": "0"}, headers={"Origin": f"http://127.0.0.1:{visitor.port}"}).status == 303
    )


def test_behind_a_proxy_with_https(folder: Path) -> None:
    """What a proxy on this machine passes on; its address stands for nobody."""
    server = Server(folder, Access(ADMIN, "https://survey.example.org"))
    token = add_tokens(folder, 1)[0]

    def ask(path: str, *headers: tuple[str, str], body: bytes | None = None) -> tuple[int, dict[str, str]]:
        return asyncio.run(asgi(server.app, path, headers, body))

    host = ("host", "survey.example.org")
    status, found = ask(f"/t/{token}", host)
    assert status == 303
    assert "secure" in found["set-cookie"].lower()
    form = ("content-type", "application/x-www-form-urlencoded")
    code = f"code={token}".encode()
    ours, inner = ("origin", "https://survey.example.org"), ("host", "127.0.0.1:8477")
    assert ask("/code", inner, form, ours, body=code)[0] == 303
    assert ask("/code", inner, form, ("origin", "https://other.example.org"), body=code)[0] == 403
    found_by = {
        address: [ask(f"/t/no{n}", host, ("x-forwarded-for", f"6.6.6.6, {address}"))[0] for n in range(25)]
        for address in ("192.0.2.1", "192.0.2.2")
    }
    assert all((one[0], one[-1]) == (403, 429) for one in found_by.values())
    server.close()


async def asgi(
    app: Any, path: str, headers: tuple[tuple[str, str], ...], body: bytes | None
) -> tuple[int, dict[str, str]]:
    """One request without a network, as a proxy on this machine would make it."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body or b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET" if body is None else "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8477),
    }
    await app(scope, receive, send)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_too_fast_is_refused_and_recovers(visitor: Visitor, token: str) -> None:
    visitor.ask(f"/t/{token}")
    assert 429 in {visitor.ask("/welcome").status for _ in range(120)}


def test_guessing_is_slowed_down(folder: Path) -> None:
    good = add_tokens(folder, 1)[0]
    with served(folder) as (port, _):
        visitor = Visitor(port)
        found = [visitor.ask(f"/t/guess{number}").status for number in range(25)]
        assert found[0] == 403
        assert found[-1] == 429
        assert visitor.ask(f"/t/{good}").status == 303  # a guest beside the guesser is not shut out
        stranger = Visitor(port)
        found = [stranger.ask("/admin", {"token": f"guess{number}"}).status for number in range(25)]
        assert (found[0], found[-1]) == (403, 429)
        assert stranger.ask("/admin", {"token": ADMIN}).status == 429
        stranger.close()
        visitor.close()


def test_results_are_the_admins(visitor: Visitor, token: str, port: int) -> None:
    for path in ("/admin/votes.csv", "/admin/votes.jsonl"):
        assert visitor.ask(path).where == "/admin"
    assert "alpha" not in visitor.ask("/admin").text
    assert visitor.ask("/admin", {"token": "wrong"}).status == 403
    where = visitor.begin(token)
    visitor.ask(where, {"best-overall": "0"})
    assert visitor.ask("/admin", {"token": ADMIN}).where == "/admin"
    assert "alpha" in visitor.ask("/admin").text
    lines = [json.loads(line) for line in visitor.ask("/admin/votes.jsonl").text.splitlines()]
    assert any(line["dialect"] == "صعيدي" for line in lines)
    assert visitor.ask("/admin/votes.db").status == 404
    stranger = Visitor(port)
    stranger.cookies["survey-admin"] = "made-up"
    assert stranger.ask("/admin/votes.csv").where == "/admin"
    stranger.close()


def test_kill_loses_no_vote_that_was_confirmed(tmp_path: Path) -> None:
    """Many people vote until the server is killed in the middle of it; what was confirmed is there afterwards."""
    folder = tmp_path / "survey"
    survey = make_survey(folder)
    tokens = add_tokens(folder, 12)
    confirmed: dict[tuple[str, int], str] = {}
    enough = threading.Event()

    def person(token: str, number: int) -> None:
        visitor = Visitor(port)
        try:
            visitor.begin(token)
            for step in range(10_000):
                place, choice = step % 6, str((step // 6 + number) % 2)
                if visitor.ask(f"/question/{place + 1}", {"best-overall": choice}).status == 303:
                    confirmed[token, place] = choice
                    if len(confirmed) > 30:
                        enough.set()
        except (OSError, AssertionError, http.client.HTTPException):
            return  # the server has gone, perhaps within an answer
        finally:
            visitor.close()

    with served(folder) as (port, process):
        people = [threading.Thread(target=person, args=(token, n)) for n, token in enumerate(tokens)]
        for one in people:
            one.start()
        assert enough.wait(30)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for one in people:
            one.join(30)
    reader = Reader(folder, survey.fingerprint())
    stored = {(token, vote.place): vote.choice for token in tokens for vote in reader.votes(hash_token(token))}
    reader.close()
    assert confirmed
    assert confirmed.keys() <= stored.keys()
    # What was sent last may have been kept without anybody being told: at most one vote a person.
    late = [key for key, choice in confirmed.items() if stored[key] != choice]
    assert len(late) == len({token for token, _ in late})
    with served(folder) as (port, _):
        visitor = Visitor(port)
        visitor.ask(f"/t/{tokens[0]}")
        assert visitor.ask("/").status == 303
        visitor.close()
