"""What answers a connection: streams before Django (a sync middleware would hold a thread for each), then Django."""

from __future__ import annotations

import os
from typing import Any, cast
from urllib.parse import urlsplit

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()  # sets Django up: what follows may import models

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import WebsocketDenier  # noqa: E402
from django.conf import settings  # noqa: E402
from django.http.request import split_domain_port, validate_host  # noqa: E402
from django.urls import re_path  # noqa: E402

from dashboard import urls  # noqa: E402

Scope = dict[str, Any]


class SameOrigin:
    """Let WebSockets in from our own pages, and from programs, which send no Origin; no other site's page."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> Any:
        application = self.application if origin_is_ours(scope) else WebsocketDenier()
        return await application(scope, receive, send)


def origin_is_ours(scope: Scope) -> bool:
    headers = {name.lower(): value.decode("latin1") for name, value in scope["headers"]}
    origin = headers.get(b"origin")
    if origin is None or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    host = headers.get(b"host", "")
    return urlsplit(origin).netloc == host and validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


async def lifespan(_scope: Scope, receive: Any, send: Any) -> None:
    """Answer servers that ask for it: nothing of ours has to start or stop with them."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


application = ProtocolTypeRouter(
    {
        "http": URLRouter([*getattr(urls, "http_streams", []), re_path("", cast(Any, django_application))]),
        "websocket": SameOrigin(URLRouter(getattr(urls, "websocket_urlpatterns", []))),
        "lifespan": lifespan,
    }
)
