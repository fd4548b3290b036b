"""Quality estimation by COMET, in a process and an environment of its own."""

from __future__ import annotations

import json
import math
import subprocess
import threading
import weakref
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from polysee.schema.errors import UserError
from polysee.schema.secrets import redact
from polysee.services.base import Failure, Translation
from polysee.services.config import QualityConfig
from polysee.services.configured import Configured
from polysee.services.environments import home, interpreter, is_installed

_SECONDS = 3600.0
"""The longest wait for a model to load (it may be downloaded first) or for a batch."""


class CometEstimator(Configured[QualityConfig]):
    """A `QualityEstimator`. The worker process starts with the first batch and ends with this object."""

    def __init__(self, config: QualityConfig) -> None:
        super().__init__(config)
        self._worker: _Worker | None = None

    def probe(self) -> None:
        """Raises `UserError` where COMET's environment is not installed."""
        self._python()

    def estimate(self, translations: Sequence[Translation]) -> list[float | Failure]:
        """One value from 0 to 1 a translation, in order. Raises `UserError` for a model that cannot be loaded."""
        if not translations:
            return []
        if self._worker is None:
            self._worker = _Worker(self._command(), self._config)
        values = self._worker.ask([_item(one) for one in translations], self._config.batch)
        if isinstance(values, Failure):
            return [values] * len(translations)
        return [_value(value) for value in values]

    def close(self) -> None:
        """End the worker process. Calling it again does nothing."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _python(self) -> Path:
        if self._config.python is not None:
            python = Path(self._config.python).expanduser()
            if not python.is_file():
                raise UserError("there is no such interpreter", "mend `python`, or leave it out", place=str(python))
            return python
        if not is_installed("comet"):
            raise UserError("COMET's environment is not installed", "polysee doctor --install comet")
        return interpreter("comet")

    def _command(self) -> list[str]:
        revision = self._config.revision or ""
        mark = sha256(f"{self._config.model}\0{revision}".encode()).hexdigest()[:16]
        script = files("polysee.services") / "comet_worker.py"
        # -P: the worker's own folder, ours, must not shadow what is installed there.
        return [str(self._python()), "-P", str(script), self._config.model, revision, str(home() / "weights" / mark)]


class _Worker:
    """The process, and the lines to and from it."""

    def __init__(self, command: list[str], config: QualityConfig) -> None:
        self._config = config
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
        self._finalise = weakref.finalize(self, _end, self._process)
        ready = self._receive()
        if "error" in ready:
            self.close()
            said = redact(str(ready["error"]))[:300]
            fix = "check its name and the network; a gated model wants `huggingface-cli login` first"
            raise UserError(
                f"the model {config.model!r} cannot be loaded ({said})", fix, place=f"service {config.name}"
            )

    def ask(self, items: list[dict[str, str]], batch: int) -> list[Any] | Failure:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"batch": batch, "items": items}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        reply = self._receive()
        if "error" in reply:
            return Failure("no-estimate", redact(str(reply["error"]))[:300])
        scores = reply.get("scores")
        if not isinstance(scores, list) or len(scores) != len(items):
            return Failure("no-estimate", f"the worker gave no {len(items)} values")
        return scores

    def close(self) -> None:
        self._finalise()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        # A worker that hangs is ended, which ends the line that is waited for.
        timer = threading.Timer(_SECONDS, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise self._died()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _died(self) -> UserError:
        code = self._process.wait()
        fix = "if memory ran out, set a smaller `batch`; else try `polysee doctor --install comet` again"
        return UserError(f"COMET's process ended ({code})", fix, place=f"service {self._config.name}")


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _item(translation: Translation) -> dict[str, str]:
    item = {"src": translation.source, "mt": translation.hypothesis}
    return item if translation.reference is None else {**item, "ref": translation.reference}


def _value(value: Any) -> float | Failure:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return Failure("no-estimate", f"the model gave {value!r}")
    # A regression may leave the range by a little.
    return min(1.0, max(0.0, float(value)))
