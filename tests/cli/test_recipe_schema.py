"""The JSON schema says what the loader says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from polysee import scores, sources, transforms
from polysee.recipe.schema import json_schema

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_each_part_brings_its_parameters(command: Command) -> None:
    done = command("recipe-schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    assert set(schema["required"]) == {"name"}
    assert schema["additionalProperties"] is False
    for config, registry in (("SourceConfig", sources), ("TransformConfig", transforms), ("ScoreConfig", scores)):
        step = schema["$defs"][config]
        assert step["properties"]["use"]["enum"] == [rule["if"]["properties"]["use"]["const"] for rule in step["allOf"]]
        # Other packages add parts by entry points; those that tests bring are not on the path of another process.
        assert set(step["properties"]["use"]["enum"]) <= set(registry.names())
        assert step["properties"]["use"]["enum"]
        for rule in step["allOf"]:
            name = rule["if"]["properties"]["use"]["const"]
            reference = rule["then"]["properties"]["params"]["$ref"].rsplit("/", 1)[-1]
            assert set(schema["$defs"][reference].get("properties", {})) == set(registry.get(name).Params.model_fields)


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(json_schema())
    names = set(json_schema()["$defs"])
    used = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert used <= names


def test_it_can_go_to_a_file(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "new" / "recipe.schema.json"
    done = command("recipe-schema", "--output", path)
    assert (done.returncode, done.stdout) == (0, f"{path}\n")
    assert path.read_text(encoding="utf-8") == command("recipe-schema").stdout
    done = command("recipe-schema", "--output", path / "x.json")
    assert (done.returncode, done.stderr.count("Traceback")) == (2, 0)
