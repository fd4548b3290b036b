"""``polysee eval``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polysee.cli.text import count

if TYPE_CHECKING:
    from polysee.evaluation.scores import Score
    from polysee.services.config import ChatConfig


def _rows(ctx: click.Context, param: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if not value.isdecimal() or int(value) == 0:
        raise click.BadParameter(f"{value!r} is neither auto nor a number of rows")
    return int(value)


@click.command()
@click.argument("subject", required=False, type=click.Path(path_type=Path))
@click.option("--task", "names", multiple=True, required=True, help="A task file, one of polysee's own, or lmms:NAME.")
@click.option("--only", multiple=True, help="Only tasks of this name.")
@click.option("--language", "languages", multiple=True, help="Only samples in this language, such as ar or pt-BR.")
@click.option("--backend", default="native", show_default=True, type=click.Choice(["native", "openai", "vllm"]))
@click.option("--limit", type=click.IntRange(1), help="Most samples of each task, language and split.")
@click.option(
    "--distort",
    multiple=True,
    type=click.Choice(["blur", "noise", "jpeg", "contrast", "pixelate"]),
    help="Ask again with worse pictures, at three levels; may be given several times.",
)
@click.option(
    "--checkpoints",
    default="last",
    show_default=True,
    type=click.Choice(["last", "all"]),
    help="Of a run: all draws curves over the training.",
)
@click.option("--batch", default="auto", show_default=True, callback=_rows, help="Rows at once; changes no score.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="Changes no score.")
@click.option("--out", type=click.Path(path_type=Path), help="Where results go.  [default: SUBJECT/eval/TASK]")
@click.option("--seed", default=0, show_default=True, help="Of untrained weights, drawn answers and intervals.")
@click.option("--letters", is_flag=True, help="Show options by letters instead of weighing them.")
@click.option("--base-url", help="Address of an OpenAI-compatible service, up to /v1.")
@click.option("--model", help="The service's name of the model.")
@click.option("--api-key-env", help="Name of the environment variable that holds the service's key.")
@click.option("--price", nargs=2, type=float, default=(0.0, 0.0), help="Of a million tokens read and written.")
@click.option("--gate", type=click.Path(path_type=Path), help="Leave with 3 if a language fell against this folder's.")
@click.option("--max-drop", default=1.0, show_default=True, type=click.FloatRange(0, 100), help="Points it may fall.")
@click.option("--max-cost", type=float, help="The most that the service may cost.")
def eval(subject: Path | None, names: tuple[str, ...], **options: Any) -> int:
    """Measure a checkpoint or a service on tasks, in every language.

    SUBJECT is a run's folder or a checkpoint's. Answers are stored as they come: the same command goes on where it was
    interrupted. Writes predictions.lance and scores.json; with --checkpoints all, curves.json as well.

    \b
    Examples:
      polysee eval runs/microworld --task microworld --out results
      polysee eval runs/microworld --task my-task.yaml --language ar --language hi --limit 100
      polysee eval runs/microworld --task microworld --only naming --distort blur --distort jpeg
      polysee eval runs/microworld --task microworld --limit 20 --checkpoints all
      polysee eval runs/microworld --task lmms:mtvqa --limit 100
      polysee eval runs/new --task my-task.yaml --gate runs/old/eval/my-task --max-drop 2
      polysee eval --task my-task.yaml --backend openai --base-url http://127.0.0.1:8000/v1 --model qwen --out results
    """
    from polysee.evaluation.lmms.command import is_benchmark

    options["out"] = options["out"] or _default_out(subject, names)
    own = [name for name in names if not is_benchmark(name)]
    public = [name for name in names if is_benchmark(name)]
    if public:
        _check_public(own, options)
    if options["gate"]:
        _check_gate(options["gate"])
    code = _own(subject, own, options) if own else 0
    if public:
        _public(subject, public, options)
    return code


def _own(subject: Path | None, names: Sequence[str], options: Mapping[str, Any]) -> int:
    """polysee's own way of asking."""
    from rich.console import Console

    from polysee.evaluation.curves import evaluate_checkpoints
    from polysee.evaluation.session import Evaluation, as_letters, run_evaluation
    from polysee.evaluation.tasks.load import load_tasks

    tasks = [task for name in names for task in load_tasks(name)]
    tasks = _named(tasks, options["only"])
    if options["letters"]:
        tasks = [as_letters(task) for task in tasks]
    evaluation = Evaluation(
        tasks=tuple(tasks),
        out=options["out"],
        subject=subject,
        backend=options["backend"],
        service=_service(options) if options["backend"] == "openai" else None,
        **{name: options[name] for name in ("languages", "limit", "distort", "batch", "processes", "seed")},
    )
    curves: Path | None = None
    with Console(stderr=True).status("reading the questions") as status:

        def watch(what: str) -> Callable[[int, int], None]:
            return lambda done, total: status.update(f"{what}{done} of {total} units answered")

        if options["checkpoints"] == "all":
            outcome, curves = evaluate_checkpoints(evaluation, lambda one: watch(f"{one.name}: "))
        else:
            outcome = run_evaluation(evaluation, watch(""))
    for line in (*_table(outcome.scores), *_worse(outcome.more), *_over_checkpoints(curves)):
        click.echo(line)
    for name in outcome.left_out:
        click.echo(f"{name}: left out, for it has no samples in {', '.join(options['languages'])}", err=True)
    for task, bad in sorted(outcome.rejected.items()):
        click.echo(f"{task}: {count(bad)} records could not be used", err=True)
    click.echo(str(outcome.path))
    if outcome.failed:
        click.echo(f"{count(outcome.failed)} questions got no answer: run the same command again", err=True)
        return 1
    return _gate(options["out"], options) if options["gate"] else 0


def _check_gate(against: Path) -> None:
    """Raise `UserError` where there is nothing to hold the model against, before it is asked for hours."""
    from polysee.evaluation.items import read_answers

    read_answers(against)


def _gate(new: Path, options: Mapping[str, Any]) -> int:
    """Whether the model may pass: what `polysee compare --max-drop` tells, after an evaluation."""
    from polysee.evaluation.gate import GateConfig, check

    config = GateConfig(against=str(options["gate"]), max_drop=options["max_drop"] / 100)
    result = check(new, config, resamples=2000, seed=options["seed"])
    click.echo("\n".join(result.lines()))
    return result.exit_code


def _check_public(own: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raise `UserError` for what lmms-eval cannot do, before anything is asked."""
    from polysee.schema.errors import UserError

    if options["backend"] != "native" or options["languages"]:
        fix = "leave out --backend and --language; write lmms:NAME@LANGUAGE to say what language a benchmark is in"
        raise UserError("lmms-eval runs whole benchmarks on a checkpoint's folder", fix)
    if options["gate"] and not own:
        fix = "leave out --gate, or name one of polysee's own tasks as well"
        raise UserError("a gate needs single answers, which lmms-eval's benchmarks do not leave in the table", fix)
    if options["distort"] or options["checkpoints"] == "all":
        fix = "leave out --distort and --checkpoints, or evaluate polysee's own tasks in a command of their own"
        raise UserError("lmms-eval runs benchmarks as they are, on one checkpoint", fix)


def _public(subject: Path | None, names: Sequence[str], options: Mapping[str, Any]) -> None:
    """Benchmarks of lmms-eval, into the same table."""
    from polysee.evaluation.lmms.run import evaluate_subject

    folded = evaluate_subject(subject, names, options["out"], limit=options["limit"], batch=options["batch"])
    for line in _table(folded.scores):
        click.echo(line)
    for other in folded.others:
        click.echo(f"{other.task}  {other.metric}  {other.value:g} on a scale of its own")
    click.echo(str(options["out"] / "scores.json"))


def _named(tasks: Sequence[Any], only: Sequence[str]) -> list[Any]:
    from polysee.schema.errors import UserError

    known = [task.name for task in tasks]
    for name in only:
        if name not in known:
            raise UserError(f"no task is called {name!r}", f"the files have {', '.join(known)}")
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise UserError(f"two files have a task {twice[0]!r}", "evaluate them one after the other")
    return [task for task in tasks if not only or task.name in only]


def _default_out(subject: Path | None, names: Sequence[str]) -> Path:
    stem = "+".join(Path(name).stem for name in names)
    return (subject or Path()) / "eval" / stem


def _service(options: Mapping[str, Any]) -> ChatConfig:
    from pydantic import ValidationError

    from polysee.schema.errors import UserError
    from polysee.services.config import ChatConfig

    if not options["base_url"] or not options["model"]:
        raise UserError("the backend openai needs an address and a model", "give --base-url and --model")
    try:
        return ChatConfig(
            name="model",
            base_url=options["base_url"],
            model=options["model"],
            api_key_env=options["api_key_env"],
            price_in=options["price"][0],
            price_out=options["price"][1],
            max_cost=options["max_cost"],
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise UserError(f"{option}: {first['msg'].lower()}", "see `polysee eval --help`") from None


def _table(scores: Sequence[Score]) -> list[str]:
    """One line a task, metric, split, way of asking and kind of training; baselines beside the model."""
    from polysee.evaluation.worse import VARIANTS

    cells: dict[tuple[str, ...], dict[str | None, list[Score]]] = {}
    for score in scores:
        if score.variant in VARIANTS:
            continue
        asked = score.variant or "plainly"
        mode = " (official)" if score.mode == "official" else ""
        key: tuple[str, ...] = (score.task, score.metric + mode, score.split, asked, score.seen or "unknown")
        cells.setdefault(key, {}).setdefault(score.baseline, []).append(score)
    head = ("task", "metric", "split", "asked", "trained", "held in", "languages", "n", "value", "range", "chance")
    rows: list[tuple[str, ...]] = [(*head, "blank", "shuffled", "untrained", "unparsed", "wrong language")]
    for key, found in cells.items():
        own = found.get(None, [])
        if own:
            rows.append((*key, *_figures(own), *_baselines(found), *_faults(own)))
    return _lines(rows)


def _worse(more: Mapping[str, Any]) -> list[str]:
    """One line a distortion and level, over all questions; nothing where there was none."""
    found = [row for row in more.get("robustness", ()) if row["language"] is None and row["ability"] is None]
    head = ("distortion", "level", "n", "clean", "worse", "change", "95%")
    rows = [
        (row["distortion"], str(row["level"]), count(row["n"]), f"{row['clean']:.3f}", f"{row['value']:.3f}",
         f"{row['change']:+.3f}", f"{row['low']:+.3f} to {row['high']:+.3f}")
        for row in found
    ]  # fmt: skip
    return ["", *_lines([head, *rows])] if rows else []


def _over_checkpoints(path: Path | None) -> list[str]:
    """One line a checkpoint: the mean over languages, and each ability's."""
    if path is None:
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    curves = [curve for curve in content["curves"] if curve["language"] is None]
    rows = [("checkpoint", "steps", *(curve["ability"] or "overall" for curve in curves))]
    for place, one in enumerate(content["checkpoints"]):
        rows.append((one["name"], count(one["steps"]), *(f"{curve['points'][place]['value']:.3f}" for curve in curves)))
    return ["", *_lines(rows), str(path)]


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _figures(own: Sequence[Score]) -> tuple[str, ...]:
    values = [score.value for score in own]
    chances = [score.chance for score in own if score.chance is not None]
    held = {None: "unknown", True: "yes", False: "no"}[own[0].held_in]
    return (
        held,
        str(len(own)),
        count(sum(score.n for score in own)),
        _mean(values),
        f"{min(values):.3f}-{max(values):.3f}",
        _mean(chances),
    )


def _baselines(found: Mapping[str | None, Sequence[Score]]) -> tuple[str, ...]:
    return tuple(_mean([score.value for score in found.get(name, ())]) for name in ("blank", "shuffled", "untrained"))


def _faults(own: Sequence[Score]) -> tuple[str, ...]:
    return (_mean([score.unparsed for score in own]), _mean([score.wrong_language for score in own]))


def _mean(values: Sequence[float]) -> str:
    """The mean over languages; - where there is none."""
    return f"{sum(values) / len(values):.3f}" if values else "-"
