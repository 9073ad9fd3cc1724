"""Every error is JSON with one sentence: {"detail": "..."}; never a page, never a traceback."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

logger = logging.getLogger(__name__)


def install(api: NinjaAPI) -> None:
    """Make API answer errors in our words."""

    @api.exception_handler(HttpError)
    def said(request: HttpRequest, error: HttpError) -> HttpResponse:
        return _answer(api, request, error.status_code, str(error))

    @api.exception_handler(AuthenticationError)
    def unknown(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        return _answer(api, request, 401, _("Sign in, or send a token: “Authorization: Bearer TOKEN”."))

    @api.exception_handler(Http404)
    def missing(request: HttpRequest, error: Http404) -> HttpResponse:
        return _answer(api, request, 404, str(error) or _("There is nothing at this address."))

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return _answer(api, request, 422, "; ".join(_sentence(fault) for fault in error.errors))

    @api.exception_handler(Exception)
    def broken(request: HttpRequest, error: Exception) -> HttpResponse:
        mark = uuid.uuid4().hex[:8]
        logger.error("Error %s in %s %s", mark, request.method, request.path, exc_info=error)
        return _answer(
            api, request, 500, _("Pierwatch made a mistake (error id %(id)s). It is in the log.") % {"id": mark}
        )


def in_json(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Make VIEW say in JSON, too, that a method is not possible."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code != 405:
            return response
        detail = _("%(method)s is not possible here. Use %(allowed)s.")
        words = {"method": request.method, "allowed": response["Allow"]}
        return JsonResponse({"detail": detail % words}, status=405, headers={"Allow": response["Allow"]})

    return answer


def nothing_here(request: HttpRequest, path: str = "") -> HttpResponse:
    """Answer for addresses under /api that do not exist."""
    return JsonResponse(
        {"detail": _("There is nothing at this address. See %(docs)s.") % {"docs": "/api/docs"}}, status=404
    )


def _answer(api: NinjaAPI, request: HttpRequest, status: int, detail: str) -> HttpResponse:
    response = api.create_response(request, {"detail": detail}, status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _sentence(fault: dict[str, Any]) -> str:
    """Return "field: what is wrong with it" for one fault as pydantic reports it."""
    field = ".".join(str(part) for part in fault["loc"][1:] if part not in ("payload", "filters"))
    return f"{field or fault['loc'][0]}: {fault['msg']}"
