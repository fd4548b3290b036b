"""Quality estimation by COMET, in a process and an environment of its own."""

from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import IO, Any

from polysee.schema.errors import UserError
from polysee.schema.secrets import redact
from polysee.services.base import Failure, Translation
from polysee.services.config import QualityConfig
from polysee.services.configured import Configured
from polysee.services.environments import home, interpreter, is_installed

_SECONDS = 3600.0
"""The longest wait for a model to load (it may be downloaded first) or for a batch."""
_TAIL = 4000
"""Bytes at the end of what a worker said in which its last line is looked for."""


class CometEstimator(Configured[QualityConfig]):
    """A `QualityEstimator`. The worker process starts with the first batch and ends with this object."""

    def __init__(self, config: QualityConfig) -> None:
        super().__init__(config)
        self._worker: _Worker | None = None

    def probe(self) -> None:
        """Raises `UserError` where COMET's environment is not installed."""
        self._python()

    def estimate(self, translations: Sequence[Translation]) -> list[float | Failure]:
        """One value from 0 to 1 a translation, in order; a `Failure` for one that the model cannot judge.

        A worker that dies is started anew and asked again, once. Raises `UserError` where that one dies as well, and
        for a model that cannot be loaded; the next call starts afresh.
        """
        if not translations:
            return []
        items = [_item(one) for one in translations]
        try:
            values = self._ask(items)
        except _Died:
            try:
                values = self._ask(items)
            except _Died as died:
                fix = "if memory ran out, set a smaller `batch`; else try `polysee doctor --install comet` again"
                raise UserError(f"COMET's process ended twice ({died})", fix, place=self._place) from None
        return [_value(value) for value in values]

    def close(self) -> None:
        """End the worker process. Calling it again does nothing."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    @property
    def _place(self) -> str:
        return f"service {self._config.name}"

    def _ask(self, items: list[dict[str, str]]) -> list[Any]:
        try:
            if self._worker is None:
                self._worker = _Worker(self._command())
                self._check(self._worker.receive())
            reply = self._worker.ask({"batch": self._config.batch, "items": items})
        except BaseException:
            self.close()
            raise
        scores: list[Any] = reply["scores"]
        assert len(scores) == len(items)
        return scores

    def _check(self, ready: dict[str, Any]) -> None:
        if "error" in ready:
            cause = f"the model {self._config.model!r} cannot be loaded ({redact(str(ready['error']))[:300]})"
            fix = "check its name and the network; a gated model wants `hf auth login` first"
            raise UserError(cause, fix, place=self._place)

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
        script = files("polysee.services") / "comet_worker.py"
        # -P: the worker's own folder, ours, must not shadow what is installed there.
        start = [str(self._python()), "-P", str(script)]
        return [*start, self._config.model, self._config.revision or "", str(home() / "weights")]


class _Died(Exception):
    """The worker ended before it answered; says how, with the last line that it left."""


class _Worker:
    """The process, and the lines to and from it."""

    def __init__(self, command: list[str]) -> None:
        # What the process says beside its answers; it lives as long as the process.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            encoding="utf-8",
        )
        self._finalise = weakref.finalize(self, _end, self._process, self._said)

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question. Raises `_Died`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._died() from None
        return self.receive()

    def receive(self) -> dict[str, Any]:
        """The next line. Raises `_Died`."""
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

    def close(self) -> None:
        """End the process. Calling it again does nothing."""
        self._finalise()

    def _died(self) -> _Died:
        code = self._process.wait()
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _TAIL))
        lines = self._said.read().decode("utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return _Died(": ".join(filter(None, (str(code), redact(last)[:300]))))


def _end(process: subprocess.Popen[str], said: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, said):
        if stream is not None:
            # A question that the process did not take is written when its pipe is closed, and cannot be.
            with suppress(BrokenPipeError):
                stream.close()


def _item(translation: Translation) -> dict[str, str]:
    item = {"src": translation.source, "mt": translation.hypothesis}
    return item if translation.reference is None else {**item, "ref": translation.reference}


def _value(value: Any) -> float | Failure:
    if isinstance(value, dict):
        return Failure("no-estimate", redact(str(value["error"]))[:300])
    if not isinstance(value, int | float) or not math.isfinite(value):
        return Failure("no-estimate", f"the model gave {value!r}")
    # A regression may leave the range by a little.
    return min(1.0, max(0.0, float(value)))
