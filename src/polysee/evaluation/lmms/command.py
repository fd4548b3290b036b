"""``lmms:NAME`` and the command line of lmms-eval that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polysee.schema.errors import UserError
from polysee.text.languages import canonical

PREFIX = "lmms:"
UNDETERMINED = "und"
"""BCP 47's tag where the language is not known."""

CHECKPOINT = "checkpoint"
RESULTS = "results"
"""Names within a benchmark's folder: a link to the checkpoint, and where lmms-eval writes."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """``name``: of a task or group of lmms-eval. ``folder``: of task files of one's own. ``language``: BCP 47 tag."""

    name: str
    language: str = UNDETERMINED
    folder: Path | None = None


def is_benchmark(name: str) -> bool:
    """Whether a task's name means one of lmms-eval's."""
    return name.startswith(PREFIX)


def parse_benchmark(text: str) -> Benchmark:
    """``lmms:NAME``, ``lmms:NAME@LANGUAGE`` or ``lmms:FOLDER/NAME``, the last with task files of one's own.

    Raises `UserError` for a name that lmms-eval would read as several, a folder that is not there, or no language.
    """
    path, _, language = text.removeprefix(PREFIX).partition("@")
    folder, _, name = path.rpartition("/")
    if not name or "," in name or "*" in name:
        raise UserError(f"{text!r} names no benchmark", "write one --task lmms:NAME for each")
    if language and canonical(language) is None:
        raise UserError(f"{text!r}: no language has the tag {language!r}", "write a BCP 47 tag, such as ar or pt-BR")
    if folder and not Path(folder).is_dir():
        raise UserError(f"{text!r}: there is no folder {folder}", "name a folder with lmms-eval's task files")
    return Benchmark(name, canonical(language) or UNDETERMINED, Path(folder).resolve() if folder else None)


def command(python: Path, benchmark: Benchmark, *, limit: int | None, batch: int, weighed: bool) -> list[str]:
    """What to run in the benchmark's folder, in which `CHECKPOINT` is a link: lmms-eval splits paths at commas.

    ``limit``: most questions of each task. ``weighed``: the task's options are compared by likelihood, which
    lmms-eval asks of its simple models only.
    """
    words = [str(python), "-m", "lmms_eval", "--model", "polysee", "--model_args", f"pretrained={CHECKPOINT}"]
    words += ["--tasks", benchmark.name, "--batch_size", str(batch), "--timezone", "UTC"]
    words += ["--output_path", RESULTS, "--log_samples"]
    if limit is not None:
        words += ["--limit", str(limit)]
    if benchmark.folder is not None:
        words += ["--include_path", str(benchmark.folder)]
    if weighed:
        words += ["--force_simple"]
    return words
