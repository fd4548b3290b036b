"""FriBiDi from polysee's cache, for users who cannot install it: Pillow shapes Arabic, Hindi and Thai with its help."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

LIBRARY = "libfribidi.so.0"


def load_unpacked() -> Path | None:
    """Load the library that ``scripts/debian-packages`` unpacked without root, if there is one; Pillow then finds it.

    Returns its path, or None: the system's own copy is found without help.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    for path in sorted((cache / "polysee" / "debian" / "usr" / "lib").glob(f"*/{LIBRARY}")):
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            # Of another architecture: a home folder that several machines share.
            continue
        return path
    return None
