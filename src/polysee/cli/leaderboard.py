"""``polysee leaderboard``."""

from __future__ import annotations

from pathlib import Path

import click

from polysee.schema.errors import UserError

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN…")
@click.option("--out", required=True, type=_PATH, help="The page to write, such as board.html.")
@click.option("--title", default="Leaderboard", show_default=True, help="Stands above the page.")
@click.option("--duel", nargs=2, metavar="A B", help="Show the answers of these two.  [default: the two best]")
@click.option("--cards", default=48, show_default=True, type=click.IntRange(0, 1000), help="Answers shown at most.")
@click.option("--data", multiple=True, type=_PATH, help="A run that holds the questions, if the models' runs do not.")
@click.option("--checkpoints", is_flag=True, help="The models are checkpoints in this order: draw curves.")
@click.option("--resamples", default=2000, show_default=True, type=click.IntRange(100), help="Of the bootstrap.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the bootstrap.")
def leaderboard(
    runs: tuple[str, ...], out: Path, duel: tuple[str, str] | None, data: tuple[Path, ...], **options: object
) -> None:
    """Write a page that compares several models.

    Each RUN is a folder of `polysee run` or `polysee eval`, or NAME=FOLDER. The page is one HTML file that needs
    nothing else: scores with intervals, tests against the best, and pictures that one model got right and another
    did not.

    \b
    Examples:
      polysee leaderboard runs/small runs/large --out board.html
      polysee leaderboard early=out/step-1000 late=out/step-9000 --checkpoints --out curves.html
    """
    from polysee.report.leaderboard import Options, write_leaderboard

    title, cards, resamples, seed = (options[name] for name in ("title", "cards", "resamples", "seed"))
    assert isinstance(title, str)
    assert isinstance(cards, int)
    assert isinstance(resamples, int)
    assert isinstance(seed, int)
    if options["checkpoints"] and len(runs) < 2:
        raise UserError("a curve needs two checkpoints", "name them in the order of training")
    chosen = Options(
        title=title,
        duel=duel or (),
        cards=cards,
        data=data,
        checkpoints=bool(options["checkpoints"]),
        resamples=resamples,
        seed=seed,
    )
    click.echo(str(write_leaderboard([_named(run) for run in runs], out, chosen)))


def _named(run: str) -> tuple[str, Path]:
    """``NAME=FOLDER``; a folder alone is called by its own name, also where that has a sign of equality in it."""
    name, sign, folder = run.partition("=")
    if sign and name and folder and not Path(run).exists():
        return name, Path(folder)
    return Path(run).resolve().name, Path(run)
