"""What a step is to an engine, whatever it does: data, a tokenizer, packs, training, evaluation, a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from polysee.engines.pool import WorkerPool
from polysee.engines.progress import Progress
from polysee.store.manifest import FunnelRow, Manifest
from polysee.store.run import RunStore

__all__ = ["FunnelRow", "Step", "StepContext", "StepOutcome", "Versions"]


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of the run's datasets after a data step."""

    samples: int
    media: int
    rejects: int


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a running step may use.

    ``fingerprint``: of this step with all it depends on. ``folder``: scratch of this step that is still there after a
    crash as long as the fingerprint is the same. ``previous``: the last data step before this one, if any. ``pool``:
    worker processes shared by the steps of a run.
    """

    store: RunStore
    fingerprint: str
    workers: int
    progress: Progress
    folder: Path
    pool: WorkerPool
    previous: Manifest | None = None


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step made. ``rows``: its part of the funnel. ``outputs``: paths below the run folder that must exist for
    the step to count as done. ``versions``: only data steps set it.
    """

    rows: tuple[FunnelRow, ...] = ()
    summary: str = ""
    outputs: tuple[str, ...] = ()
    versions: Versions | None = field(default=None)


class Step(Protocol):
    """One step of a run.

    ``name`` is unique in the run. ``version`` is raised whenever the result for equal inputs and parameters changes.
    ``after`` names the earlier step whose result this one reads; `None` means the step before it in the list. The
    fingerprint is that of name, version, parameters, the fingerprint of that step and the external inputs, so a step
    is done again exactly if one of these changed.
    """

    @property
    def name(self) -> str: ...

    @property
    def verb(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def after(self) -> str | None: ...

    def parameters(self) -> JsonValue:
        """What the result depends on, as the recipe says it. No paths of this machine, no worker counts, no times."""
        ...

    def external_inputs(self) -> Sequence[str]:
        """Hashes of what the step reads from outside the run."""
        ...

    def run(self, context: StepContext) -> StepOutcome:
        """Do the work. It may have been killed at any instant before, and may find its own half-done files.

        Raises `UserError` for what the user can mend.
        """
        ...
