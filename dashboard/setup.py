"""The first administrator: by a one-time link, or from the environment."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.signing import BadSignature, TimestampSigner
from django.urls import reverse

VALID_SECONDS = 3600


def link() -> str:
    """Return the address at which an administrator can be made: for 60 minutes, and once."""
    return f"{_origin()}{reverse('setup')}?token={quote(make_token())}"


def make_token() -> str:
    """Return a signed moment. Its signature covers who the administrators are, so making one more ends it."""
    return _signer().sign("setup")


def is_valid(token: str) -> bool:
    try:
        return _signer().unsign(token, max_age=VALID_SECONDS) == "setup"
    except BadSignature:
        return False


def claim(token: str) -> bool:
    """Return True to exactly one of those who use TOKEN at the same moment."""
    name = hashlib.sha256(token.encode()).hexdigest()
    return is_valid(token) and cache.add(f"setup-{name}", 1, VALID_SECONDS)


def needed() -> bool:
    return not User.objects.filter(is_superuser=True, is_active=True).exists()


def ensure_first_administrator() -> bool:
    """Create the administrator that the environment names, unless that user exists; return whether one was made."""
    name, password = settings.FIRST_ADMIN_USER, settings.FIRST_ADMIN_PASSWORD
    if not name or not password or User.objects.filter(username=name).exists():
        return False
    User.objects.create_superuser(name, password=password)
    return True


def _signer() -> TimestampSigner:
    known = User.objects.filter(is_superuser=True).order_by("pk").values_list("pk", "password")
    return TimestampSigner(salt=f"pierwatch.setup.{hashlib.sha256(repr(list(known)).encode()).hexdigest()}")


def _origin() -> str:
    """Return scheme and host of the public address; its path, if any, is in every reversed URL already."""
    path = settings.FORCE_SCRIPT_NAME or ""
    return str(settings.PUBLIC_URL).removesuffix(path)
