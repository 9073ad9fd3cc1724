"""The data folder belongs to one embedded process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO


class FolderInUse(Exception):  # noqa: N818 it names a state, and its text is for the operator
    """Another process runs on the data folder."""


def claim(folder: Path) -> TextIO:
    """Return the locked file that holds FOLDER for this process until it is closed; raise FolderInUse."""
    file = (folder / "serve.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderInUse(_owner(file)) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _owner(file: TextIO) -> str:
    with file:
        file.seek(0)
        return file.read().strip() or "?"
