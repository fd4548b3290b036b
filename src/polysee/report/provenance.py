"""What the run was made from and by: sources, licences, steps, packages, and words that nobody has reviewed yet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata, resources

from polysee.report.data import Material
from polysee.report.words import Tongue, count
from polysee.store.manifest import Manifest

PACKAGES = (
    "polysee",
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "safetensors",
    "pylance",
    "pyarrow",
    "numpy",
    "numba",
    "pillow",
    "av",
    "sacrebleu",
)

_REVIEWED = re.compile(r"^reviewed:\s*(true|false)\b", re.MULTILINE)
_WORD_FILES = (
    ("sources", "microworld", "words of the microworld", "polysee.sources.microworld", "words"),
    ("transforms", "instruct", "instruction sentences", "polysee.transforms", "pools"),
)
"""Section and part of a recipe, what its word files are called here, and where they lie."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    source: str
    licence: str
    samples: str


@dataclass(frozen=True, slots=True)
class StepLine:
    """A finished step. ``fingerprint``: of all that its result depends on."""

    number: str
    name: str
    verb: str
    version: str
    fingerprint: str
    summary: str
    polysee: str


@dataclass(frozen=True, slots=True)
class Unreviewed:
    what: str
    tongues: tuple[Tongue, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    sources: tuple[SourceLine, ...]
    steps: tuple[StepLine, ...]
    packages: tuple[tuple[str, str], ...]
    unreviewed: tuple[Unreviewed, ...]
    recipe: str
    sources_missing: str
    steps_missing: str


def provenance(material: Material) -> Provenance:
    found = material.survey
    origins = found.origins if found else {}
    return Provenance(
        sources=tuple(
            SourceLine(source, licence or "not stated", count(number))
            for (source, licence), number in sorted(origins.items())
        ),
        steps=tuple(map(_step, material.files.manifests)),
        packages=tuple(_packages()),
        unreviewed=tuple(_unreviewed(material)),
        recipe=material.files.recipe_text or "",
        sources_missing="" if origins else "There are no samples yet.",
        steps_missing="" if material.files.manifests else "No step has finished yet.",
    )


def _step(manifest: Manifest) -> StepLine:
    return StepLine(
        number=f"{manifest.index:02d}",
        name=manifest.name,
        verb=manifest.verb,
        version=str(manifest.version),
        fingerprint=manifest.fingerprint,
        summary=manifest.summary,
        polysee=manifest.polysee,
    )


def _packages() -> list[tuple[str, str]]:
    """Those of this machine, when the page is written."""
    found = []
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            found.append((name, "not installed"))
    return found


def _unreviewed(material: Material) -> list[Unreviewed]:
    found = []
    for section, part, what, package, folder in _WORD_FILES:
        if not any(entry.get("use") == part for entry in material.files.entries(section)):
            continue
        tongues = tuple(t for t in material.tongues.values() if reviewed(package, folder, t.tag) is False)
        if tongues:
            found.append(Unreviewed(what, tongues))
    return found


def reviewed(package: str, folder: str, tag: str) -> bool | None:
    """Whether a native speaker reviewed polysee's word file of a language; None where there is no such file."""
    file = resources.files(package) / folder / f"{tag}.yaml"
    if re.fullmatch(r"[A-Za-z0-9-]+", tag) is None or not file.is_file():
        return None
    match = _REVIEWED.search(file.read_text(encoding="utf-8"))
    return match is not None and match[1] == "true"
