"""The engine of one machine: runs what is not committed, in order, and publishes each step once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue
from rich.console import Console

import polysee
from polysee.engines.outdated import drop, drop_folders, remove_outdated
from polysee.engines.pool import WorkerPool
from polysee.engines.progress import Progress
from polysee.engines.step import Step, StepContext, StepOutcome
from polysee.schema.errors import MissingData, UserError
from polysee.store import tables
from polysee.store.atomic import full_disk_errors, make_folder
from polysee.store.fingerprint import fingerprint
from polysee.store.manifest import DATA_VERBS, Manifest
from polysee.store.run import RunStore

COMMITTED = "committed"
NEVER_RAN = "never ran"
INPUT_CHANGED = "input changed"
NOT_HERE = "its files are not here"


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What `run_steps` would do with a step, and why ("committed", "never ran", "parameters changed: …")."""

    name: str
    verb: str
    will_run: bool
    why: str


@dataclass(frozen=True, slots=True)
class _Due:
    """A step with its place in the run: what it depends on, what is committed of it, and why it is done or not."""

    index: int
    step: Step
    fingerprint: str
    previous: str
    parameters: JsonValue
    inputs: tuple[str, ...]
    manifest: Manifest | None
    why: str

    @property
    def runs(self) -> bool:
        return self.why != COMMITTED


def explain(steps: Sequence[Step], store: RunStore) -> list[StepPlan]:
    """For each step, whether it will run and why. Changes nothing; ``store`` may be open read-only.

    Files of a dataset may be missing here, where a run would stop.
    """
    return [StepPlan(due.step.name, due.step.verb, due.runs, due.why) for due in _assess(steps, store, strict=False)]


def run_steps(steps: Sequence[Step], store: RunStore, *, workers: int, console: Console | None = None) -> None:
    """Bring the run to the state that ``steps`` describe: skip what is committed, do the rest in order.

    The result does not depend on ``workers`` (0 works in this process), nor on how often the run was killed on the
    way. What was made by steps that are not in ``steps``, or that differ there, is removed first. Raises `UserError`
    for what the user can mend; everything else that was finished is kept.
    """
    if not store.writable:
        raise RuntimeError("run_steps needs a store that was opened for writing")
    progress = Progress(console)
    dues = _assess(steps, store)
    remove_outdated(store, {due.step.name: due.fingerprint for due in dues})
    changed = False
    with WorkerPool(workers) as pool:
        for due in dues:
            if due.step.verb not in DATA_VERBS:
                # Training needs the memory; a later step that wants workers starts them anew.
                pool.close()
                if changed:
                    _tidy(store)
                    changed = False
            if due.runs:
                _run(due, steps, store, StepContextMaker(store, workers, progress, pool))
                changed = changed or due.step.verb in DATA_VERBS
                store.write_funnel()
            else:
                _skip(due, store, progress)
    if changed:
        _tidy(store)
    store.write_funnel()


@dataclass(frozen=True, slots=True)
class StepContextMaker:
    """What all steps of a run share."""

    store: RunStore
    workers: int
    progress: Progress
    pool: WorkerPool

    def make(self, due_fingerprint: str, folder: Path, previous: Manifest | None) -> StepContext:
        """The context of one step."""
        return StepContext(self.store, due_fingerprint, self.workers, self.progress, folder, self.pool, previous)


def _assess(steps: Sequence[Step], store: RunStore, *, strict: bool = True) -> list[_Due]:
    """Every step with its fingerprint and the reason why it runs or does not. Reads, never writes.

    Raises `MissingData` for a dataset that is not there, or with ``strict`` false gives that as the reason.
    """
    found: dict[str, _Due] = {}
    data_runs = False
    before = ""
    manifests = {manifest.name: manifest for manifest in store.manifests.all()}
    for index, step in enumerate(steps, start=1):
        if step.name in found or not _is_file_name(step.name):
            raise UserError(f"{step.name!r} cannot name a step", "use each name once, without slashes")
        after = step.after if step.after is not None else before
        if after and after not in found:
            raise UserError(f"the step {step.name!r} comes after {after!r}, which is no earlier step", "name one")
        previous = found[after].fingerprint if after else ""
        missing = ""
        try:
            parameters, inputs = step.parameters(), tuple(step.external_inputs())
        except MissingData:
            if strict:
                raise
            parameters, inputs, missing = step.parameters(), (), NOT_HERE
        mark = fingerprint(step.name, step.version, parameters, [step.verb, previous, *inputs])
        due = _Due(index, step, mark, previous, parameters, inputs, manifests.get(step.name), COMMITTED)
        why = missing or _why(due, store)
        if why == COMMITTED and data_runs and step.verb in DATA_VERBS:
            why = INPUT_CHANGED
        found[step.name] = replace(due, why=why)
        data_runs = data_runs or (why != COMMITTED and step.verb in DATA_VERBS)
        before = step.name
    return list(found.values())


def _why(due: _Due, store: RunStore) -> str:
    manifest = due.manifest
    if manifest is None:
        return NEVER_RAN
    if manifest.fingerprint != due.fingerprint:
        if manifest.verb != due.step.verb or manifest.version != due.step.version:
            return "the step's version changed"
        keys = sorted(_differences(f"{due.step.verb}.{due.step.name}", manifest.parameters, due.parameters))
        return f"parameters changed: {', '.join(keys)}" if keys else INPUT_CHANGED
    missing = [name for name in manifest.outputs if not (store.path / name).exists()]
    if due.step.verb in DATA_VERBS:
        held = (store.samples_path, manifest.samples), (store.media_path, manifest.media)
        missing += [path.name for path, version in held if version is None or not tables.exists(path, version)]
    return f"missing: {', '.join(missing)}" if missing else COMMITTED


def _differences(at: str, old: JsonValue, new: JsonValue) -> Iterator[str]:
    """The dotted names of the parameters that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from _differences(f"{at}.{key}", old.get(key), new.get(key))
    elif old != new:
        yield at


def _run(due: _Due, steps: Sequence[Step], store: RunStore, shared: StepContextMaker) -> None:
    """Do one step from a clean start, and publish its manifest last."""
    step = due.step
    is_data = step.verb in DATA_VERBS
    later = {one.name for one in steps[due.index :] if one.verb in DATA_VERBS} if is_data else set()
    store.manifests.remove(lambda file, name: name == step.name or name in later)
    previous = _previous_data(steps[: due.index - 1], store)
    if is_data and previous is not None:
        _restore(store, previous)
    scratch = store.path / "journal" / step.name
    folder = make_folder(scratch / due.fingerprint[:16])
    drop_folders(scratch, keep={folder.name})
    with full_disk_errors(store.path):
        outcome = step.run(shared.make(due.fingerprint, folder, previous))
    store.manifests.write(_manifest(due, outcome))
    # Only now: what was done before a kill here would be lost together with its journal.
    drop(scratch)
    if outcome.summary:
        shared.progress.say(f"{_label(step)}: {outcome.summary}")


def _skip(due: _Due, store: RunStore, progress: Progress) -> None:
    assert due.manifest is not None
    if due.manifest.index != due.index:
        store.manifests.write(replace(due.manifest, index=due.index))
    drop(store.path / "journal" / due.step.name)
    progress.say(f"{_label(due.step)}: {COMMITTED}")


def _label(step: Step) -> str:
    """Verb and name, but not "report report" nor "train train-align"."""
    return step.name if step.name.split("-")[0] == step.verb else f"{step.verb} {step.name}"


def _manifest(due: _Due, outcome: StepOutcome) -> Manifest:
    versions = outcome.versions
    return Manifest(
        index=due.index,
        name=due.step.name,
        verb=due.step.verb,
        version=due.step.version,
        fingerprint=due.fingerprint,
        previous=due.previous,
        parameters=due.parameters,
        inputs=due.inputs,
        funnel=outcome.rows,
        summary=outcome.summary,
        polysee=polysee.__version__,
        outputs=outcome.outputs,
        samples=versions.samples if versions else None,
        media=versions.media if versions else None,
        rejects=versions.rejects if versions else None,
    )


def _previous_data(steps: Sequence[Step], store: RunStore) -> Manifest | None:
    name = next((step.name for step in reversed(steps) if step.verb in DATA_VERBS), None)
    return store.manifest(name) if name is not None else None


def _restore(store: RunStore, manifest: Manifest) -> None:
    """Bring the datasets back to where a committed step left them, whatever was begun since."""
    for path, version in (
        (store.samples_path, manifest.samples),
        (store.media_path, manifest.media),
        (store.rejects_path, manifest.rejects),
    ):
        if version is not None:
            tables.restore(path, version)


def _tidy(store: RunStore) -> None:
    """Free what killed and outdated attempts left in the datasets. All data steps are committed by now."""
    held = [manifest for manifest in store.manifests.all() if manifest.verb in DATA_VERBS]
    tables.tidy(store.samples_path, {m.samples for m in held if m.samples is not None})
    tables.tidy(store.media_path, {m.media for m in held if m.media is not None})
    tables.tidy(store.rejects_path, {m.rejects for m in held if m.rejects is not None})


def _is_file_name(name: str) -> bool:
    return bool(name) and Path(name).name == name and name not in (".", "..") and not name.startswith(".")
