"""A YAML text as plain values, with the line and column of each of them. YAML 1.2, core schema."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from polysee.schema.problems import FileError, Keys, Place, Problem

MAX_VALUES = 100_000
"""More values than this are an alias bomb, not a file that a person wrote."""

MAX_DEPTH = 50

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,4000}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ODD_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"
_TAGS = {_CORE + name for name in ("null", "bool", "int", "float", "str", "timestamp", "value", "merge", "map", "seq")}


@dataclass(frozen=True)
class Document:
    """``value``: dicts, lists and scalars. ``keys`` and ``values``: where each key and each value stands.

    ``problems``: mistakes that do not keep the rest from being read (a duplicate key).
    """

    file: str
    value: Any
    keys: Mapping[Keys, Place] = field(default_factory=dict)
    values: Mapping[Keys, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def place(self, keys: Keys, *, of_key: bool = False) -> Place:
        """Where ``keys`` stands, or else the nearest thing around it. ``of_key``: its name rather than its value."""
        first, second = (self.keys, self.values) if of_key else (self.values, self.keys)
        for end in range(len(keys), -1, -1):
            found = first.get(keys[:end]) or second.get(keys[:end])
            if found is not None:
                return found
        return Place(self.file, 1, 1)

    def problem(self, keys: Keys, cause: str, fix: str, *, of_key: bool = False) -> Problem:
        """A `Problem` whose cause starts with the dotted name of ``keys``, unless its place is that very name."""
        label, place = self.label(keys), self.place(keys, of_key=of_key)
        named = not label or str(place) == f"--set {label}"
        return Problem(place, keys, cause if named else f"{label}: {cause}", fix)

    def label(self, keys: Keys) -> str:
        """``stages.align.steps``: what ``--set`` takes; a list entry goes by its name where it has one."""
        parts: list[str] = []
        node = self.value
        for key in keys:
            node = child(node, key)
            name = node.get("name") if isinstance(node, dict) and isinstance(key, int) else None
            parts.append(name if isinstance(name, str) and name else str(key))
        return ".".join(parts)

    def with_value(self, value: Any) -> Document:
        return replace(self, value=value)


def child(node: Any, key: str | int) -> Any:
    """``node[key]``, or None where there is no such thing."""
    if isinstance(node, dict):
        return node.get(key)
    if isinstance(node, list) and isinstance(key, int) and -1 < key < len(node):
        return node[key]
    return None


def has(node: Any, key: str | int) -> bool:
    """Whether ``node[key]`` exists."""
    if isinstance(node, dict):
        return key in node
    return isinstance(node, list) and isinstance(key, int) and -1 < key < len(node)


def parse(text: str, file: str, *, fixed_place: bool = False) -> Document:
    """The values of a YAML text. ``fixed_place``: every place is just ``file`` (for ``--set``).

    Raises `FileError` where the text is no YAML at all.
    """
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise FileError([_syntax(error, text, file, fixed_place)]) from None
    except ReaderError as error:
        before = text[: error.position]
        place = Place(file) if fixed_place else Place(file, before.count("\n") + 1, _column(before))
        cause = f"the control character U+{ord(text[error.position]):04X} has no place in YAML"
        raise FileError([Problem(place, (), cause, "delete it")]) from None
    except (YAMLError, TypeError, ValueError, RecursionError) as error:
        # ruamel lets a few broken texts through to errors of its own making, without a place.
        place = Place(file) if fixed_place else Place(file, 1, 1)
        fix = "check the indentation, and that every `key:` has one value"
        raise FileError([Problem(place, (), f"this is not valid YAML ({type(error).__name__})", fix)]) from None
    builder = _Builder(file, fixed_place)
    value = None if node is None else builder.build(node, ())
    return Document(file, value, builder.keys, builder.values, tuple(builder.problems))


def scalar(text: str) -> bool | int | float | str | None:
    """A plain scalar by YAML 1.2's core schema: ``no`` is text, ``1e-3`` a number, ``0o17`` fifteen."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if re.fullmatch(r"0o[0-7]{1,100}", text):
        return int(text[2:], 8)
    if re.fullmatch(r"0x[0-9a-fA-F]{1,100}", text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _ODD_FLOAT.fullmatch(text):
        return float(text.lower().replace(".", ""))
    return text


class _Builder:
    """Turns ruamel's nodes into values; collects what is wrong with them."""

    def __init__(self, file: str, fixed_place: bool) -> None:
        self.file = file
        self.fixed_place = fixed_place
        self.keys: dict[Keys, Place] = {}
        self.values: dict[Keys, Place] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: Node, keys: Keys) -> Any:
        """The plain value of the node that stands under ``keys``; its place is noted, and what is wrong in it.

        Raises `FileError` for more than `MAX_VALUES` values, more than `MAX_DEPTH` levels, and an alias of itself.
        """
        place = self._place(node)
        self._bounded(node, keys, place)
        # The mark of an empty value is that of the next token, often on a later line: its key stands better for it.
        if not (isinstance(node, ScalarNode) and node.value == "" and node.style is None):
            self.values[keys] = place
        if str(node.tag) not in _TAGS:
            self._report(place, keys, f"the tag {node.tag} is not allowed here", "remove the tag; write a plain value")
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, keys)
            if isinstance(node, SequenceNode):
                return [self.build(item, (*keys, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, ScalarNode)
            return self._scalar(node, keys, place)
        finally:
            self._open.discard(id(node))

    def _bounded(self, node: Node, keys: Keys, place: Place) -> None:
        self._count += 1
        if id(node) in self._open or self._count > MAX_VALUES:
            cause = "an alias refers to itself" if id(node) in self._open else f"more than {MAX_VALUES:,} values"
            raise FileError([Problem(place, keys, cause, "write the values out instead of using aliases")])
        if len(keys) > MAX_DEPTH:
            cause = f"more than {MAX_DEPTH} levels inside each other"
            raise FileError([Problem(place, (), cause, "close the brackets, or flatten it")])

    def _mapping(self, node: MappingNode, keys: Keys) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if not isinstance(key_node, ScalarNode) or key_node.value == "":
                self._report(place, keys, "a key must be a word", "write `key: value`")
                continue
            key = str(key_node.value)
            if str(key_node.tag) == _CORE + "merge":
                self._report(place, keys, "merge keys (<<) are not part of YAML 1.2", "repeat the keys that you need")
                continue
            here = (*keys, key)
            if key in built:
                fix = f"keep one of the two; the first is in line {self.keys[here].line}"
                if self.fixed_place:
                    fix = "keep one of the two"
                self._report(place, here, f"duplicate key `{key}`", fix)
                continue
            self.keys[here] = place
            built[key] = self.build(value_node, here)
        return built

    def _scalar(self, node: ScalarNode, keys: Keys, place: Place) -> Any:
        text = str(node.value)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._report(place, keys, "half a surrogate pair is not text", "write the character itself")
            return ""
        # ruamel resolves by rules of its own that also know dates and 1_000; only an explicit !!str looks like this.
        explicit_text = str(node.tag) == _CORE + "str" and not isinstance(scalar(text), str | float)
        if node.style is not None or explicit_text:
            return text
        value = scalar(text)
        if isinstance(value, float) and not math.isfinite(value):
            self._report(place, keys, f"{text} is not a finite number", "write a number")
            return 0.0
        return value

    def _report(self, place: Place, keys: Keys, cause: str, fix: str) -> None:
        self.problems.append(Problem(place, keys, cause, fix))

    def _place(self, node: Node) -> Place:
        if self.fixed_place:
            return Place(self.file)
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)


def _syntax(error: MarkedYAMLError, text: str, file: str, fixed_place: bool) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    place = Place(file) if fixed_place else Place(file, line, column)
    cause = str(error.problem or error.context or "this is not valid YAML")
    lines = text.splitlines()
    around = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in around and "\\t" in cause:
        return Problem(place, (), "a tab cannot indent YAML", "use spaces")
    if "another document" in cause:
        return Problem(place, (), "a second document starts here", "the file is one document: remove the `---`")
    if "mapping values are not allowed" in cause:
        fix = "indent this line like its neighbours, or put quotes around a value that holds `: `"
        return Problem(place, (), "a `key: value` cannot stand here", fix)
    fixes = {
        "undefined alias": "put quotes around a value that starts with `*`",
        "cannot start any token": "put quotes around the value",
        "unexpected end of stream": "close the quotes",
        "could not find expected ':'": "write `key: value`, with a space after the colon",
        "expected ',' or": "close the bracket",
    }
    fix = next((fix for sign, fix in fixes.items() if sign in cause), "check the indentation, quotes and brackets")
    return Problem(place, (), f"this is not valid YAML: {cause}", fix)


def _column(before: str) -> int:
    return len(before) - (before.rfind("\n") + 1) + 1
