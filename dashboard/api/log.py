from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Field, Query, Router
from ninja.errors import HttpError

from dashboard import shapes
from dashboard.api.paging import Page, Paging, page
from dashboard.csv import event_rows, in_chunks
from monitoring.models import Deployment, Event, EventKind, Severity
from monitoring.models.event import EventQuerySet

router = Router()


class EventFilters(Paging):
    kind: str = Field("", description="one or more, by comma: " + ", ".join(EventKind.values))
    severity: str = Field("", description="one or more, by comma: " + ", ".join(Severity.values))
    host: str = ""
    project: str = ""
    stage: str = ""
    since: datetime | None = None
    until: datetime | None = None
    q: str = ""
    format: Literal["json", "csv"] = "json"


@router.get("/events", response=Page[shapes.EventShape], tags=["events"])
def list_events(request: HttpRequest, filters: Query[EventFilters]) -> Any:
    """What happened, newest first. `format=csv` sends all of it as a table."""
    rows = _matching(filters).select_related("host", "stage__project")
    if filters.format == "csv":
        return _csv(request, rows)
    found, cursor = page(rows, ("-at", "-pk"), filters)
    return {"items": [shapes.event(row) for row in found], "next": cursor}


def _matching(filters: EventFilters) -> EventQuerySet:
    return Event.objects.matching(
        kinds=_words("kind", filters.kind, EventKind.values),
        severities=_words("severity", filters.severity, Severity.values),
        hosts=_words("host", filters.host),
        projects=_words("project", filters.project),
        stages=_words("stage", filters.stage),
        since=_aware(filters.since),
        until=_aware(filters.until),
        text=filters.q,
    )


def _words(field: str, text: str, known: list[str] | None = None) -> list[str]:
    words = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [word for word in words if known is not None and word not in known]
    if wrong:
        raise HttpError(422, _("%(field)s: there is no “%(word)s”.") % {"field": field, "word": wrong[0]})
    return words


def _aware(at: datetime | None) -> datetime | None:
    """Return AT, taken as UTC where it names no zone."""
    return timezone.make_aware(at, timezone.get_default_timezone()) if at and timezone.is_naive(at) else at


def _csv(request: HttpRequest, rows: EventQuerySet) -> StreamingHttpResponse:
    lines = event_rows(rows)
    return StreamingHttpResponse(
        in_chunks(lines) if isinstance(request, ASGIRequest) else lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="events.csv"'},
    )


class DeploymentFilters(Paging):
    project: str = ""
    stage: str = ""


@router.get("/deployments", response=Page[shapes.DeploymentShape], tags=["deployments"])
def list_deployments(request: HttpRequest, filters: Query[DeploymentFilters]) -> dict[str, Any]:
    """What was deployed and whether it held, newest first."""
    rows = Deployment.objects.select_related("stage__project").prefetch_related("changes")
    wanted = {"stage__project__slug": filters.project, "stage__slug": filters.stage}
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    found, cursor = page(rows, ("-started_at", "-pk"), filters)
    return {"items": [shapes.deployment(row) for row in found], "next": cursor}
