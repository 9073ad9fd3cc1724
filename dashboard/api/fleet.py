from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from dashboard import shapes
from dashboard.api.paging import Page, Paging, page
from dashboard.api.places import project_or_404
from dashboard.health import Summary, summary
from monitoring.models import Host, Project, Proxy

router = Router()


@router.get("/system-health", response=Summary, tags=["health"])
def system_health(request: HttpRequest) -> Summary:
    """The state of everything in a few numbers; `status` is ok, warning, error or stale."""
    return summary()


@router.get("/hosts", response=Page[shapes.HostShape], tags=["hosts"])
def list_hosts(request: HttpRequest, paging: Query[Paging]) -> dict[str, Any]:
    """The Docker engines that are watched."""
    found, cursor = page(Host.objects.all(), ("name",), paging)
    return {"items": [shapes.host(row) for row in found], "next": cursor}


@router.get("/projects", response=Page[shapes.ProjectShape], tags=["projects"])
def list_projects(request: HttpRequest, paging: Query[Paging]) -> dict[str, Any]:
    """What runs here, with its stages."""
    found, cursor = page(Project.objects.prefetch_related("stages"), ("slug",), paging)
    return {"items": [shapes.project(row) for row in found], "next": cursor}


@router.get("/projects/{project}", response=shapes.ProjectShape, tags=["projects"])
def get_project(request: HttpRequest, project: str) -> shapes.ProjectShape:
    """One project with its stages."""
    return shapes.project(project_or_404(project))


@router.get("/proxies", response=Page[shapes.ProxyShape], tags=["proxies"])
def list_proxies(request: HttpRequest, paging: Query[Paging]) -> dict[str, Any]:
    """The proxied routes and whether they work."""
    found, cursor = page(Proxy.objects.select_related("stage__project"), ("address", "pk"), paging)
    return {"items": [shapes.proxy(row) for row in found], "next": cursor}
