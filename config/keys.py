"""Keys that Pierwatch makes for itself, kept in the data folder and readable by its owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def read_or_create(path: Path) -> str:
    """Return the key in PATH; make it first (mode 0600) when there is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _create(path) if not path.exists() else path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {path.parent} cannot be used: {error.strerror}. "
            "Make it writable for this user, or set PIERWATCH_DATA_DIR to another folder."
        ) from error


def _create(path: Path) -> str:
    """Write a key beside PATH and link it into place: one process wins, none sees half a key."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii").strip()
