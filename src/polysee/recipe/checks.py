"""Checks that look at more than one value of a recipe. They read the plain tree, so that a mistake elsewhere does
not hide theirs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from polysee import scores, transforms
from polysee.models.config import ModelConfig
from polysee.recipe.problems import Keys
from polysee.schema.document import child
from polysee.services.config import ROLES, Role
from polysee.services.use import used_names
from polysee.training.config import StageConfig

_Section = TypeVar("_Section", StageConfig, ModelConfig)

RESERVED = ("encoder", "evaluate", "evaluate-checkpoints", "judge", "report", "tokenizer")
"""Names of the steps that every run may have. A stage ``x`` has the steps ``pack-x`` and ``train-x``."""

_IN_WORDS = ("exact_match", "chrf")

STEP_SECTIONS = ("sources", "transforms", "scores", "select", "stages")


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake without its place: ``cause`` and ``fix`` as in `UserError`."""

    keys: Keys
    cause: str
    fix: str


def cross_findings(tree: Any) -> list[Finding]:
    """What is wrong between the sections of a recipe's tree, whatever else is wrong with it."""
    if not isinstance(tree, dict):
        return []
    return [
        *_names(tree),
        *_services(tree),
        *_needs(tree),
        *_repeats(tree),
        *_packs(tree),
        *_evaluation(tree),
    ]


def entries(tree: Any, section: str) -> list[tuple[int, dict[str, Any]]]:
    """The entries of a list section that are mappings, with their indices."""
    listed = child(tree, section)
    return [(i, entry) for i, entry in enumerate(listed) if isinstance(entry, dict)] if isinstance(listed, list) else []


def _names(tree: dict[str, Any]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    stages = [entry.get("name") for _, entry in entries(tree, "stages")]
    reserved = {f"{verb}-{stage}" for verb in ("pack", "train") for stage in stages}
    for section in STEP_SECTIONS:
        for index, entry in entries(tree, section):
            name = entry.get("name")
            if not isinstance(name, str):
                continue
            keys: Keys = (section, index, "name")
            if (name in reserved and section != "stages") or name in RESERVED:
                yield Finding(keys, f"polysee has a step of its own called `{name}`", f"call it `my-{name}`, say")
            elif name in seen:
                cause = f"the name `{name}` is taken by an entry of `{seen[name]}`"
                yield Finding(keys, cause, "give every source, transform, score, select and stage a name of its own")
            seen.setdefault(name, section)


def _services(tree: dict[str, Any]) -> Iterator[Finding]:
    roles: dict[str, Role] = {}
    for index, entry in entries(tree, "services"):
        name, role = entry.get("name"), ROLES.get(str(entry.get("kind")))
        if isinstance(name, str) and name in roles:
            yield Finding(("services", index, "name"), f"another service is called `{name}`", "give it another name")
        elif isinstance(name, str) and role is not None:
            roles[name] = role
    for section, registry in (("transforms", transforms), ("scores", scores)):
        for index, entry in entries(tree, section):
            params = entry.get("params", {})
            if entry.get("use") not in registry.names() or not isinstance(params, dict):
                continue
            for place, name, role in used_names(registry.get(entry["use"]), params):
                # A service that is wrong in itself is reported elsewhere.
                if roles.get(name) != role and name not in _named_wrongly(tree):
                    yield _no_service((section, index, "params", *place), name, role, roles)
    judge = child(tree.get("evaluate"), "judge")
    chat = child(judge, "chat")
    if isinstance(judge, dict) and roles.get(str(chat)) != "chat" and chat not in _named_wrongly(tree):
        yield _no_service(("evaluate", "judge", "chat"), str(chat or ""), "chat", roles)


def _no_service(keys: Keys, name: str, role: Role, roles: dict[str, Role]) -> Finding:
    fitting = [other for other, its in roles.items() if its == role]
    kinds = " or ".join(kind for kind, its in ROLES.items() if its == role)
    if name in roles:
        cause = f"the service `{name}` is for {roles[name]}, and this wants one for {role}"
    else:
        cause = f"no service is called `{name}`"
    near = difflib.get_close_matches(name, fitting, n=1)
    if near:
        return Finding(keys, cause, f"did you mean `{near[0]}`?")
    named = f"name one of {', '.join(fitting)}" if fitting else f"add one of kind {kinds} to `services:`"
    return Finding(keys, cause, named)


def _named_wrongly(tree: dict[str, Any]) -> set[str]:
    return {str(entry.get("name")) for _, entry in entries(tree, "services") if str(entry.get("kind")) not in ROLES}


def _needs(tree: dict[str, Any]) -> Iterator[Finding]:
    measured = child(tree.get("evaluate"), "tasks")
    wants = (
        (("stages",), tree.get("stages"), ("model", "tokenizer")),
        (("encoder",), tree.get("encoder"), ("model",)),
        (("evaluate", "tasks"), measured, ("stages",)),
    )
    if not tree.get("sources") and not tree.get("encoder"):
        yield Finding(("sources",), "a recipe needs at least one source", "add an entry to `sources:`")
    for keys, wanted, needed in wants:
        if wanted in (None, []):
            continue
        for other in needed:
            if tree.get(other) in (None, []):
                yield Finding(keys, f"this needs a `{other}` section", f"add `{other}:` to the recipe")


def _repeats(tree: dict[str, Any]) -> Iterator[Finding]:
    names = [str(entry.get("name")) for _, entry in entries(tree, "sources")]
    for index, stage in entries(tree, "stages"):
        repeat = stage.get("repeat")
        for name in repeat if isinstance(repeat, dict) else ():
            if name not in names:
                fix = f"the sources are {', '.join(names)}"
                yield Finding(("stages", index, "repeat", name), f"no source is called `{name}`", fix)


def _packs(tree: dict[str, Any]) -> Iterator[Finding]:
    model = _valid(ModelConfig, tree.get("model"))
    for index, entry in entries(tree, "stages"):
        stage = _valid(StageConfig, entry)
        if stage is None:
            continue
        most = stage.image_tiles + 1 if stage.image_tiles > 1 else 1
        cut = f"one image can take {most} tiles (image_tiles {stage.image_tiles}, and a thumbnail where it is cut)"
        if stage.max_tiles < most:
            fix = f"set max_tiles to {most} or more, or image_tiles to {max(1, stage.max_tiles - 1)}"
            yield Finding(("stages", index, "max_tiles"), f"{cut}, a pack holds {stage.max_tiles}", fix)
        if model is not None and most * model.tokens_per_tile >= stage.max_tokens:
            visual = most * model.tokens_per_tile
            cause = f"{cut} of {model.tokens_per_tile} tokens: {visual} tokens, a pack holds {stage.max_tokens}"
            fix = f"set max_tokens well above {visual}, or image_tiles lower"
            yield Finding(("stages", index, "max_tokens"), cause, fix)


def _evaluation(tree: dict[str, Any]) -> Iterator[Finding]:
    evaluate = tree.get("evaluate")
    splits = child(evaluate, "splits")
    if isinstance(splits, list) and "train" in splits:
        keys: Keys = ("evaluate", "splits", splits.index("train"))
        yield Finding(keys, "what was trained on cannot measure a model", "name held-out splits only")
    stages = [_valid(StageConfig, entry) for _, entry in entries(tree, "stages")]
    if child(evaluate, "checkpoints") == "all" and len(stages) == 1 and stages[0] and not stages[0].kept_steps:
        cause = f"a curve needs two checkpoints, and one stage of {stages[0].steps} steps makes one"
        yield Finding(
            ("evaluate", "checkpoints"), cause, "let the stage keep more: give it `keep_every`, below its steps"
        )
    yield from _judge(evaluate)
    seen: set[tuple[str, str]] = set()
    for index, entry in entries(evaluate, "tasks"):
        pair = (str(entry.get("task")), str(entry.get("metric")))
        if pair in seen:
            fix = "remove one of the two"
            yield Finding(("evaluate", "tasks", index), f"{pair[0]} is measured by {pair[1]} twice", fix)
        seen.add(pair)


def _judge(evaluate: Any) -> Iterator[Finding]:
    judge = child(evaluate, "judge")
    if not isinstance(judge, dict):
        return
    if judge.get("mode") not in (None, "score"):
        fix = "leave `mode` out, and compare several runs with `polysee judge`"
        yield Finding(("evaluate", "judge", "mode"), "a recipe has one model, and this compares several", fix)
    free = [str(entry.get("task")) for _, entry in entries(evaluate, "tasks") if entry.get("metric") in _IN_WORDS]
    wanted = judge.get("tasks")
    known = f"there are {', '.join(free)}" if free else "measure a task by exact_match or chrf"
    if not free:
        yield Finding(("evaluate", "judge"), "a judge reads answers in words, and no task has any", known)
    for index, name in enumerate(wanted if isinstance(wanted, list | tuple) and free else ()):
        if name not in free:
            cause = f"no task with answers in words is called `{name}`"
            yield Finding(("evaluate", "judge", "tasks", index), cause, known)


def _valid(kind: type[_Section], tree: Any) -> _Section | None:
    # A section that is wrong in itself is reported elsewhere; here it only means that nothing can be compared.
    try:
        return kind.model_validate(tree)
    except ValidationError:
        return None
