"""Answers that must be JSON of a given schema: found in what the model wrote, and checked."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from polysee.schema.errors import MissingExtra

_FENCED = re.compile(r"```[a-zA-Z]*\s*\n(.*?)\n?\s*```", re.DOTALL)


class NotAsked(ValueError):
    """The text is not what was asked for. Its message is for the model that wrote it."""


def extract(text: str, schema: str) -> str:
    """The JSON value in ``text`` as JSON text, checked against ``schema`` (JSON text of a JSON schema).

    A fence of code around it, or words before and after it, are taken off. Raises `NotAsked`.
    """
    value = _value(text)
    problem = _problem(value, schema)
    if problem is not None:
        raise NotAsked(problem)
    return json.dumps(value, ensure_ascii=False)


def _value(text: str) -> Any:
    candidates = [text.strip(), *(found.strip() for found in _FENCED.findall(text))]
    starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
    if starts:
        end = max(text.rfind("}"), text.rfind("]"))
        candidates.append(text[min(starts) : end + 1])
    first: ValueError | None = None
    for candidate in candidates:
        try:
            return json.loads(candidate, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            first = first or ValueError(str(error))
    raise NotAsked(f"it is not valid JSON: {first}")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _problem(value: Any, schema: str) -> str | None:
    validator = _validator(schema)
    errors = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
    if not errors:
        return None
    said = [f"at {error.json_path}: {error.message[:300]}" for error in errors[:3]]
    return "it does not fit the schema: " + "; ".join(said)


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    try:
        from jsonschema.validators import validator_for
    except ModuleNotFoundError as error:
        raise MissingExtra("jsonschema", "services") from error
    tree = json.loads(schema)
    kind = validator_for(tree)
    kind.check_schema(tree)
    return kind(tree)
