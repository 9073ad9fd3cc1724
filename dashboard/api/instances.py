from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Field, Query, Router
from ninja.errors import HttpError

from dashboard import shapes
from dashboard.api.paging import Page, Paging, page
from dashboard.api.places import instance_or_404, stage_or_404
from dashboard.health import fresh_for
from monitoring import sampler
from monitoring.engine import EngineError
from monitoring.models import Instance, Preferences
from monitoring.models.instance import STATE_FILTERS, InstanceQuerySet

router = Router(tags=["instances"])

ORDER = ("stage__project__slug", "stage__slug", "name", "pk")


class InstanceFilters(Paging):
    state: str = Field("", description=", ".join(STATE_FILTERS))
    host: str = ""
    project: str = ""
    stage: str = ""
    q: str = Field("", description="words that must all occur in name, image, project, stage or host")
    stale: bool | None = None


@router.get("/instances", response=Page[shapes.Stats])
def list_instances(request: HttpRequest, filters: Query[InstanceFilters]) -> dict[str, Any]:
    """All instances with their newest figures."""
    if filters.state and filters.state not in STATE_FILTERS:
        raise HttpError(422, _("state: use one of %(states)s.") % {"states": ", ".join(STATE_FILTERS)})
    names = {name: getattr(filters, name) for name in ("state", "host", "project", "stage", "q")}
    rows = Instance.objects.present().search(**names)
    if filters.stale is not None:
        rows = rows.filter(STATE_FILTERS["stale"]) if filters.stale else rows.exclude(STATE_FILTERS["stale"])
    return _listed(rows, filters)


@router.get("/projects/{project}/stages/{stage}/instances", response=Page[shapes.Stats])
def list_instances_of_stage(request: HttpRequest, project: str, stage: str, paging: Query[Paging]) -> dict[str, Any]:
    """The instances of one stage with their newest figures."""
    found = stage_or_404(project, stage)
    return _listed(Instance.objects.present().filter(stage=found), paging)


@router.get("/projects/{project}/stages/{stage}/instances/{iid}", response=shapes.Stats)
def get_instance(request: HttpRequest, project: str, stage: str, iid: str) -> shapes.Stats:
    """One instance: by its id, its name, or the id of its container (12 characters or more)."""
    return _shown(instance_or_404(project, stage, iid))


@router.get("/projects/{project}/stages/{stage}/instances/{iid}/stats", response=shapes.Stats)
def get_stats(request: HttpRequest, project: str, stage: str, iid: str, fresh: bool = False) -> shapes.Stats:
    """Its newest figures; `fresh=1` reads the engine now, twice, which takes about two seconds."""
    instance = instance_or_404(project, stage, iid)
    return _read_now(instance) if fresh else _shown(instance)


def _listed(rows: InstanceQuerySet, paging: Paging) -> dict[str, Any]:
    found, cursor = page(rows.with_latest().defer(*shapes.UNSHOWN), ORDER, paging)
    now, age = timezone.now(), fresh_for(Preferences.current().sample_seconds)
    return {"items": [shapes.stats(row, now, age) for row in found], "next": cursor}


def _read_now(instance: Instance) -> shapes.Stats:
    try:
        read = sampler.fresh(instance)
    except EngineError as error:
        raise HttpError(503, f"{error} {error.fix}".strip()) from error
    return shapes.fresh_stats(instance, read, timezone.now())


def _shown(instance: Instance) -> shapes.Stats:
    return shapes.stats(instance, timezone.now(), fresh_for(Preferences.current().sample_seconds))
