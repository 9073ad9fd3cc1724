"""Everybody who is signed in may look; administrators change."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

View = Callable[..., HttpResponse]


def for_readers(view: View) -> View:
    """Let signed-in people see what VIEW answers, always fresh."""
    shown: View = login_required(never_cache(view))
    return shown


def for_administrators(view: View) -> View:
    """Let administrators alone use VIEW."""

    @login_required
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not may_change(request):
            raise PermissionDenied(_("Only administrators change notifications."))
        return view(request, *args, **kwargs)

    checked: View = guarded
    return checked


def to_change(view: View) -> View:
    """Let administrators alone POST to VIEW."""
    checked: View = require_POST(for_administrators(view))
    return checked


def may_change(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_staff", False))
