"""Puts an instruction from the task's pool, in the sample's language, on samples that have none.

The pools live in ``pools/<language>.yaml``. Which instruction a sample gets depends on its content and the seed alone,
and parallel samples (those that share a ``group:`` tag) get the same one in every language.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from polysee.schema.config import Config
from polysee.schema.errors import UserError
from polysee.schema.sample import IMAGE_MARK, Sample
from polysee.sources.base import Params
from polysee.sources.fields import LanguageTag
from polysee.text.languages import base_language, is_known, language
from polysee.text.normalise import nfc, squeeze
from polysee.transforms.base import Failed, Made, ReadMedia
from polysee.transforms.lineage import derive, parameters_hash

FALLBACK = "en"


class Pool(Config):
    """One language's instructions: task -> sentences in citation order. ``reviewed``: by a native speaker."""

    language: LanguageTag
    reviewed: bool
    pools: dict[str, tuple[str, ...]]

    @field_validator("pools")
    @classmethod
    def _clean(cls, pools: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {task: tuple(squeeze(nfc(s)) for s in sentences) for task, sentences in pools.items()}

    @model_validator(mode="after")
    def _is_usable(self) -> Pool:
        if not self.pools:
            raise ValueError("there is no pool for any task")
        for task, sentences in self.pools.items():
            if not sentences or not all(sentences):
                raise ValueError(f"the pool {task!r} is empty or holds an empty sentence")
            if len(set(sentences)) != len(sentences):
                raise ValueError(f"the pool {task!r} holds a sentence twice")
            if any(IMAGE_MARK in s for s in sentences):
                raise ValueError(f"the pool {task!r} holds {IMAGE_MARK}, which belongs to a turn")
        return self


class InstructParams(Params):
    """Parameters of the transform."""

    k: int | None = Field(default=None, ge=1)
    """Use only k sentences of each pool, chosen by the seed; all where left out."""
    missing: Literal["fail", "english", "skip"] = "fail"
    """For a language or task without a pool: reject the sample, instruct it in English, or leave it as it is."""
    tasks: tuple[str, ...] | None = None
    """Only samples of these tasks; all where left out."""
    pools: str | None = None
    """A folder of ``<language>.yaml`` to use instead of polysee's own."""


@dataclass(frozen=True, slots=True)
class _Choice:
    sentence: str
    index: int
    language: str


class Instruct:
    """Adds ``instruction`` and the tag ``instruction:<index in the pool>``; samples that have one pass unchanged."""

    Params: ClassVar[type[InstructParams]] = InstructParams
    version: ClassVar[int] = 1

    def __init__(self, params: InstructParams, *, seed: int = 0) -> None:
        self._params = params
        self._seed = seed
        self._folder = Path(params.pools).expanduser() if params.pools is not None else None
        if self._folder is not None and not self._folder.is_dir():
            raise UserError("there is no such folder of pools", "set `pools` to a folder of <language>.yaml files",
                            place=str(self._folder))  # fmt: skip
        self._parameters = parameters_hash(params, self.version, seed)

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the pool files, so that an edited sentence changes the dataset."""
        root = _root(str(self._folder) if self._folder is not None else None)
        found = {path.name: path.read_bytes() for path in root.iterdir() if path.name.endswith(".yaml")}
        return [hashlib.sha256(name.encode() + b"\0" + found[name]).hexdigest() for name in sorted(found)]

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        """One `Made` or `Failed` (``no-pool``) for each sample. Raises `UserError` for a faulty pool file."""
        for sample in samples:
            if sample.instruction or not self._concerns(sample):
                yield Made(sample)
                continue
            choice = self._choose(sample)
            if choice is not None:
                yield Made(self._instructed(sample, choice))
            elif self._params.missing == "skip":
                yield Made(sample)
            else:
                yield Failed(sample, "no-pool", f"no pool {pool_name(sample)!r} in {sample.language}")

    def _concerns(self, sample: Sample) -> bool:
        return self._params.tasks is None or sample.task in self._params.tasks

    def _choose(self, sample: Sample) -> _Choice | None:
        wanted = [sample.language, FALLBACK] if self._params.missing == "english" else [sample.language]
        for tag in wanted:
            pool = load_pool(tag, self._folder)
            sentences = pool.pools.get(pool_name(sample)) if pool is not None else None
            if pool is not None and sentences is not None:
                index = self._index(sample, len(sentences))
                return _Choice(sentences[index], index, pool.language)
        return None

    def _index(self, sample: Sample, size: int) -> int:
        """A position in the pool: of the k that the seed allows for this task, the one that the sample's hash names."""
        name = pool_name(sample)
        if _tag(sample, "group:"):  # parallel samples share what all languages have, or their choices would part
            size = min(size, shortest_pool(name, self._folder))
        allowed = sorted(range(size), key=lambda i: _hash(self._seed, "pool", name, i))[: self._params.k]
        return allowed[_hash(self._seed, "sample", name, _identity(sample)) % len(allowed)]

    def _instructed(self, sample: Sample, choice: _Choice) -> Sample:
        tags = [f"instruction:{choice.index}"]
        if base_language(choice.language) != base_language(sample.language):
            tags.append(f"instruction_language:{choice.language}")
        return derive(sample, step="instruct", parameters=self._parameters, instruction=choice.sentence, add_tags=tags)


def pool_name(sample: Sample) -> str:
    """The pool that a sample draws from: what a tag ``pool:`` says, or else its task."""
    return _tag(sample, "pool:") or sample.task


def load_pool(tag: str, folder: Path | None = None) -> Pool | None:
    """The instruction pools of a language, or None where there is no file for it.

    ``pt-BR`` falls back on ``pt``, but ``zh-Hant`` not on ``zh``: the script must be the same. ``folder`` holds
    ``<language>.yaml`` files; polysee's own by default. Raises `UserError` for a file that is no pool. Cached.
    """
    return _load(tag, str(folder) if folder is not None else None)


def shortest_pool(name: str, folder: Path | None = None) -> int:
    """The size of the smallest pool of this name over all languages of a folder; `ValueError` if none has it."""
    return _shortest(name, str(folder) if folder is not None else None)


@lru_cache(maxsize=512)
def _shortest(name: str, folder: str | None) -> int:
    tags = [path.name.removesuffix(".yaml") for path in _root(folder).iterdir() if path.name.endswith(".yaml")]
    pools = [pool for tag in tags if (pool := _load(tag, folder)) is not None]
    return min(len(pool.pools[name]) for pool in pools if name in pool.pools)


@lru_cache(maxsize=512)
def _load(tag: str, folder: str | None) -> Pool | None:
    if not is_known(tag):
        return None
    base = base_language(tag)
    tags = [tag, base] if base != tag and language(base).script == language(tag).script else [tag]
    for one in tags:
        path = _root(folder) / f"{one}.yaml"
        if path.is_file():
            return _read(path, one)
    return None


def _root(folder: str | None) -> Traversable:
    return files("polysee.transforms") / "pools" if folder is None else Path(folder)


def _read(path: Traversable, tag: str) -> Pool:
    place = str(path)
    fix = "write it like polysee's own pools: language, reviewed, and pools of sentences by task"
    try:
        # YAML 1.2, in which `no` is Norwegian and not False.
        pool = Pool.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{place}:{mark.line + 1}:{mark.column + 1}" if mark is not None else place
        raise UserError(f"this is not YAML: {error.problem}", fix, place=where) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"this is not YAML: {error}", fix, place=place) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise UserError(f"{name}: {first['msg']}" if name else first["msg"], fix, place=place) from None
    if pool.language != tag:
        raise UserError(f"the file says language {pool.language!r}, its name says {tag!r}", fix, place=place)
    return pool


def _identity(sample: Sample) -> str:
    return _tag(sample, "group:") or sample.id


def _tag(sample: Sample, prefix: str) -> str:
    return next((tag.removeprefix(prefix) for tag in sample.tags if tag.startswith(prefix)), "")


def _hash(*parts: object) -> int:
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
