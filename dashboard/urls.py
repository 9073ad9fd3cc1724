from typing import Any, cast

from django.urls import URLPattern, URLResolver, path

from dashboard.api.problems import nothing_here
from dashboard.api.root import api_patterns, healthz
from dashboard.live.stream import event_stream, web_socket

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/", (api_patterns(), "ninja", "api")),
    path("api/<path:path>", nothing_here),
    path("healthz", healthz),
]

http_streams = [("/api/stream", event_stream)]
websocket_urlpatterns = [path("ws/stream", cast("Any", web_socket))]
