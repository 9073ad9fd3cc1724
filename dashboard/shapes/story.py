"""What happened to it: events, deployments, proxied routes."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # pydantic reads no other below Python 3.12

from dashboard.shapes.text import Moment, link, moment
from monitoring import wording
from monitoring.models import Deployment, Event, Proxy


class EventShape(TypedDict):
    id: int
    kind: str
    severity: str
    at: Moment
    last_at: Moment
    count: int
    resolved_at: Moment | None
    host: str
    project: str
    stage: str
    subject: str
    title: str
    message: str
    details: dict[str, Any]
    url: str


ChangeShape = TypedDict(
    "ChangeShape", {"instance": str, "kind": str, "from": dict[str, Any], "to": dict[str, Any], "details": Any}
)


class DeploymentShape(TypedDict):
    id: int
    project: str
    stage: str
    status: str
    cause: str
    version: str
    message: str
    started_at: Moment
    finished_at: Moment | None
    changes: list[ChangeShape]
    source: str
    url: str


class ProxyShape(TypedDict):
    id: int
    address: str
    instance: int | None
    project: str
    stage: str
    state: str
    cause: str
    since: Moment | None
    checked_at: Moment | None
    latency_ms: int | None
    certificate_expires_at: Moment | None
    source: str


def event(row: Event) -> EventShape:
    """Return the shape of an event loaded with host and stage__project, in the active language."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "severity": row.severity,
        "at": moment(row.at) or "",
        "last_at": moment(row.last_at) or "",
        "count": row.count,
        "resolved_at": moment(row.resolved_at),
        "host": row.host.name if row.host else "",
        "project": row.stage.project.slug if row.stage else "",
        "stage": row.stage.slug if row.stage else "",
        "subject": row.subject,
        "title": wording.title(row),
        "message": wording.message(row),
        "details": row.parameters,
        "url": link(f"/events/{row.pk}"),
    }


def deployment(row: Deployment) -> DeploymentShape:
    """Return the shape of a deployment loaded with stage__project and changes."""
    return {
        "id": row.pk,
        "project": row.stage.project.slug,
        "stage": row.stage.slug,
        "status": row.status,
        "cause": row.cause,
        "version": row.version,
        "message": row.message,
        "started_at": moment(row.started_at) or "",
        "finished_at": moment(row.finished_at),
        "changes": _changes(row),
        "source": row.source,
        "url": link(f"/deployments/{row.pk}"),
    }


def _changes(row: Deployment) -> list[ChangeShape]:
    return [
        {"instance": it.subject, "kind": it.kind, "from": it.before, "to": it.after, "details": it.details}
        for it in row.changes.all()
    ]


def proxy(row: Proxy) -> ProxyShape:
    """Return the shape of a proxy loaded with stage__project."""
    return {
        "id": row.pk,
        "address": row.address,
        "instance": row.instance_id,
        "project": row.stage.project.slug if row.stage else "",
        "stage": row.stage.slug if row.stage else "",
        "state": row.state,
        "cause": row.cause,
        "since": moment(row.since),
        "checked_at": moment(row.checked_at),
        "latency_ms": row.latency_ms,
        "certificate_expires_at": moment(row.certificate_expires_at),
        "source": row.source,
    }
