"""Takes away what steps made that are no part of the run any more, or that would now make something else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePath

from polysee.store.atomic import crash_point, write_text
from polysee.store.manifest import DATA_VERBS, Manifest
from polysee.store.run import RunStore


def remove_outdated(store: RunStore, fingerprints: Mapping[str, str]) -> None:
    """Remove outputs, manifests, scratch and lines of the log of all steps that are not those of ``fingerprints``.

    ``fingerprints``: of the steps of the run by name. So nothing shows a score of other data, also where the run then
    stops early. Data steps that are still in the run keep theirs until they are done again: each goes back to what the
    one before it left.
    """
    manifests = store.manifests.all()
    valid = [manifest for manifest in manifests if _is_valid(manifest, fingerprints)]
    outdated = {manifest.name for manifest in manifests} - {manifest.name for manifest in valid}
    held = {name for manifest in valid for name in manifest.outputs}
    # Before the manifests: a kill in between leaves a step whose outputs are missing, and never outputs of no step.
    for manifest in manifests:
        for name in manifest.outputs:
            if manifest.name in outdated and name not in held and _is_below(name):
                drop(store.path / name)
    store.manifests.remove(lambda file, name: name in outdated or name not in fingerprints)
    drop_folders(store.path / "journal", keep=set(fingerprints))
    kept = {manifest.name for manifest in valid}
    begun = {name for name, mark in fingerprints.items() if (store.path / "journal" / name / mark[:16]).is_dir()}
    _cut_log(store.path / "train.jsonl", kept | begun)


def drop(path: Path) -> None:
    """Remove a file, or a folder with all in it; nothing where there is none."""
    if path.is_dir():
        crash_point()
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def drop_folders(path: Path, *, keep: set[str]) -> None:
    """Remove all that lies in the folder ``path`` but ``keep``."""
    if path.is_dir():
        for child in path.iterdir():
            if child.name not in keep:
                drop(child)


def _is_valid(manifest: Manifest, fingerprints: Mapping[str, str]) -> bool:
    mark = fingerprints.get(manifest.name)
    return mark == manifest.fingerprint or (mark is not None and manifest.verb in DATA_VERBS)


def _is_below(name: str) -> bool:
    """A run folder may come from elsewhere: what its manifests name is deleted inside it alone."""
    parts = PurePath(name).parts
    return bool(parts) and not PurePath(name).is_absolute() and ".." not in parts


def _cut_log(log: Path, steps: set[str]) -> None:
    """Drop the lines of stages whose step is none of ``steps``."""
    if not log.is_file():
        return
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if _is_of(line, steps)]
    if kept != lines:
        write_text(log, "".join(kept))


def _is_of(line: str, steps: set[str]) -> bool:
    try:
        return f"train-{json.loads(line)['stage']}" in steps
    except json.JSONDecodeError:
        return False  # the last line of a killed process may be half a line
