"""Folders of files that appear whole: a tokenizer, a checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from polysee.store.atomic import crash_point, sync_file, sync_folder, user_errors


def publish_folder(folder: Path, save: Callable[[Path], object]) -> None:
    """``save`` fills a new folder beside ``folder``, which then takes its place.

    A kill leaves the old folder, the new one, or none. Raises `UserError` for a full disk or an unwritable folder.
    """
    partial, outdated = (folder.with_name(f"{folder.name}.{end}") for end in ("partial", "outdated"))
    crash_point()
    with user_errors(folder):
        for left in (partial, outdated):
            if left.exists():
                shutil.rmtree(left)
        partial.mkdir(parents=True)
        save(partial)
        for path in partial.iterdir():
            sync_file(path)
        sync_folder(partial)
        crash_point()
        if folder.exists():
            folder.rename(outdated)
            crash_point()
        partial.rename(folder)
        sync_folder(folder.parent)
        crash_point()
        if outdated.exists():
            shutil.rmtree(outdated)
