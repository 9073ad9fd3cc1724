"""The pages for what goes wrong: each says what happened and what can be done."""

from __future__ import annotations

import logging
import secrets
import sys

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

log = logging.getLogger(__name__)
SHOWN_HEADERS = ("Host", "Origin", "Referer", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-For")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    host = request.META.get("HTTP_HOST", "")
    known = host.rpartition(":")[0] or host
    if known and known not in settings.ALLOWED_HOSTS:
        text = _("“%(host)s” is not an allowed address. Set PIERWATCH_URL or add it to PIERWATCH_ALLOWED_HOSTS.") % {
            "host": host
        }
        return _page(_("This address is not known here."), text, status=400)
    return _page(_("This request cannot be understood."), _("Go back and try again."), status=400)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    text = _("Your account may not do this. Ask an administrator for the permission, or sign in as somebody else.")
    return _page(_("Not allowed."), text, status=403, request=request)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    said = exception.args[0] if exception and exception.args and isinstance(exception.args[0], str) else ""
    text = said or _("There is nothing at this address. It may have been removed.")
    return _page(_("Not found."), text, status=404, request=request)


def server_error(request: HttpRequest) -> HttpResponse:
    number = secrets.token_hex(4)
    log.error("error id %s at %s", number, request.path, exc_info=sys.exc_info())
    text = _("The error id is %(id)s: the log says more under this id.") % {"id": number}
    return _page(_("Pierwatch made a mistake."), text, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    says = request.headers.get("Origin") or request.headers.get("Referer", "")
    agrees = says.startswith(settings.PUBLIC_URL)
    context = {
        "title": _("This form is too old, or cookies are blocked.")
        if agrees
        else _("Your browser and Pierwatch disagree about the address."),
        "says": "" if agrees else says,
        "expected": settings.PUBLIC_URL,
        "received": [(name, request.headers[name]) for name in SHOWN_HEADERS if name in request.headers],
    }
    return HttpResponse(render_to_string("403_csrf.html", context), status=403)


def _page(title: str, text: str, *, status: int, request: HttpRequest | None = None) -> HttpResponse:
    """Render with as little as possible: what failed may be what a page needs."""
    signed_in = request is not None and getattr(request, "user", None) and request.user.is_authenticated
    context = {"title": title, "text": text, "home": bool(signed_in) or status == 404}
    return HttpResponse(render_to_string("error.html", context), status=status)
