"""A folder of the package imports only from folders above it in the list that the README prints."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "polysee"
ORDER = (
    "schema",
    "text",
    "media",
    "store",
    "services",
    "sources",
    "transforms",
    "scores",
    "mixture",
    "packing",
    "models",
    "training",
    "inference",
    "evaluation",
    "report",
    "review",
    "survey",
    "loop",
    "recipe",
    "engines",
    "cli",
)
HEAVY = {"torch", "transformers", "accelerate", "lance", "ray", "datasets", "numba"}


def _imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """Full names of the modules that a file imports; with ``top_only`` not those inside of functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports by dots"
            if node.module == "polysee":
                yield from (f"polysee.{alias.name}" for alias in node.names)
            elif node.module:
                yield node.module


def test_every_folder_has_its_place() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} <= set(ORDER)


@pytest.mark.parametrize("folder", [name for name in ORDER if (PACKAGE / name).is_dir()])
def test_imports_point_upwards(folder: str) -> None:
    allowed = {"__version__", *ORDER[: ORDER.index(folder) + 1]}
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "polysee" and len(parts) > 1:
                assert parts[1] in allowed, f"{path.relative_to(PACKAGE)} imports {name}"


@pytest.mark.parametrize("folder", ["schema", "text", "store", "sources", "transforms", "scores", "recipe", "cli"])
def test_light_folders_load_nothing_heavy(folder: str) -> None:
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        found = {name.split(".")[0] for name in _imports(path, top_only=True)} & HEAVY
        assert not found, f"{path.relative_to(PACKAGE)} imports {', '.join(found)} at its top"
