"""``polysee judge``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polysee.cli.text import count, isolate, table
from polysee.schema.errors import UserError

if TYPE_CHECKING:
    from polysee.evaluation.judge.config import JudgeSection
    from polysee.evaluation.judge.findings import Findings, PairRow
    from polysee.services.config import ChatConfig, ServiceConfig

_PATH = click.Path(path_type=Path)
_OVERRIDES = {"k": "samples", "mode": "mode", "preset": "preset", "scale": "scale", "tie": "tie", "limit": "limit"}
_OVERRIDES |= {"tasks": "tasks", "languages": "languages"}
_OPTION_OF = {"samples": "--k", "tasks": "--task", "languages": "--language"}


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN…")
@click.option("--config", "--recipe", "config", type=_PATH, help="A recipe, or a file of `services:` and `judge:`.")
@click.option("--chat", help="Who judges: a service of that file, or an OpenAI-compatible address up to /v1.")
@click.option("--model", help="The name of the model at that address.")
@click.option("--api-key-env", help="Name of the environment variable that holds its key.")
@click.option("--price", nargs=2, type=float, help="Of a million tokens read and written.")
@click.option("--max-cost", type=float, help="The most that judging into this folder may cost.")
@click.option("--mode", type=click.Choice(["score", "pair", "rank"]), help="[default: score one run, pair several]")
@click.option("--preset", type=click.Choice(["reference", "picture"]), help="What the judge is shown.")
@click.option("--scale", type=click.Choice(["1-10", "0-10"]), help="Of its scores.")
@click.option("--k", type=click.IntRange(1, 20), help="Verdicts drawn for each order of the answers.  [default: 3]")
@click.option("--tie", type=click.FloatRange(0, 10), help="Closer means than this are a tie.  [default: 0]")
@click.option("--task", "tasks", multiple=True, help="These tasks only; may be given several times, as the next ones.")
@click.option("--split", "splits", multiple=True, help="These held-out parts only.")
@click.option("--language", "--languages", "languages", multiple=True, metavar="TAG", help="These languages only.")
@click.option("--limit", type=click.IntRange(1), help="Most questions of each language.")
@click.option("--data", multiple=True, help="A run or a task file that holds the questions, if the runs do not.")
@click.option("--human", type=_PATH, help="Votes of `polysee survey results` to compare the judge with.")
@click.option("--out", type=_PATH, help="Where results go.  [default: RUN/judge/NAMES]")
@click.option("--resamples", default=2000, show_default=True, type=click.IntRange(100), help="Of the bootstrap.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the bootstrap.")
def judge(runs: tuple[str, ...], **options: Any) -> int:
    """Have a language model judge free answers.

    Each RUN is a folder of `polysee run` or `polysee eval`, or NAME=FOLDER. The answers of one are scored, those of
    several compared: in both orders, several times each, with what cannot be read counted. Verdicts are kept as they
    come: the same command goes on where it was interrupted, and nothing is paid twice. Writes judge.json and
    verdicts.jsonl.

    \b
    Examples:
      polysee judge runs/new --config judge.yaml
      polysee judge ours=runs/new theirs=runs/old --config judge.yaml --language ar --language am --limit 100
      polysee judge runs/a runs/b --chat http://127.0.0.1:8000/v1 --model Qwen/Qwen3-32B --k 1
      polysee judge runs/a runs/b runs/c --config judge.yaml --mode rank
      polysee judge ours=runs/new theirs=runs/old --config judge.yaml --human surveys/ar/results/votes.jsonl
    """
    from rich.console import Console

    from polysee.evaluation.judge.session import Judgement, run_judgement

    folders = _folders(runs)
    services, section = _read(options["config"])
    section = _overridden(section, options)
    service = _service(services, section, options)
    judgement = Judgement(
        folders=folders,
        out=options["out"] or next(iter(folders.values())) / "judge" / "+".join(folders),
        section=section,
        service=service,
        **{name: options[name] for name in ("splits", "data", "human", "resamples", "seed")},
    )
    console = Console(stderr=True)
    with console.status("reading the answers") as status:
        outcome = run_judgement(judgement, lambda done, total: status.update(f"{done} of {total} judged"))
    for line in _lines(outcome.findings, judgement):
        click.echo(line)
    for total in outcome.totals:
        click.echo(f"in this folder so far: {total.line()}", err=True)
    click.echo(str(outcome.path))
    failed = outcome.findings.trust[-1].failed
    if failed:
        click.echo(f"{count(failed)} requests got no answer: run the same command again", err=True)
        return 1
    return 0


def _folders(runs: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for run in runs:
        name, sign, folder = run.partition("=")
        if not (sign and name and folder) or Path(run).exists():
            name, folder = Path(run).resolve().name, run
        if name in found:
            raise UserError(f"two of the models are called {name!r}", f"write NAME=FOLDER: other={folder}")
        if "/" in name:
            raise UserError(f"the name {name!r} has a slash in it", "choose one that can be part of a folder's name")
        if not Path(folder).is_dir():
            raise UserError("there is no such folder", "name a folder of `polysee run` or `polysee eval`", place=folder)
        found[name] = Path(folder)
    return found


def _read(path: Path | None) -> tuple[tuple[ServiceConfig, ...], JudgeSection]:
    """The services and the ``judge:`` section of a recipe, or of a file that has nothing else."""
    from polysee.evaluation.judge.config import JudgeSection
    from polysee.recipe.load import load_recipe
    from polysee.schema.document import parse

    if path is None:
        return (), JudgeSection()
    try:
        document = parse(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise UserError(f"this file cannot be read ({reason.lower()})", "name a recipe, or a file of `services:` and "
                        "`judge:`", place=str(path)) from None  # fmt: skip
    if isinstance(document.value, dict) and "name" in document.value:
        recipe = load_recipe(path)
        section = recipe.evaluate.judge if recipe.evaluate is not None else None
        return recipe.services, section or JudgeSection()
    return _judge_file(document)


def _judge_file(document: Any) -> tuple[tuple[ServiceConfig, ...], JudgeSection]:
    from pydantic import ValidationError

    from polysee.evaluation.judge.config import JudgeFile
    from polysee.recipe.hiding import hide_secrets
    from polysee.schema.messages import show, translate
    from polysee.schema.problems import FileError

    document, problems = hide_secrets(document)
    problems = [*problems, *document.problems]
    if not isinstance(document.value, dict):
        problems.append(document.problem((), f"this is {show(document.value)}", "start with `services:`"))
        raise FileError(problems)
    try:
        loaded = JudgeFile.model_validate_json(json.dumps(document.value), strict=True)
    except ValidationError as error:
        raise FileError([*problems, *translate(error, JudgeFile.model_json_schema(), document)]) from None
    if problems:
        raise FileError(problems)
    return loaded.services, loaded.judge


def _overridden(section: JudgeSection, options: Mapping[str, Any]) -> JudgeSection:
    from pydantic import ValidationError

    given = {field: options[name] for name, field in _OVERRIDES.items() if options[name] not in (None, ())}
    try:
        return type(section).model_validate(section.model_dump() | given)
    except ValidationError as error:
        first = error.errors()[0]
        named = [str(part) for part in first["loc"][:1]]
        option = "".join(_OPTION_OF.get(name, f"--{name}") + ": " for name in named)
        raise UserError(f"{option}{first['msg'].lower()}", "see `polysee judge --help`") from None


def _service(services: Sequence[ServiceConfig], section: JudgeSection, options: Mapping[str, Any]) -> ChatConfig:
    """The chat that judges, with the budget and the prices of the command line where it names any."""
    from pydantic import ValidationError

    from polysee.services.config import ChatConfig
    from polysee.services.open import Services

    name = options["chat"] or section.chat
    price = options["price"] or ()
    changes = {"max_cost": options["max_cost"], "api_key_env": options["api_key_env"], "model": options["model"]}
    changes |= dict(zip(("price_in", "price_out"), price, strict=False))
    changes = {field: value for field, value in changes.items() if value is not None}
    try:
        if name.startswith(("http://", "https://")):
            if not options["model"]:
                raise UserError("--chat names an address, and no model there", "add --model")
            return ChatConfig.model_validate({"name": "judge", "base_url": name, **changes})
        chats = [one for one in services if isinstance(one, ChatConfig)]
        if not name and len(chats) != 1:
            many = f"there are {', '.join(one.name for one in chats)}" if chats else "no chat service is named"
            raise UserError(f"who judges is not said; {many}",
                            "add --chat with a service's name, or with an address and --model")  # fmt: skip
        found = Services(services, None).config(name or chats[0].name, "chat")
        return ChatConfig.model_validate(found.model_dump() | changes)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-").replace("base-url", "chat")
        raise UserError(f"{option}: {first['msg'].lower()}", "see `polysee judge --help`") from None


def _lines(found: Findings, judgement: Any) -> list[str]:
    config = found.judged.config
    letters = {name: chr(ord("A") + place) for place, name in enumerate(found.names)}
    orders = "in one order" if config.mode == "score" or not config.both_orders else "in both orders"
    how = f"{config.mode}, {config.preset}, scale {config.scale}, k {config.samples}, {orders}"
    lines = [
        f"judge {isolate(found.judged.model)}: {how}",
        *(f"{letters[name]} {isolate(name)}  {isolate(str(path))}" for name, path in judgement.folders.items()),
        f"{count(found.questions)} questions about {count(found.pictures)} pictures",
    ]
    if found.left_out or found.failed:
        lines.append(f"not judged: {count(found.left_out)} that only some have answered, {count(found.failed)} failed")
    if found.pairs:
        lines += ["", _pairs(found, letters)]
    if found.models:
        lines += ["", _models(found, letters)]
    if found.standings:
        lines += ["", _standings(found, letters)]
    lines += ["", _trust(found)]
    if found.people:
        lines += ["", _people(found)]
        if found.people_alpha is not None:
            lines.append(f"people among themselves: alpha {found.people_alpha:.2f}")
    return [*lines, ""]


def _pairs(found: Findings, letters: Mapping[str, str]) -> str:
    head = ("pair", "language", "n", "win", "tie", "loss", "rate", "95% interval", "p", "corrected", "pictures")
    rows: list[tuple[str, ...]] = [head]
    for one in found.pairs:
        rows.append(
            (
                f"{letters[one.first]}-{letters[one.second]}",
                _where(one),
                *(f"{n:,}" for n in (one.n, one.wins, one.ties, one.losses)),
                f"{one.rate:.1%}",
                f"{one.low:.1%} to {one.high:.1%}",
                _p(one.p),
                _p(one.adjusted),
                f"{one.pictures:,}",
            )
        )
    return table(rows, right=frozenset({2, 3, 4, 5, 6, 7, 8, 9, 10}))


def _models(found: Findings, letters: Mapping[str, str]) -> str:
    unit = "place" if found.judged.config.mode == "rank" else "score"
    rows: list[tuple[str, ...]] = [("model", "language", "n", unit, "0-1", "95% interval", "pictures")]
    for one in found.models:
        rows.append(
            (
                letters[one.model],
                one.task or one.language,
                f"{one.n:,}",
                f"{one.points:.2f}",
                f"{one.value:.3f}",
                f"{one.low:.3f} to {one.high:.3f}",
                f"{one.pictures:,}",
            )
        )
    return table(rows, right=frozenset(range(2, 7)))


def _standings(found: Findings, letters: Mapping[str, str]) -> str:
    rows: list[tuple[str, ...]] = [("place", "model", "strength", "95% interval")]
    for one in found.standings:
        place = str(one.rank_from) if one.rank_from == one.rank_to else f"{one.rank_from}-{one.rank_to}"
        ends = f"{one.low:+.2f} to {one.high:+.2f}" if math.isfinite(one.high) else "unknown"
        rows.append((place, letters[one.name], f"{one.value:+.2f}", ends))
    return table(rows, right=frozenset({2, 3}))


def _trust(found: Findings) -> str:
    from polysee.services.ledger import money

    head = ("language", "verdicts", "none", "alike", "asked", "unparsed", "failed", "orders differ", "lean", "cost")
    rows: list[tuple[str, ...]] = [head]
    for one in found.trust:
        rows.append(
            (
                one.language,
                *(f"{n:,}" for n in (one.verdicts, one.without, one.alike, one.asked, one.unparsed, one.failed)),
                "-" if one.steady is None else f"{1 - one.steady:.1%}",
                "-" if one.lean is None else f"{one.lean:+.2f}",
                money(found.cost[one.language]),
            )
        )
    return table(rows, right=frozenset(range(1, 10)))


def _people(found: Findings) -> str:
    rows: list[tuple[str, ...]] = [
        ("language", "n", "as people", "95% interval", "kappa", "alpha", "rho", "no verdict")
    ]
    for one in found.people:
        ends = "-" if one.low is None or one.high is None else f"{one.low:.1%} to {one.high:.1%}"
        same = "-" if one.same is None else f"{one.same:.1%}"
        measures = ("-" if value is None else f"{value:.2f}" for value in (one.kappa, one.alpha, one.rho))
        rows.append((one.language, f"{one.n:,}", same, ends, *measures, f"{one.without:,}"))
    return table(rows, right=frozenset(range(1, 8)))


def _where(one: PairRow) -> str:
    return one.task or one.language


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "<0.001"
