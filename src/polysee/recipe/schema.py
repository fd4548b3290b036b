"""The JSON schema of a recipe, for editors that complete and check while one types."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from polysee import scores, sources, transforms
from polysee.recipe.models import Recipe, ScoreConfig, SourceConfig, TransformConfig

_STEPS = ((SourceConfig, sources), (TransformConfig, transforms), (ScoreConfig, scores))


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of `Recipe`; the parameters of a step follow from what it uses."""
    models = [Recipe, *(registry.get(name).Params for _, registry in _STEPS for name in registry.names())]
    references, top = models_json_schema([(model, "validation") for model in models])
    definitions: dict[str, Any] = top["$defs"]
    for config, registry in _STEPS:
        step = definitions[config.__name__]
        step["properties"]["use"] = {**step["properties"]["use"], "enum": registry.names()}
        step["allOf"] = [
            {
                "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
                "then": {"properties": {"params": references[registry.get(name).Params, "validation"]}},
            }
            for name in registry.names()
        ]
    recipe = definitions.pop(references[Recipe, "validation"]["$ref"].rsplit("/", 1)[-1])
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "polysee recipe"}
    return {**head, **{key: value for key, value in recipe.items() if key != "title"}, "$defs": definitions}
