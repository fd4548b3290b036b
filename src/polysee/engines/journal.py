"""The journal of a step: what each finished unit made, so that a killed run does not do it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from polysee.schema.config import Config
from polysee.store.atomic import make_folder, sweep
from polysee.store.sealed import Damaged, read_sealed, write_sealed

Entry = TypeVar("Entry", bound=Config)


class Journal(Generic[Entry]):
    """Entries of one kind, by the number of their unit, one file each, in a folder bound to the step's fingerprint.

    ``warn`` is told of a damaged entry, whose unit is then done again.
    """

    def __init__(self, folder: Path, kind: str, model: type[Entry], warn: Callable[[str], None]) -> None:
        self._folder = make_folder(folder / kind)
        self._model = model
        self._warn = warn
        sweep(self._folder)

    def read(self, number: int) -> Entry | None:
        """What the unit made, or `None` if it is not finished."""
        path = self._path(number)
        try:
            return self._model.model_validate(read_sealed(path), strict=False)
        except FileNotFoundError:
            return None
        except (Damaged, ValidationError) as error:
            self._warn(f"{path} is damaged and counts as not there ({str(error).splitlines()[0]})")
            return None

    def write(self, number: int, entry: Entry) -> None:
        """The unit is finished: from now on it is not done again."""
        write_sealed(self._path(number), entry.model_dump(mode="json"))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.json"
