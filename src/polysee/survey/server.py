"""Serves a survey over HTTP: to respondents with a token each, and its results to whoever holds the admin token.

Pages name neither files nor models. A picture is asked for by its hash and looked up among those of the survey.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
import sqlite3
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from polysee.schema.errors import MissingExtra, UserError
from polysee.survey import export
from polysee.survey.limits import GUESS, STRANGER, VISITOR, Limiter
from polysee.survey.pages import LONGEST_COMMENT, LONGEST_DIALECT, Pages, choices_in
from polysee.survey.questionnaire import PICTURES, order_for, read_questionnaire
from polysee.survey.results import tally
from polysee.survey.results_page import login_page, results_page
from polysee.survey.texts import COMFORT, best_match
from polysee.survey.votes import Person, Reader, Spent, Writer, hash_token
from polysee.text.normalise import nfc, strip_invisible

try:
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
    from starlette.routing import Route
except ModuleNotFoundError as error:
    raise MissingExtra("starlette", "web") from error

MOST_BYTES = 16_384
"""Of a form. The longest comment fits, in any script."""
SECONDS_TO_SEND = 10.0
COOKIE = "survey"
ADMIN_COOKIE = "survey-admin"
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
_REMEMBERED = 5_000
_LOADED_BYTES = 256 * 1024 * 1024
_LOG = logging.getLogger("polysee.survey")

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Access:
    """``admin``: the token for the results. ``url``: where the survey is reached from outside, if it is.

    With an https address cookies are sent over https only.
    """

    admin: str
    url: str = ""

    @property
    def hosts(self) -> frozenset[str]:
        """Host headers that are answered: no other site can reach us under a name of its own (DNS rebinding)."""
        return _LOCAL | ({urlsplit(self.url).hostname or ""} if self.url else set())

    @property
    def origin(self) -> str:
        """What browsers call the site that our own forms come from, where a proxy gives us another host."""
        parts = urlsplit(self.url.lower())
        return f"{parts.scheme}://{parts.netloc}" if self.url else ""

    @property
    def secure(self) -> bool:
        return urlsplit(self.url).scheme == "https"


class Server:
    """The survey in ``folder``, as an ASGI application ``app``. `close` it when done."""

    def __init__(self, folder: Path, access: Access) -> None:
        self.folder = folder
        self.access = access
        self.survey = read_questionnaire(folder)
        self.identity = self.survey.fingerprint()
        self.pages = Pages(self.survey)
        self._reader = Reader(folder, self.identity)
        self._writer = Writer(folder, self.identity)
        self._pictures = {
            name.removesuffix(".webp"): folder / PICTURES / name
            for question in self.survey.questions
            for name in question.pictures
        }
        self._loaded: dict[str, bytes] = {}
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._visitors, self._strangers, self._guesses = Limiter(VISITOR), Limiter(STRANGER), Limiter(GUESS)
        self._admins: dict[str, None] = {}
        self.app = Starlette(routes=self._routes(), exception_handlers={404: self._missing, 405: self._missing})

    def close(self) -> None:
        """Write what still waits, and let go of the files."""
        self._writer.close()
        self._reader.close()

    def _routes(self) -> list[Route]:
        def route(path: str, handler: Handler, *methods: str, guest: bool = False) -> Route:
            return Route(path, self._guarded(handler, guest=guest), methods=list(methods) or ["GET"])

        return [
            route("/", self._home, guest=True),
            route("/t/{token}", self._link, guest=True),
            route("/code", self._code, "POST", guest=True),
            route("/welcome", self._welcome),
            route("/welcome", self._begin, "POST"),
            route("/question/{number:int}", self._question),
            route("/question/{number:int}", self._vote, "POST"),
            route("/last", self._last),
            route("/last", self._finish, "POST"),
            route("/picture/{name}", self._picture),
            route("/health", self._health, guest=True),
            route("/admin", self._admin, guest=True),
            route("/admin", self._login, "POST", guest=True),
            route("/admin/votes.{kind}", self._export, guest=True),
        ]

    def _guarded(self, handler: Handler, *, guest: bool) -> Handler:
        """Checks who is there and where they came from before ``handler``, and sets the headers after it."""

        async def call(request: Request) -> Response:
            response = self._refusal(request, guest=guest)
            if response is None:
                try:
                    response = await handler(request)
                except _Stop as stop:
                    response = stop.response
                except sqlite3.Error as error:
                    _LOG.error("not saved: %s", error)
                    response = self._say(request, "not_saved", 503)
            return self._with_headers(response)

        return call

    def _refusal(self, request: Request, *, guest: bool) -> Response | None:
        host = request.headers.get("host", "").lower()
        if (host if host.endswith("]") else host.rsplit(":", 1)[0]) not in self.access.hosts:
            return PlainTextResponse("unknown host\n", 421)
        origin = request.headers.get("origin", "").lower()
        if request.method == "POST" and origin and urlsplit(origin).netloc != host and origin != self.access.origin:
            return PlainTextResponse("cross-site request\n", 403)
        token = self._token(request)
        # A link counts for its respondent: a class that opens two hundred at once has one address.
        who = token or self._known(str(request.path_params.get("token", "")))
        if who is not None and not self._visitors.allows(who):
            return self._say(request, "too_many", 429)
        if token is not None:
            return None
        if who is None and not self._strangers.allows(self._address(request)):
            return self._say(request, "too_many", 429)
        return None if guest else RedirectResponse("/", 303)

    def _with_headers(self, response: Response) -> Response:
        headers = response.headers
        headers["Content-Security-Policy"] = headers.get("Content-Security-Policy") or self.pages.policy
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        # Not no-referrer: browsers would then send "Origin: null" with our own forms.
        headers["Referrer-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
        return response

    # Who it is, and where they are.

    def _token(self, request: Request) -> str | None:
        """The hash of the visitor's token, if it is one of ours."""
        return self._known(request.cookies.get(COOKIE, ""))

    def _known(self, given: str) -> str | None:
        if not 0 < len(given) <= 100:
            return None
        token = hash_token(given)
        return token if token in self._people or self._reader.knows(token) else None

    def _address(self, request: Request) -> str:
        """Of the visitor; behind a proxy on this machine, what that proxy says it is (its own entry is the last)."""
        address = request.client.host if request.client else ""
        forwarded = request.headers.get("x-forwarded-for", "")
        if self.access.url and address in ("127.0.0.1", "::1") and forwarded:
            return forwarded.rsplit(",", 1)[-1].strip()[:64]
        return address

    def _person(self, token: str) -> Person | None:
        person = self._people.get(token)
        if person is None:
            person = self._reader.person(token)
            if person is not None:
                self._remember(token, person)
        return person

    def _remember(self, token: str, person: Person) -> None:
        self._people[token] = person
        if len(self._people) > _REMEMBERED:
            self._people.popitem(last=False)

    def _open_person(self, request: Request) -> tuple[str, Person]:
        """Who is still answering. Raises `_Stop` with where to go instead for anybody else."""
        token = self._token(request)
        person = self._person(token) if token else None
        if token is None or person is None or person.finished:
            raise _Stop(RedirectResponse("/", 303))
        return token, person

    def _language(self, request: Request) -> str:
        asked = request.query_params.get("language", "")
        if asked in self.survey.languages:
            return asked
        return best_match(request.headers.get("accept-language", ""), self.survey.languages)

    def _say(self, request: Request, key: str, status: int) -> Response:
        return HTMLResponse(self.pages.message(self._language(request), key), status)

    async def _missing(self, request: Request, error: Exception) -> Response:
        return self._with_headers(RedirectResponse("/", 303) if request.method == "GET" else Response(status_code=404))

    # What respondents ask for.

    async def _home(self, request: Request) -> Response:
        token = self._token(request)
        if token is None:
            return HTMLResponse(self.pages.code(self._language(request)))
        person = self._person(token)
        if person is None:
            return RedirectResponse("/welcome", 303)
        if person.finished:
            return HTMLResponse(self.pages.message(person.page_language, "thanks", "saved"))
        return RedirectResponse(self._next(token, person), 303)

    def _next(self, token: str, person: Person) -> str:
        """The first question that is not answered yet, in every aspect; after the last one the end."""
        done: dict[int, int] = {}
        for vote in self._reader.votes(token):
            done[vote.place] = done.get(vote.place, 0) + 1
        want = len(self.survey.aspects)
        place = next((n for n in range(len(person.asked)) if done.get(n, 0) < want), None)
        return "/last" if place is None else f"/question/{place + 1}"

    async def _link(self, request: Request) -> Response:
        return self._enter(request, str(request.path_params["token"]))

    async def _code(self, request: Request) -> Response:
        form = await _form(request)
        return self._enter(request, form.get("code", "").strip())

    def _enter(self, request: Request, given: str) -> Response:
        if self._known(given) is None:
            if not self._guesses.allows(self._address(request)):
                return self._say(request, "too_many", 429)
            return HTMLResponse(self.pages.code(self._language(request), problem="unknown"), 403)
        response = RedirectResponse("/", 303)
        # Lax: a link in a message must work; forms of other sites are sent without it.
        response.set_cookie(
            COOKIE, given, max_age=90 * 86_400, httponly=True, samesite="lax", secure=self.access.secure
        )
        return response

    async def _welcome(self, request: Request) -> Response:
        token = self._token(request)
        if token is not None and self._person(token) is not None:
            return RedirectResponse("/", 303)
        return HTMLResponse(self.pages.welcome(self._language(request)))

    async def _begin(self, request: Request) -> Response:
        form = await _form(request)
        token = self._token(request)
        if token is None or self._person(token) is not None:
            return RedirectResponse("/", 303)
        tag = form.get("language", "")
        tag = tag if tag in self.survey.languages else self._language(request)
        offered = self.survey.question_languages
        reads = offered if len(offered) == 1 else tuple(one for one in offered if form.get(f"reads-{one}"))
        country = form.get("country", "")
        known = country == "-" or country in (self.survey.countries or export.COUNTRIES)
        if form.get("agree") != "1" or not known or not reads:
            return HTMLResponse(self.pages.welcome_again(tag, form, problem="missing"), 422)
        asked = order_for(self.survey, token, reads)
        person = Person(tag, reads, country, _clean(form.get("dialect", ""), LONGEST_DIALECT), asked, finished=False)
        await _saved(self._writer.begin(token, person))
        return RedirectResponse("/", 303)

    async def _question(self, request: Request) -> Response:
        token, person = self._open_person(request)
        place = self._place(request, person)
        chosen = {vote.aspect: vote.choice for vote in self._reader.votes(token) if vote.place == place}
        return HTMLResponse(self.pages.question(person, place, chosen))

    async def _vote(self, request: Request) -> Response:
        form = await _form(request)
        token, person = self._open_person(request)
        place = self._place(request, person)
        choices = choices_in(self.survey, person.asked[place], form)
        if choices is None:
            given = {aspect: form.get(f"best-{aspect}", "") for aspect in self.survey.aspects}
            return HTMLResponse(self.pages.question(person, place, given, problem="missing"), 422)
        await self._unless_spent(token, self._writer.vote(token, place, choices))
        return RedirectResponse(self._next(token, person), 303)

    def _place(self, request: Request, person: Person) -> int:
        place = int(request.path_params["number"]) - 1
        if not 0 <= place < len(person.asked):
            raise _Stop(RedirectResponse("/", 303))
        return place

    async def _last(self, request: Request) -> Response:
        token, person = self._open_person(request)
        where = self._next(token, person)
        return RedirectResponse(where, 303) if where != "/last" else HTMLResponse(self.pages.last(person))

    async def _finish(self, request: Request) -> Response:
        form = await _form(request)
        token, person = self._open_person(request)
        where = self._next(token, person)
        if where != "/last":
            return RedirectResponse(where, 303)
        comfort = form.get("comfort", "")
        if comfort not in COMFORT:
            return HTMLResponse(self.pages.last(person, problem="missing"), 422)
        comment = _clean(form.get("comment", ""), LONGEST_COMMENT)
        await self._unless_spent(token, self._writer.finish(token, comfort, comment))
        self._remember(token, replace(person, finished=True))
        return RedirectResponse("/", 303)

    async def _unless_spent(self, token: str, change: Future[None]) -> None:
        try:
            await _saved(change)
        except Spent:
            self._people.pop(token, None)  # another window has finished it
            raise _Stop(RedirectResponse("/", 303)) from None

    async def _picture(self, request: Request) -> Response:
        name = str(request.path_params["name"])
        data = self._loaded.get(name)
        if data is None:
            path = self._pictures.get(name)
            if path is None:
                return Response(status_code=404)
            data = await asyncio.to_thread(path.read_bytes)
            if sum(map(len, self._loaded.values())) + len(data) <= _LOADED_BYTES:
                self._loaded[name] = data
        return Response(data, media_type="image/webp", headers={"Cache-Control": "private, max-age=86400"})

    async def _health(self, request: Request) -> Response:
        return PlainTextResponse("ok\n")

    # What the one who runs it asks for.

    async def _admin(self, request: Request) -> Response:
        if not self._is_admin(request):
            return _styled(login_page())
        people = await asyncio.to_thread(self._everyone)
        return _styled(await asyncio.to_thread(lambda: results_page(tally(self.survey, people), live=True)))

    async def _login(self, request: Request) -> Response:
        form = await _form(request)
        address = f"admin {self._address(request)}"
        if self._guesses.exhausted(address):
            return _styled(login_page("Too many attempts: wait a minute."), 429)
        if not hmac.compare_digest(form.get("token", "").encode(), self.access.admin.encode()):
            self._guesses.allows(address)
            return _styled(login_page("That is not the admin token."), 403)
        session = secrets.token_urlsafe(24)
        self._admins[session] = None
        while len(self._admins) > 100:
            self._admins.pop(next(iter(self._admins)))
        response = RedirectResponse("/admin", 303)
        response.set_cookie(
            ADMIN_COOKIE, session, path="/admin", httponly=True, samesite="strict", secure=self.access.secure
        )
        return response

    async def _export(self, request: Request) -> Response:
        if not self._is_admin(request):
            return RedirectResponse("/admin", 303)
        kind = str(request.path_params["kind"])
        if kind not in ("csv", "jsonl"):
            return Response(status_code=404)
        people = await asyncio.to_thread(self._everyone)
        rows = export.rows(self.survey, people)
        text = export.to_csv(rows) if kind == "csv" else export.to_jsonl(rows)
        media = "text/csv" if kind == "csv" else "application/x-ndjson"
        attached = {"Content-Disposition": f'attachment; filename="votes.{kind}"'}
        return Response(text, media_type=media, headers=attached)

    def _is_admin(self, request: Request) -> bool:
        return request.cookies.get(ADMIN_COOKIE, "") in self._admins

    def _everyone(self) -> export.Everyone:
        reader = Reader(self.folder, self.identity)
        try:
            return reader.everyone()
        finally:
            reader.close()


class _Stop(Exception):
    """Ends a request early with ``response``."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _styled(page: tuple[str, str], status: int = 200) -> Response:
    text, policy = page
    return HTMLResponse(text, status, headers={"Content-Security-Policy": policy})


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a urlencoded form, each once. Raises `_Stop` for one that is too large, too slow or no form."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise _Stop(PlainTextResponse("not a form\n", 415))
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise _Stop(PlainTextResponse("too large\n", 413, headers={"Connection": "close"}))
    except (TimeoutError, ClientDisconnect):
        raise _Stop(PlainTextResponse("too slow\n", 408, headers={"Connection": "close"})) from None
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=200, errors="strict"))
    except (UnicodeDecodeError, ValueError):
        raise _Stop(PlainTextResponse("not a form\n", 400)) from None


async def _saved(change: Future[None]) -> None:
    # Shielded: who presses the button and closes the page at once has voted all the same.
    await asyncio.shield(asyncio.wrap_future(change))


def _clean(text: str, longest: int) -> str:
    kept = "".join(c for c in strip_invisible(nfc(text)) if c == "\n" or c.isprintable())
    return kept.strip()[:longest]


def serve(folder: Path, access: Access, *, host: str, port: int) -> None:
    """Serve until stopped. Raises `UserError` where the address cannot be used."""
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtra("uvicorn", "web") from error

    server = Server(folder, access)
    config = uvicorn.Config(
        server.app,
        host=host,
        port=port,
        access_log=False,  # links hold tokens, and who answered when is not to be kept
        server_header=False,
        log_level="warning",
        ws="none",
        lifespan="off",
        limit_concurrency=2000,
        timeout_keep_alive=20,
        h11_max_incomplete_event_size=16_384,
        proxy_headers=False,
    )
    try:
        uvicorn.Server(config).run()
    except SystemExit as error:
        # What uvicorn does where the port is taken; it has said why.
        raise UserError(f"cannot listen on {host}:{port}", "choose another --port", place=str(folder)) from error
    finally:
        server.close()
