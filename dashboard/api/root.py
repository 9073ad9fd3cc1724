from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern
from ninja import NinjaAPI

from dashboard.api import fleet, instances, log, problems, telling
from dashboard.api.auth import READ

api = NinjaAPI(
    title="Pierwatch",
    version=settings.VERSION,
    description="Containers, deployments, proxied routes and events of the Docker hosts that are watched.",
    auth=READ,
    urls_namespace="api",
    docs_url="/docs",
    openapi_url="/openapi.json",
)
problems.install(api)
api.add_router("", fleet.router)
api.add_router("", instances.router)
api.add_router("", log.router)
api.add_router("", telling.router)


def api_patterns() -> list[URLPattern]:
    """Return the addresses under /api, whose views answer in JSON whatever happens."""
    patterns = [pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern)]
    for pattern in patterns:
        pattern.callback = problems.in_json(pattern.callback)
    return patterns


def healthz(request: HttpRequest) -> JsonResponse:
    """Say that the process answers, without asking anybody else."""
    return JsonResponse({"status": "ok", "version": settings.VERSION})
