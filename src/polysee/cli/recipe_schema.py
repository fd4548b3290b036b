"""``polysee recipe-schema``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("recipe-schema")
@click.option("--output", type=click.Path(path_type=Path), help="Write to this file instead of the terminal.")
def recipe_schema(output: Path | None) -> None:
    """Print the JSON schema of recipes, for editors.

    An editor with a YAML language server completes and checks a recipe whose first line is
    `# yaml-language-server: $schema=recipe.schema.json`.

    \b
    Examples:
      polysee recipe-schema --output recipe.schema.json
      polysee recipe-schema | jq '."$defs".StageConfig'
    """
    from polysee.recipe.schema import json_schema
    from polysee.store.atomic import make_folder, to_json, write_json

    if output is None:
        click.echo(to_json(json_schema()), nl=False)
        return
    make_folder(output.parent)
    write_json(output, json_schema())
    click.echo(str(output))
