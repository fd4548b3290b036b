"""The ``polysee`` command. Each sub-command is a file of its own that is imported only when it is called."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from polysee import __version__
from polysee.schema.errors import UserError

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("polysee.cli.run:run", "Run a recipe, or go on with it."),
    "plan": ("polysee.cli.plan:plan", "Show what a run would do, and why, without doing it."),
    "show": ("polysee.cli.show:show", "Print samples of a run and where they came from."),
    "eval": ("polysee.cli.eval:eval", "Measure a checkpoint or a service on tasks, in every language."),
    "probe": ("polysee.cli.probe:probe", "Measure what a vision encoder knows, without its language model."),
    "task": ("polysee.cli.task:task", "Check task files, and list polysee's own."),
    "chat": ("polysee.cli.chat:chat", "Ask a run's model about a picture."),
    "export": ("polysee.cli.export:export", "Write a run's samples in a format of others."),
    "report": ("polysee.cli.report:report", "Write a run's report again."),
    "compare": ("polysee.cli.compare:compare", "Compare two models on the questions that both have answered."),
    "judge": ("polysee.cli.judge:judge", "Have a language model judge free answers."),
    "leaderboard": ("polysee.cli.leaderboard:leaderboard", "Write a page that compares several models."),
    "survey": ("polysee.cli.survey:survey", "Ask people which model's answers are best, blindly."),
    "catalogue": ("polysee.cli.catalogue:catalogue", "Search the datasets of M3IT, VisionBlocks and InternVL 2.5."),
    "compare-translators": (
        "polysee.cli.compare_translators:compare_translators",
        "Compare translators by accuracy, seconds and cost.",
    ),
    "doctor": ("polysee.cli.doctor:doctor", "Check this machine, and say how to mend it."),
    "recipe-schema": ("polysee.cli.recipe_schema:recipe_schema", "Print the JSON schema of recipes, for editors."),
}
"""Name -> where the command is, and the first line of its help (here, so that ``polysee --help`` imports none)."""

INTERRUPTED = 130


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            fix = f"did you mean `polysee {near[0]}`?" if near else f"commands: {', '.join(COMMANDS)}"
            raise UserError(f"no command is called {cmd_name!r}", fix)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="polysee", message="%(prog)s %(version)s")
def cli() -> None:
    """Teach a vision-language model your languages: from image-text data to a trained and measured checkpoint.

    \b
    Start here:
      polysee doctor
      polysee plan recipes/microworld.yaml
      polysee run recipes/microworld.yaml
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code: 0, 1 (a finding), 2 (the user can mend it), 130 (Ctrl-C)."""
    _never_fail_on_printing()
    _wait_without_spinning()
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        result: Any = cli.main(args=words, prog_name="polysee", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"error: {_cause(error)}\nhint: {_fix(error)}", err=True)
        return 2
    except UserError as error:
        click.echo(f"error: {error}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted: run the same command again to go on", err=True)
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _cause(error: click.ClickException) -> str:
    text = error.format_message().strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _fix(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"see `{context.command_path if context else 'polysee'} --help`"


def _wait_without_spinning() -> None:
    # OpenMP's threads spin for milliseconds where they wait for each other. Where other programs want the cores, a
    # training step is then twice to five times slower (benchmarks/threads.py). Read by libgomp when torch is imported;
    # the number of threads, and so every result, stays what it was.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _never_fail_on_printing() -> None:
    # A terminal without UTF-8 cannot show Hindi; `doctor` says so, and a run of hours must not die of it.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
