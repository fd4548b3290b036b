"""Translates polysee's instruction pools into languages that have none.

    python scripts/translate_pools.py FOLDER --target gl --target eo
    python scripts/translate_pools.py FOLDER --target ta --services recipe.yaml --service mt --task vqa

Writes FOLDER/<language>.yaml, for `pools: FOLDER` of the transform `instruct`. Without --services Apertium translates.
Answers are kept in FOLDER/.services: the same command again pays for nothing twice.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

from ruamel.yaml import YAML

from polysee.cli.compare_translators import read_configs
from polysee.schema.errors import UserError
from polysee.services.open import Services
from polysee.store.atomic import make_folder, write_bytes
from polysee.transforms.instruct import Pool, load_pool
from polysee.transforms.translated_pools import translate_pool


def write_pool(pool: Pool, path: Path) -> None:
    """A file as `polysee.transforms.instruct` reads it."""
    text = io.BytesIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.allow_unicode, yaml.width = False, True, 4096
    plain = {"language": pool.language, "reviewed": pool.reviewed}
    yaml.dump({**plain, "pools": {task: list(own) for task, own in pool.pools.items()}}, text)
    write_bytes(path, text.getvalue())


def main(arguments: list[str]) -> int:
    """Write the files. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", action="append", required=True)
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--services", type=Path, help="a recipe, or another file with a services: section")
    parser.add_argument("--service", help="the translator's name there; the first one where left out")
    given = parser.parse_args(arguments)
    try:
        configs = tuple(one for one in read_configs(given.services) if one.role == "translator")
        if not configs:
            raise UserError("there is no translator", "add one to `services:`", place=str(given.services))
        source = load_pool(given.source)
        if source is None:
            raise UserError(f"there is no pool in {given.source!r}", "translate from another language")
        services = Services(configs, make_folder(given.folder) / ".services")
        try:
            translator = services.translator(given.service or configs[0].name)
            for target in given.target:
                made = translate_pool(source, target, translator, given.task)
                write_pool(made.pool, given.folder / f"{target}.yaml")
                total = sum(map(len, made.pool.pools.values()))
                print(f"{target}: {total} sentences; {made.failed} not translated, {made.alike} alike")
        finally:
            services.close()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
