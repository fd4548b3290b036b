"""Run as a program by `polysee.media.svg`: one drawing from standard input to PNG on standard output.

It lives in a process of its own because a drawing can be made to exhaust the renderer's stack, memory or time, and
none of these can be caught from inside. Imports nothing of polysee, to start in a few hundredths of a second.
"""

from __future__ import annotations

import json
import sys
import threading

STACK_BYTES = 256 * 2**20
MEMORY_BYTES = 4 * 2**30
NOT_DRAWABLE = 3
UNEXPECTED = 1
"""Exit statuses: the SVG is at fault, with a message on standard error; anything else went wrong."""


def main() -> int:
    """Reads one line of JSON (keyword arguments of the renderer) and the SVG in UTF-8. Returns the exit status."""
    import resvg_py

    _limit_memory()
    arguments = json.loads(sys.stdin.buffer.readline())
    text = sys.stdin.buffer.read().decode()
    status = [UNEXPECTED]

    def render() -> None:
        try:
            png = resvg_py.svg_to_bytes(svg_string=text, **arguments)
        except ValueError as error:
            sys.stderr.write(str(error))
            status[0] = NOT_DRAWABLE
            return
        sys.stdout.buffer.write(bytes(png))
        status[0] = 0

    # Nested groups recurse; the usual 8 MB hold about two hundred of them.
    threading.stack_size(STACK_BYTES)
    thread = threading.Thread(target=render)
    thread.start()
    thread.join()
    return status[0]


def _limit_memory() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows has no such limits; the caller's time limit still holds there.
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    sys.exit(main())
