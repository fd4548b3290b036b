"""Keeps the progress bars of transformers off the terminal while polysee loads or saves a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_bars() -> Iterator[None]:
    """No bars inside the block; afterwards they are as they were, for a program that uses polysee as a library.

    polysee shows its own progress, and loading a small checkpoint is not worth a line. Warnings and errors still show.
    """
    from transformers import utils

    logging: Any = utils.logging
    if not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()
