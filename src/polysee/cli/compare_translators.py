"""``polysee compare-translators``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polysee.cli.text import table

if TYPE_CHECKING:
    from polysee.evaluation.statistics import Interval
    from polysee.evaluation.translation import Comparison, Entrant, Reference, Seconds
    from polysee.services.config import ServiceConfig

_HEAD = ("target", "system", "n", "chrF", "BLEU", "rating", "s/text", "cost/text", "failed", "licence")


@click.command("compare-translators")
@click.argument("services", required=False, type=click.Path(path_type=Path))
@click.option("--reference", required=True, help="JSON lines or TSV of source and reference, or `tuxpaint`.")
@click.option("--service", "names", multiple=True, help="Only these translators; all where left out.")
@click.option("--source", default="en", show_default=True, help="Language of sources that do not say it.")
@click.option("--target", "targets", multiple=True, help="Only these languages; for `tuxpaint` and rows without one.")
@click.option("--prompt-language", "prompts", multiple=True, help="Try chat models with prompts in these, or `target`.")
@click.option("--limit", type=click.IntRange(1), help="Most texts a language.")
@click.option("--by", type=click.Choice(["rating", "chrf", "bleu"]), help="What decides; ratings where all have them.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--save", type=click.Path(path_type=Path), help="Write the winner's `services:` entry to this file.")
def compare_translators(
    services: Path | None,
    reference: str,
    names: tuple[str, ...],
    source: str,
    targets: tuple[str, ...],
    prompts: tuple[str, ...],
    limit: int | None,
    by: Any,
    as_json: bool,
    save: Path | None,
) -> None:
    """Compare translators by accuracy, seconds and cost.

    They translate texts that people have translated; each mean has its 95% interval. SERVICES is a recipe, or a YAML
    file with the same `services:` section; Apertium alone where left out. Answers are always asked for anew.

    \b
    Examples:
      polysee compare-translators --reference tuxpaint --target es --target ca
      polysee compare-translators recipe.yaml --reference pairs.jsonl --prompt-language en --prompt-language ar
      polysee compare-translators recipe.yaml --reference pairs.tsv --target ar --json --save winner.yaml
    """
    import tempfile

    from polysee.evaluation.translation import compare, winner
    from polysee.services.open import Services

    configs = {config.name: config for config in _entrants(read_configs(services), names, prompts)}
    rows = _references(reference, source, targets, limit)
    with tempfile.TemporaryDirectory() as folder:  # no earlier answer may come out of a cache: seconds are measured
        opened = Services(tuple(configs.values()), Path(folder))
        try:
            opened.probe(configs)
            results = compare([_entrant(opened, name) for name in configs], rows)
        finally:
            opened.close()
    if not results:
        raise _nothing(rows)
    best = winner(results, by)
    if save is not None:
        _save(configs[best], save)
    if as_json:
        click.echo(
            json.dumps({"winner": best, "results": [_plain(one) for one in results]}, ensure_ascii=False, indent=1)
        )
    else:
        click.echo(table([_HEAD, *map(_row, results)], right=frozenset({2, 7})))
        click.echo(f"best: {best}")


def read_configs(path: Path | None) -> tuple[ServiceConfig, ...]:
    """The ``services:`` of a recipe or of a file of their own; Apertium for None. Raises `UserError`."""
    from pydantic import ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from polysee.schema.errors import UserError
    from polysee.services.config import ApertiumConfig, service_configs
    from polysee.sources.rows import unreadable

    if path is None:
        return (ApertiumConfig(name="apertium"),)
    try:
        tree = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        return service_configs.validate_json(json.dumps((tree or {}).get("services") or []), strict=True)
    except OSError as error:
        raise unreadable(path, error) from None
    except (UnicodeDecodeError, YAMLError, AttributeError, TypeError) as error:
        raise UserError(f"the file of services cannot be read: {error}", "give a recipe with a `services:` section",
                        place=str(path)) from None  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in ("services", *first["loc"]))
        raise UserError(f"{at}: {first['msg'].lower()}", "mend it", place=str(path)) from None


def _entrants(
    configs: tuple[ServiceConfig, ...], names: tuple[str, ...], prompts: tuple[str, ...]
) -> list[ServiceConfig]:
    """The translators asked for; a chat model once for each language of prompts, named ``<name>-<language>``."""
    from polysee.schema.errors import UserError
    from polysee.services.config import ChatTranslatorConfig
    from polysee.text.languages import language

    for tag in prompts:
        if tag != "target":
            language(tag)  # raises with the tag that was probably meant
    translators = {config.name: config for config in configs if config.role == "translator"}
    unknown = [name for name in names if name not in translators]
    if unknown or not translators:
        what = f"no translator is called {unknown[0]!r}" if unknown else "there is no translator to compare"
        raise UserError(what, f"there are {', '.join(translators)}" if translators else "add one to `services:`")
    found: list[ServiceConfig] = []
    for config in translators.values():
        if names and config.name not in names:
            continue
        if not prompts or not isinstance(config, ChatTranslatorConfig):
            found.append(config)
            continue
        for tag in prompts:
            changes = {"name": f"{config.name}-{tag.lower()}", "prompt_language": tag}
            found.append(config.model_validate(config.model_dump() | changes))
    return found


def _entrant(services: Any, name: str) -> Entrant:
    from polysee.evaluation.translation import Entrant

    def spent() -> float:
        return float(sum(one.spent for one in services.totals([name])))

    return Entrant(name, services.translator(name), spent)


def _references(given: str, source: str, targets: tuple[str, ...], limit: int | None) -> list[Reference]:
    from polysee.evaluation.translation import read_references, tuxpaint_references
    from polysee.schema.errors import UserError
    from polysee.text.languages import language

    for tag in (source, *targets):
        language(tag)  # raises with the tag that was probably meant
    if given == "tuxpaint":
        if not targets:
            raise UserError("`tuxpaint` wants languages", "add --target, such as --target es")
        rows = tuxpaint_references(targets)
    else:
        rows = read_references(Path(given), source=source, target=targets[0] if len(targets) == 1 else None)
        rows = [row for row in rows if not targets or row.target_language in targets]
    taken: dict[str, int] = {}
    kept = []
    for row in rows:
        taken[row.target_language] = taken.get(row.target_language, 0) + 1
        if limit is None or taken[row.target_language] <= limit:
            kept.append(row)
    if not kept:
        raise UserError("no row of the reference set is in these languages", "choose other targets")
    return kept


def _nothing(rows: list[Reference]) -> Exception:
    from polysee.schema.errors import UserError

    tags = ", ".join(sorted({row.target_language for row in rows}))
    return UserError(f"no translator has any of {tags}", "add another one to `services:`")


def _save(config: ServiceConfig, path: Path) -> None:
    import io

    from ruamel.yaml import YAML

    from polysee.store.atomic import write_bytes

    text = io.BytesIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump({"services": [json.loads(config.model_dump_json(exclude_defaults=True)) | {"kind": config.kind}]}, text)
    write_bytes(path, text.getvalue())


def _plain(one: Comparison) -> dict[str, Any]:
    return asdict(one)


def _row(one: Comparison) -> tuple[str, ...]:
    failed = ", ".join(f"{reason} {count}" for reason, count in sorted(one.failed.items()))
    return (
        one.target,
        one.system,
        f"{one.n:,}",
        _interval(one.chrf, 1),
        _interval(one.bleu, 1),
        _interval(one.rating, 2) if one.rating else "-",
        _interval(one.seconds, 4),
        f"{one.cost:.6f}" if one.cost else "-",
        failed or "-",
        one.licence,
    )


def _interval(interval: Interval | Seconds, digits: int) -> str:
    ends = [] if interval.low is None or interval.high is None else [interval.low, interval.high]
    return f"{interval.value:.{digits}f} ({'-'.join(f'{end:.{digits}f}' for end in ends) or '-'})"
