"""Who may call: a bearer token, or the session of a page, which must prove itself by CSRF when it changes something."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.errors import HttpError
from ninja.security import APIKeyCookie, HttpBearer

from dashboard import visitors
from dashboard.models import Scope


class Bearer(HttpBearer):
    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> visitors.Visitor:
        try:
            return _allowed(visitors.by_token(token), self._scope)
        except visitors.VisitorError as error:
            raise HttpError(401, str(error)) from error


class Session(APIKeyCookie):
    param_name = settings.SESSION_COOKIE_NAME

    def __init__(self, scope: Scope) -> None:
        super().__init__(csrf=True)
        self._scope = scope

    def _get_key(self, request: HttpRequest) -> str | None:
        """Check the signature of a page's request, but only of a page's: programs without a session are told of 401."""
        return super()._get_key(request) if settings.SESSION_COOKIE_NAME in request.COOKIES else None

    def authenticate(self, request: HttpRequest, key: str | None) -> visitors.Visitor:
        try:
            return _allowed(visitors.by_user(request.user), self._scope)
        except visitors.VisitorError as error:
            raise HttpError(401, str(error)) from error


def needs(scope: Scope) -> list[Any]:
    """Return the two ways in, both for visitors who may do SCOPE. The token comes first: it needs no CSRF."""
    return [Bearer(scope), Session(scope)]


def _allowed(visitor: visitors.Visitor, scope: Scope) -> visitors.Visitor:
    if not visitor.scope.includes(scope):
        raise HttpError(
            403,
            _("This needs the scope “%(needed)s”; you have “%(have)s”.")
            % {"needed": scope.value, "have": visitor.scope.value},
        )
    return visitor


READ, REPORT, WRITE = needs(Scope.READ), needs(Scope.REPORT), needs(Scope.WRITE)
