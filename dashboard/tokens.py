"""Keys for programs: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from dashboard.models import ApiToken, Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "pw_"


def create(
    name: str, scope: Scope, *, owner: User | None = None, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Store a new token; return its row and the token itself, which nobody can read again."""
    token = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(name=name, hash=hash_of(token), scope=scope, owner=owner, expires_at=expires_at)
    return row, token


def find(token: str) -> ApiToken | None:
    """Return the row of a TOKEN that is valid now.

    The look-up is by hash, so its duration says nothing about how much of a guess was right. A slow hash would add
    nothing: the token is 256 random bits.
    """
    row = ApiToken.objects.valid().filter(hash=hash_of(token)).first()
    if row is not None and not row.used_lately:
        ApiToken.objects.note_use(row.pk)
    return row


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
