"""What is wrong with a YAML file (a recipe, a task): every mistake at once, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from polysee.schema.errors import UserError
from polysee.schema.secrets import redact

Keys = tuple[str | int, ...]
"""The way from the top of a file to a value: names of mappings and indices of lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """``line`` and ``column`` count from 1; line 0 means that ``file`` says it all (``--set mix.temperature``)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def order(self) -> tuple[bool, int, int]:
        """Sorts by line, with what has none at the end."""
        return (self.line == 0, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. ``keys``: what it is about; ``cause`` and ``fix`` as in `UserError`."""

    place: Place
    keys: Keys
    cause: str
    fix: str

    def __str__(self) -> str:
        return f"{self.place}: {self.cause}\nhint: {self.fix}"


class FileError(UserError):
    """Everything that is wrong with a file; ``cause``, ``fix`` and ``place`` are those of the first problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        # The last door before a screen or a log: a message that quotes the file must not quote a key.
        clean = [replace(problem, cause=redact(problem.cause), fix=redact(problem.fix)) for problem in problems]
        self.problems: tuple[Problem, ...] = tuple(sorted(clean, key=lambda problem: problem.place.order))
        first = self.problems[0]
        super().__init__(first.cause, first.fix, place=str(first.place))

    def __str__(self) -> str:
        return "\nerror: ".join(str(problem) for problem in self.problems)

    def __reduce__(self) -> tuple[object, ...]:
        return (FileError, (self.problems,))
