"""``polysee chat``."""

from __future__ import annotations

from pathlib import Path

import click

from polysee.cli.text import plain


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("image", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("question")
@click.option("--language", help="The question's language, such as ar or pt-BR.")
def chat(run: Path, image: Path, question: str, language: str | None) -> None:
    """Ask a run's model about a picture.

    RUN is a run's folder, IMAGE a picture file, or - to ask without one. The model answers in the language of the
    question.

    \b
    Examples:
      polysee chat runs/microworld scene.png "How many cats are there?"
      polysee chat runs/microworld scene.png "كم عدد القطط؟" --language ar
    """
    from polysee.inference.chat import answer

    picture = None if str(image) == "-" else image
    click.echo(plain(answer(run, picture, question, language=language)))
