"""Encryption of addresses and secrets at rest, with keys of their own, and what of them may be shown.

The keys lie in settings.ENCRYPTION_KEYS_FILE, one Fernet key a line, newest first. They are not derived from SECRET_KEY
(as django-fernet-encrypted-fields does): whoever changes that one to end all sessions must not lose every address, and
rotation must be possible while the program runs, key by key and row by row.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets as randomness
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

logger = logging.getLogger(__name__)
HIDDEN = "••••"
SHOWN_SEGMENTS = 2
SHORTEST_SECRET = 6


def keyring() -> MultiFernet:
    """Return the keys in force; make the first one when there is none. A changed file is read again at once."""
    path = Path(settings.ENCRYPTION_KEYS_FILE)
    if not path.exists():
        write_keys([Fernet.generate_key().decode()], first=True)
    stamp = path.stat()
    return _parsed(path, (stamp.st_ino, stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=4)
def _parsed(path: Path, _stamp: tuple[int, ...]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in read_keys()])
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{path} must hold one Fernet key a line. Restore the file from your backup: without it the "
            "addresses of all destinations must be entered again."
        ) from error


def read_keys() -> list[str]:
    """Return the keys, newest first."""
    return Path(settings.ENCRYPTION_KEYS_FILE).read_text(encoding="ascii").split()


def write_keys(keys: list[str], *, first: bool = False) -> None:
    """Replace the file of keys in one step (mode 0600); as the FIRST, give way to another process that was faster."""
    path = Path(settings.ENCRYPTION_KEYS_FILE)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{randomness.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    if not first:
        draft.replace(path)
        return
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


if TYPE_CHECKING:
    _Text = models.TextField[str, str]
else:
    _Text = models.TextField


class EncryptedText(_Text):
    """Text that lies encrypted in the database. It cannot be searched for: the same text never looks the same."""

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return keyring().encrypt(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, *_args: Any) -> str | None:
        if not value:
            return value
        try:
            return keyring().decrypt(value.encode()).decode()
        except InvalidToken:
            logger.error("A stored address or secret fits none of the keys in %s.", settings.ENCRYPTION_KEYS_FILE)
            return ""


def masked(address: str) -> str:
    """Return as much of ADDRESS as tells it from others, and nothing that lets anyone send to it."""
    try:
        parts = urlsplit(address)
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return HIDDEN
    if not parts.scheme or not place:
        name, at, domain = address.rpartition("@")
        return f"{name[:1]}{HIDDEN}{at}{domain}" if at and " " not in address else HIDDEN
    if parts.scheme not in ("http", "https"):
        return f"{parts.scheme}://{HIDDEN}"
    segments = [part for part in parts.path.split("/") if part]
    shown = segments[: min(SHOWN_SEGMENTS, len(segments) - 1)] if segments else []
    end = HIDDEN if segments or parts.query else ""
    return "/".join([f"{parts.scheme}://{place}", *shown, end])


def redacted(text: str, *secret_texts: str) -> str:
    """Return TEXT without anything of the SECRET TEXTS: neither whole, nor their path, keys or passwords."""
    for piece in sorted({piece for secret in secret_texts for piece in _pieces(secret)}, key=len, reverse=True):
        text = text.replace(piece, HIDDEN)
    return text


def _pieces(secret: str) -> list[str]:
    try:
        parts = urlsplit(secret)
    except ValueError:
        return [secret] if secret else []
    if not parts.netloc:
        return [secret, secret.removeprefix("whsec_")] if len(secret) >= SHORTEST_SECRET else []
    segments = [part for part in parts.path.split("/") if part][SHOWN_SEGMENTS:]
    last = [part for part in parts.path.split("/") if part][-1:]
    found = [secret, *segments, *last, parts.query, *(value for _, value in parse_qsl(parts.query))]
    found += [text for text in (parts.username, parts.password) if text]
    return [piece for text in found for piece in (text, unquote(text)) if len(piece) >= SHORTEST_SECRET]
