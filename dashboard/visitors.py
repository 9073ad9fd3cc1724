"""Who is asking, and what may they do? The same answer for REST, the stream and the socket."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.utils.translation import gettext as _

from dashboard import tokens
from dashboard.models import Scope


@dataclass(frozen=True)
class Visitor:
    """Somebody who was let in: a person by session, or a program by token."""

    scope: Scope
    user_id: int | None
    token_id: int | None = None


class VisitorError(Exception):
    """Nobody we know; the text says what to do."""


def by_token(token: str) -> Visitor:
    """Return who holds TOKEN; VisitorError when it is unknown, expired or its owner was deactivated."""
    row = tokens.find(token.strip())
    if row is None:
        raise VisitorError(_("This token is wrong or has expired. Create a new one on the Settings page."))
    return Visitor(Scope(row.scope), row.owner_id, row.pk)


def by_user(user: AbstractBaseUser | AnonymousUser) -> Visitor:
    """Return the visitor that a signed-in USER is: staff may change settings, others only look."""
    if not user.is_authenticated or not user.is_active:
        raise VisitorError(_("Sign in, or send a token: “Authorization: Bearer TOKEN”."))
    return Visitor(Scope.WRITE if getattr(user, "is_staff", False) else Scope.READ, user.pk)


def by_headers(authorization: str, session_key: str) -> Visitor:
    """Return who sent these: a bearer token wins over a session. For requests that Django does not see."""
    scheme, _space, token = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return by_token(token)
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key or None)
    return by_user(get_user(request))
