"""``killed_export.py RUN FOLDER``: kills an export at each of its write points, looks, exports again and looks.

Prints a JSON line for each. Children are forked, so that all of it costs one start of Python.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from polysee.sources import readback, webdataset
from polysee.store import tables
from polysee.store.atomic import CRASH_VARIABLE
from polysee.store.exports import webdataset as format_module
from polysee.store.exports.selection import Wanted
from polysee.store.exports.write import Request, export
from polysee.store.run import RunStore

# Imported once, before any fork; nothing of Lance has run by then, so its threads do not exist yet.
tables.lance()
assert webdataset
assert format_module

RUN, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
OUT = FOLDER / "out"


def forked(work: Callable[[], object], point: int = 0) -> int:
    """The exit code of ``work`` in a child."""
    child = os.fork()
    if child == 0:
        if point:
            os.environ[CRASH_VARIABLE] = f"main:{point}"
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def write() -> None:
    request = Request("webdataset", OUT, Wanted(languages=("ar", "zh-Hant")))
    export(RunStore.open_read_only(RUN), request, readback.open_export)


def state(path: Path) -> str:
    found = {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    return "new" if found == NEW else "older" if found == OLDER else "broken"


assert forked(write) == 0
NEW = {p.relative_to(OUT).as_posix(): p.read_bytes() for p in sorted(OUT.rglob("*")) if p.is_file()}
OLDER = {**NEW, "README.md": b"older"}

for number in range(1, 100):
    (OUT / "README.md").write_bytes(b"older")
    code = forked(write, number)
    if code == 0:
        print(json.dumps({"code": 0}))
        break
    whole = [state(path) for path in (OUT, FOLDER / "out.outdated") if path.is_dir()]
    assert forked(write) == 0
    print(
        json.dumps(
            {"code": code, "whole": whole, "after": [state(OUT)], "names": sorted(p.name for p in FOLDER.iterdir())}
        )
    )
