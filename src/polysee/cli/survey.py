"""``polysee survey``: build, tokens, serve, results."""

from __future__ import annotations

import math
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import click

from polysee.schema.errors import UserError

ADMIN_VARIABLE = "POLYSEE_SURVEY_ADMIN"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def survey() -> None:
    """Ask people which model's answers are best, blindly.

    Nobody is told whose an answer is, and all orders are drawn by lot.

    \b
    Examples:
      polysee survey build surveys/ar --model ours=runs/ours --model theirs=theirs.jsonl --page ar --page en
      polysee survey tokens surveys/ar 200 --url https://survey.example.org > links.txt
      polysee survey serve surveys/ar
      polysee survey results surveys/ar
    """


@survey.command()
@click.argument("folder", type=_FOLDER)
@click.option(
    "--model", "models", multiple=True, metavar="NAME=PATH", help="A run folder, or a JSONL file of answers; 2 to 6."
)
@click.option("--page", "pages", multiple=True, metavar="TAG", help="Languages of the pages.  [default: all there are]")
@click.option("--language", "languages", multiple=True, metavar="TAG", help="Ask questions in these languages only.")
@click.option("--domain", "domains", multiple=True, help="Ask questions of these domains (or tasks) only.")
@click.option("--questions", default=10, show_default=True, type=click.IntRange(1), help="How many questions.")
@click.option("--per-person", type=click.IntRange(1), help="Ask each respondent this many of them.")
@click.option("--title", default="", help="Stands above the pages, in place of our own words.")
@click.option("--consent", "consents", multiple=True, metavar="TAG=FILE", help="Your own consent text in a language.")
@click.option("--country", "countries", multiple=True, metavar="CODE", help="Offer these countries only (ISO 3166).")
@click.option("--each-criterion", is_flag=True, help="Ask for the best by each of the five criteria as well.")
@click.option("--no-reference", is_flag=True, help="Do not show the right answer.")
@click.option("--no-ties", is_flag=True, help="Make respondents pick one answer.")
@click.option("--seed", default=0, show_default=True, help="Of the choice of questions and of all orders.")
def build(folder: Path, models: tuple[str, ...], consents: tuple[str, ...], **options: object) -> None:
    """Make a survey in FOLDER from the answers of 2 to 6 models.

    Pictures are stored in it as pixels alone, and FOLDER/survey.json may be read and mended before it is served.
    """
    from polysee.survey.build import Choice, build
    from polysee.survey.texts import available, words

    sources = {name: Path(path) for name, path in _pairs(models, "--model")}
    if len(sources) != len(models):
        raise UserError("two models have the same name", "give each --model a name of its own")
    pages = _texts(options["pages"]) or available()
    settings = {
        "title": options["title"],
        "languages": pages,
        "countries": _texts(options["countries"]),
        "each_criterion": options["each_criterion"],
        "show_reference": not options["no_reference"],
        "ties": not options["no_ties"],
        "per_person": options["per_person"],
        "consent": {tag: _read(Path(path)) for tag, path in _pairs(consents, "--consent")},
    }
    count, seed = options["questions"], options["seed"]
    assert isinstance(count, int)
    assert isinstance(seed, int)
    made = build(
        folder, sources, settings, Choice(count, _texts(options["languages"]), _texts(options["domains"]), seed)
    )
    click.echo(f"{folder}: {len(made.survey.questions)} questions to {len(sources)} models")
    if made.alike:
        click.echo(f"left out: {made.alike} questions that all models answer alike")
    if made.partial:
        click.echo(f"left out: {made.partial} questions that only some models have answered")
    if unread := [tag for tag in pages if not words(tag).reviewed]:
        click.echo(f"note: no native speaker has read our texts in {', '.join(unread)}; read them before you publish")
    click.echo(f"next: polysee survey tokens {folder} 100")


@survey.command()
@click.argument("folder", type=_FOLDER)
@click.argument("count", type=click.IntRange(1, 100_000))
@click.option("--url", default="http://127.0.0.1:8477", show_default=True, help="Where the survey will be reached.")
def tokens(folder: Path, count: int, url: str) -> None:
    """Print COUNT new links, one for each respondent. They are not stored and cannot be printed again."""
    from polysee.survey.questionnaire import read_questionnaire
    from polysee.survey.votes import add_tokens

    read_questionnaire(folder)
    for token in add_tokens(folder, count):
        click.echo(f"{url.rstrip('/')}/t/{token}")


@survey.command()
@click.argument("folder", type=_FOLDER)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8477, show_default=True, type=click.IntRange(1, 65535))
@click.option("--url", default="", help="Where respondents reach it, if not on this machine.")
@click.option("--public", is_flag=True, help="Allow a --host that other machines can reach.")
def serve(folder: Path, host: str, port: int, url: str, public: bool) -> None:
    """Serve the survey in FOLDER until Ctrl-C.

    It listens on this machine alone; put a proxy that speaks https before it and name its address with --url. Results
    are at /admin, for whoever knows the admin token: POLYSEE_SURVEY_ADMIN, or a new one that is printed at each start.
    """
    from polysee.survey.server import Access, serve

    if host not in _LOOPBACK and not public:
        raise UserError(
            f"other machines could reach {host}",
            "put a proxy with https before 127.0.0.1, or add --public if you mean it",
        )
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise UserError(f"--url {url} is no web address", "write it as https://survey.example.org")
    admin = os.environ.get(ADMIN_VARIABLE, "")
    if admin and len(admin) < 16:
        raise UserError(f"{ADMIN_VARIABLE} is too short to be safe", "give it 16 characters or more, or leave it out")
    local = f"http://{host}:{port}"
    click.echo(f"survey:  {url or local}")
    click.echo(f"results: {url.rstrip('/') or local}/admin")
    if not admin:
        admin = secrets.token_urlsafe(18)
        click.echo(f"admin token: {admin}")
    reached = url or (local if host not in _LOOPBACK else "")
    serve(folder, Access(admin=admin, url=reached), host=host, port=port)


@survey.command()
@click.argument("folder", type=_FOLDER)
@click.option("--out", type=_FOLDER, help="Where to write.  [default: FOLDER/results]")
@click.option("--finished-only", is_flag=True, help="Leave out respondents who have not come to the end.")
def results(folder: Path, out: Path | None, finished_only: bool) -> None:
    """Count the votes: print the standings; write results.html, results.json, votes.csv and votes.jsonl."""
    from polysee.cli.text import table
    from polysee.store.atomic import make_folder, to_json, write_text
    from polysee.survey import export
    from polysee.survey.questionnaire import read_questionnaire
    from polysee.survey.results import tally, to_json_value
    from polysee.survey.results_page import results_page
    from polysee.survey.votes import Reader

    asked = read_questionnaire(folder)
    reader = Reader(folder, asked.fingerprint())
    try:
        everyone = [one for one in reader.everyone() if one[0].finished or not finished_only]
        elsewhere, given = reader.elsewhere(), reader.tokens()
    finally:
        reader.close()
    found = tally(asked, everyone)
    target = make_folder(out or folder / "results")
    rows = export.rows(asked, everyone)
    for name, text in (
        ("results.html", results_page(found)[0]),
        ("results.json", to_json(to_json_value(found))),
        ("votes.csv", export.to_csv(rows)),
        ("votes.jsonl", export.to_jsonl(rows)),
    ):
        write_text(target / name, text)
    click.echo(f"{found.started} respondents of {given} tokens, {found.finished} finished, {found.votes} votes")
    if elsewhere:
        click.echo(f"not counted: {elsewhere} votes for other questions, from before survey.json was changed")
    lines: list[tuple[str, ...]] = [("place", "model", "share", "95%", "strength", "95%")]
    for one in found.standings:
        s = one.strength
        lines.append(
            (
                f"{s.rank_from}-{s.rank_to}" if s.rank_from != s.rank_to else str(s.rank_from),
                one.model,
                f"{one.rate.value:.1%}",
                f"{one.rate.low:.1%} to {one.rate.high:.1%}",
                f"{s.value:+.2f}",
                f"{s.low:+.2f} to {s.high:+.2f}" if math.isfinite(s.high) else "unknown",
            )
        )
    if found.standings:
        click.echo(table(lines))
    click.echo(str(target / "results.html"))


def _pairs(given: tuple[str, ...], option: str) -> list[tuple[str, str]]:
    out = []
    for one in given:
        name, sign, path = one.partition("=")
        if not sign or not name.strip() or not path:
            raise UserError(f"{option} {one} has no name or no path", f"write it as {option} NAME=PATH")
        out.append((name.strip(), path))
    return out


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("cannot read the consent text", "name a file of UTF-8 text", place=str(path)) from error
