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
    """Use only k sentences of each pool, chosen by the seed; all where left out. A smaller k takes some of those of a
    larger, so that runs with 1, 2, 4 and 8 show what diversity alone does."""
    missing: Literal["fail", "english", "skip"] = "fail"
    """For a language or task without a pool: reject the sample, instruct it in English, or leave it as it is."""
    tasks: tuple[str, ...] | None = None
    """Only samples of these tasks; all where left out."""
    pools: str | None = None
    """A folder of ``<language>.yaml`` (a team's own, or translated ones) to use instead of polysee's own."""
    extend: bool = False
    """Look up in polysee's own pools what the folder `pools` does not have."""
    task_pools: dict[str, str] = Field(default_factory=dict)
    """Task -> the pool that asks it, where that has another name; the catalogue's own tasks are known."""
    reviewed_only: bool = False
    """Take a pool that no native speaker has reviewed for a missing one."""


@dataclass(frozen=True, slots=True)
class _Choice:
    sentence: str
    index: int
    language: str


class Instruct:
    """Adds ``instruction`` and the tag ``instruction:<index in the pool>``; samples that have one pass unchanged."""

    Params: ClassVar[type[InstructParams]] = InstructParams
    expansion: ClassVar[int] = 1
    version: ClassVar[int] = 1

    def __init__(self, params: InstructParams, *, seed: int = 0) -> None:
        self._params = params
        self._seed = seed
        self._folder = Path(params.pools).expanduser() if params.pools is not None else None
        if self._folder is not None and not self._folder.is_dir():
            raise UserError("there is no such folder of pools", "set `pools` to a folder of <language>.yaml files",
                            place=str(self._folder))  # fmt: skip
        self._folders = (self._folder, None) if self._folder is not None and params.extend else (self._folder,)
        self._parameters = parameters_hash(params, self.version, seed)

    def fingerprint_inputs(self) -> Sequence[str]:
        """Hashes of the pool files, so that an edited sentence changes the dataset."""
        hashes = []
        for folder in self._folders:
            root = _root(str(folder) if folder is not None else None)
            found = {path.name: path.read_bytes() for path in root.iterdir() if path.name.endswith(".yaml")}
            hashes += [hashlib.sha256(name.encode() + b"\0" + found[name]).hexdigest() for name in sorted(found)]
        known = (sorted(task_pools().items()), sorted(dataset_pools().items()))
        return [*hashes, hashlib.sha256(repr(known).encode()).hexdigest()]

    def apply(self, samples: Iterable[Sample], read_media: ReadMedia) -> Iterator[Made | Failed]:
        """One `Made` or `Failed` (``no-pool``) for each sample. Raises `UserError` for a faulty pool file."""
        for sample in samples:
            names = self._pool_names(sample)
            if sample.instruction or not self._concerns(sample) or not names:
                yield Made(sample)
                continue
            choice = self._choose(sample, names)
            if choice is not None:
                yield Made(self._instructed(sample, choice))
            elif self._params.missing == "skip":
                yield Made(sample)
            else:
                yield Failed(sample, "no-pool", f"no pool {names[0]!r} in {sample.language}")

    def _concerns(self, sample: Sample) -> bool:
        return self._params.tasks is None or sample.task in self._params.tasks

    def _pool_names(self, sample: Sample) -> tuple[str, ...]:
        """The pools that may ask it, the best first; none where its turns ask all there is."""
        name, dataset = pool_name(sample), _tag(sample, "dataset:")
        given = self._params.task_pools.get(name)
        if given is not None or _tag(sample, "pool:"):
            return (given or task_pools().get(name) or name,)
        known = [dataset_pools()[dataset]] if dataset in dataset_pools() else []
        found = [*known, task_pools().get(name, name)]
        return () if found[0] is None else tuple(dict.fromkeys(one for one in found if one is not None))

    def _choose(self, sample: Sample, names: Sequence[str]) -> _Choice | None:
        wanted = [sample.language, FALLBACK] if self._params.missing == "english" else [sample.language]
        for tag, name in ((tag, name) for tag in wanted for name in names):
            for folder in self._folders:
                pool = load_pool(tag, folder)
                if pool is None or name not in pool.pools or (self._params.reviewed_only and not pool.reviewed):
                    continue
                index = self._index(sample, name, len(pool.pools[name]))
                return _Choice(pool.pools[name][index], index, pool.language)
        return None

    def _index(self, sample: Sample, name: str, size: int) -> int:
        """A position in the pool: of the k that the seed allows for this task, the one that the sample's hash names."""
        if _tag(sample, "group:"):  # parallel samples share what all languages have, or their choices would part
            size = min(size, *(shortest_pool(name, folder) for folder in self._folders if has_pool(name, folder)))
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


def task_pools() -> dict[str, str | None]:
    """Names of tasks that are no names of pools -> the pool that asks them, or None where their turns ask."""
    return _known_pools()["tasks"]


def dataset_pools() -> dict[str, str | None]:
    """Names of the catalogue's datasets -> the pool that asks them before that of their task, or None."""
    return _known_pools()["datasets"]


@lru_cache(maxsize=1)
def _known_pools() -> dict[str, dict[str, str | None]]:
    text = (files("polysee.transforms") / "task_pools.yaml").read_text(encoding="utf-8")
    return dict(YAML(typ="safe", pure=True).load(text))


def load_pool(tag: str, folder: Path | None = None) -> Pool | None:
    """The instruction pools of a language, or None where there is no file for it.

    ``pt-BR`` has what ``pt`` has, its own pools first, but ``zh-Hant`` nothing of ``zh``: the script must be the same.
    ``folder`` holds ``<language>.yaml`` files; polysee's own by default. Raises `UserError` for a file that is no pool.
    Cached.
    """
    return _load(tag, str(folder) if folder is not None else None)


def shortest_pool(name: str, folder: Path | None = None) -> int:
    """The size of the smallest pool of this name over all languages of a folder; `ValueError` if none has it."""
    return _shortest(name, str(folder) if folder is not None else None)


def has_pool(name: str, folder: Path | None = None) -> bool:
    """Whether any language of a folder has a pool of this name."""
    return any(name in pool.pools for pool in all_pools(folder))


def all_pools(folder: Path | None = None) -> tuple[Pool, ...]:
    """The pools of every language of a folder, polysee's own by default, in order of their tags."""
    return _all(str(folder) if folder is not None else None)


@lru_cache(maxsize=64)
def _all(folder: str | None) -> tuple[Pool, ...]:
    tags = sorted(path.name.removesuffix(".yaml") for path in _root(folder).iterdir() if path.name.endswith(".yaml"))
    return tuple(pool for tag in tags if (pool := _load(tag, folder)) is not None)


@lru_cache(maxsize=512)
def _shortest(name: str, folder: str | None) -> int:
    return min(len(pool.pools[name]) for pool in _all(folder) if name in pool.pools)


@lru_cache(maxsize=512)
def _load(tag: str, folder: str | None) -> Pool | None:
    if not is_known(tag):
        return None
    base = base_language(tag)
    tags = [base, tag] if base != tag and language(base).script == language(tag).script else [tag]
    found = [_read(path, one) for one in tags if (path := _root(folder) / f"{one}.yaml").is_file()]
    if len(found) < 2:
        return found[0] if found else None
    wide, own = found
    return Pool(language=tag, reviewed=wide.reviewed and own.reviewed, pools={**wide.pools, **own.pools})


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
