"""The two ways to hold a connection open, SSE and WebSocket, as bare ASGI, and who may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.translation import gettext as _

from dashboard.shapes import encode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SSE_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class Refusal(Exception):  # noqa: N818 an answer, not a fault
    """Why this connection is not served: an HTTP status and words."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Line(Protocol):
    """An open connection to one reader."""

    async def open(self) -> None: ...
    async def write(self, frames: list[bytes]) -> None: ...
    async def beat(self) -> None: ...
    async def close(self) -> None: ...
    async def refuse(self, refusal: Refusal) -> None: ...
    async def gone(self) -> None: ...


class Events:
    """Server-sent events (html.spec.whatwg.org, "Server-sent events")."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send

    async def open(self) -> None:
        await self._send({"type": "http.response.start", "status": 200, "headers": SSE_HEADERS})
        await self.write([b"retry: 3000\n\n"])

    async def write(self, frames: list[bytes]) -> None:
        await self._send({"type": "http.response.body", "body": b"".join(frames), "more_body": True})

    async def beat(self) -> None:
        await self.write([b": \n\n"])

    async def close(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, refusal: Refusal) -> None:
        extra = {401: (b"www-authenticate", b"Bearer"), 405: (b"allow", b"GET"), 503: (b"retry-after", b"30")}
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        headers += [extra[refusal.status]] if refusal.status in extra else []
        await self._send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": encode({"detail": refusal.detail}).encode()})

    async def gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Socket:
    """A WebSocket; the server itself pings it."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send

    async def open(self) -> None:
        await self._send({"type": "websocket.accept"})

    async def write(self, frames: list[bytes]) -> None:
        for frame in frames:
            await self._send({"type": "websocket.send", "text": frame.decode()})

    async def beat(self) -> None:
        pass

    async def close(self) -> None:
        await self._send({"type": "websocket.close", "code": 4401})

    async def refuse(self, refusal: Refusal) -> None:
        """Accept, say why, and close with 4000 + the HTTP status; a foreign origin is not even let in (HTTP 403)."""
        if refusal.status != 403:
            await self.open()
            await self.write([encode({"type": "error", "data": {"detail": refusal.detail}}).encode()])
        await self._send({"type": "websocket.close", "code": 4000 + refusal.status})

    async def gone(self) -> None:
        while (await self._receive())["type"] != "websocket.disconnect":
            pass


def header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def session_key(scope: Scope) -> str:
    try:
        cookie = SimpleCookie(header(scope, b"cookie")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def check_method_and_type(scope: Scope) -> None:
    if scope["method"] != "GET":
        raise Refusal(405, _("Only GET is possible here."))
    ranges = [part.partition(";")[0].strip().lower() for part in header(scope, b"accept").split(",")]
    if ranges != [""] and not {"text/event-stream", "text/*", "*/*"} & set(ranges):
        raise Refusal(406, _("This address only speaks text/event-stream."))


def check_origin(scope: Scope, *, required: bool) -> None:
    """Refuse pages of other sites: the origin must be the address asked for or PIERWATCH_URL, as for Django's CSRF."""
    origin, host = header(scope, b"origin"), header(scope, b"host")
    if not origin and not required:
        return
    known = validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)
    if origin in settings.CSRF_TRUSTED_ORIGINS or (known and origin in (f"http://{host}", f"https://{host}")):
        return
    raise Refusal(
        403,
        _("Pages of %(origin)s may not listen here. Set PIERWATCH_URL to the address that the browser shows.")
        % {"origin": origin or _("unknown origin")},
    )
