"""What the documentation shows is true: its code runs, its recipes load, its commands answer, its links lead somewhere.

A fenced block is tested by its language: ``python`` is run, ``yaml`` is loaded as a whole recipe, and of ``console``
each line after ``$`` is run and the lines below it must appear in the output. Other blocks are not looked at.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("docs/*.md")), *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")))
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _blocks(kind: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(page, line, match[1], match[2]))
    return [block for block in found if block.kind == kind]


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("block", _blocks("python"), ids=str)
def test_python_runs(block: Block) -> None:
    # Blank lines before it, so that a traceback names the line of the page.
    code = compile("\n" * block.line + block.text, str(block.page), "exec")
    exec(code, {"__name__": "example"})


@pytest.mark.parametrize("block", _blocks("yaml"), ids=str)
def test_recipes_load(block: Block, tmp_path: Path) -> None:
    from polysee.recipe.load import load_recipe

    path = tmp_path / "recipe.yaml"
    path.write_text(block.text, encoding="utf-8")
    assert load_recipe(path).sources


@pytest.mark.parametrize("block", _blocks("console"), ids=str)
def test_commands_answer(block: Block) -> None:
    calls = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    assert calls
    for call in calls:
        command, *expected = call.splitlines()
        program, *arguments = shlex.split(command)
        assert program == "polysee"
        line = [sys.executable, "-m", "polysee.cli.main", *arguments]
        result = subprocess.run(line, capture_output=True, encoding="utf-8", check=False)
        assert result.returncode == 0, result.stderr
        for text in expected:
            assert text in result.stdout


def _anchors(page: Path) -> set[str]:
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(_without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(ROOT), f"{page.name}: {link}"
        assert not anchor or anchor in _anchors(target), f"{page.name}: {link}"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index


def test_every_command_is_in_the_readme() -> None:
    from polysee.cli.main import COMMANDS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `polysee ([a-z-]+)", readme, re.MULTILINE))
    assert named == set(COMMANDS)


def test_readme_names_the_folders_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"^      ([a-z]+)/ ", readme, re.MULTILINE)
    package = ROOT / "src" / "polysee"
    # A folder that holds nothing yet but its __init__.py is no news to a reader.
    there = {path.name for path in package.iterdir() if len([*path.glob("*.py")]) > 1}
    assert set(named) == there


def test_reference_and_schema_are_up_to_date() -> None:
    script = ROOT / "scripts" / "build_recipe_docs.py"
    result = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == 0, result.stderr


def test_constraints_pin_what_pyproject_asks_for() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    pins = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pins[0] == "torch"
    names = {re.split(r"[\[<>=;! ]", one)[0].lower().replace("_", "-") for one in asked} - {"polysee"}
    assert names <= set(pins)
