"""Compile translations in Python, at start: nobody needs gettext's msgfmt."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import polib

log = logging.getLogger(__name__)


def compile_translations(folders: Iterable[Path]) -> list[Path]:
    """Write the `.mo` of each `django.po` under FOLDERS that is newer than its own; return what was written."""
    catalogues = (path for folder in folders for path in sorted(folder.glob("*/LC_MESSAGES/django.po")))
    return [_compile(path) for path in catalogues if _is_newer(path, path.with_suffix(".mo"))]


def _is_newer(source: Path, target: Path) -> bool:
    return not target.exists() or source.stat().st_mtime_ns > target.stat().st_mtime_ns


def _compile(source: Path) -> Path:
    """Write beside the target and rename: a process that starts at the same moment never reads half a file."""
    target = source.with_suffix(".mo")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        polib.pofile(str(source)).save_as_mofile(str(draft))
        draft.replace(target)
    except PermissionError:
        log.warning("Cannot write %s: this language stays as it was. Make the folder writable once.", target)
    return target
