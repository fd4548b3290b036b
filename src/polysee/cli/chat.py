"""``polysee chat``."""

from __future__ import annotations

from pathlib import Path

import click

from polysee.cli.text import plain


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("image", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("question")
@click.option("--about", default="", help="The thing that is asked about, where the question does not name it.")
def chat(run: Path, image: Path, question: str, about: str) -> None:
    """Ask a run's model about a picture.

    RUN is a run's folder, IMAGE a picture file, or - to ask without one. The model answers in the language of the
    question. A run learns the questions of its recipe: in the microworld an instruction, and on the next line the thing
    that it is about, which is what --about adds.

    \b
    Examples:
      polysee chat runs/microworld scene.png "What is this?"
      polysee chat runs/microworld scene.png "How many of these are there in the picture?" --about cat
      polysee chat runs/microworld scene.png "ما عدد مرات ظهور ما يلي؟" --about قطة
    """
    from polysee.inference.chat import answer

    picture = None if str(image) == "-" else image
    click.echo(plain(answer(run, picture, question, about=about)))
