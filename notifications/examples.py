"""Made-up events, one per kind: what previews and test messages show. They are never stored."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from monitoring.models import Event, EventKind, Host, Project, Stage

ROUTE = {"cause": "bad_gateway", "fault": "app", "status": 502, "checks": 3, "instance": "web-1"}
DEPLOY = {"version": "1.4.0", "from": "1.3.9", "to": "1.4.0", "changes": 2, "source": "detected"}
PARAMETERS: dict[str, dict[str, Any]] = {
    EventKind.CONTAINER_STALE: {"reason": "stopped", "days": 9, "image": "shop/web:1.3.9"},
    EventKind.CONTAINER_CRASHED: {"exit_code": 139, "exit_class": "crash"},
    EventKind.CONTAINER_OOM_KILLED: {"exit_code": 137, "memory_limit_bytes": 512 * 1024**2},
    EventKind.CONTAINER_CRASH_LOOP: {"exit_code": 1, "exit_class": "crash"},
    EventKind.CONTAINER_UNHEALTHY: {"checks": 3},
    EventKind.CONTAINER_RECOVERED: {"seconds": 480, "deaths": 3},
    EventKind.PROXY_UNHEALTHY: ROUTE,
    EventKind.PROXY_RECOVERED: {"seconds": 480, "latency_ms": 38},
    EventKind.PROXY_CERTIFICATE_EXPIRING: {"days": 7},
    EventKind.DEPLOY_STARTED: DEPLOY,
    EventKind.DEPLOY_SUCCEEDED: DEPLOY | {"seconds": 95},
    EventKind.DEPLOY_FAILED: DEPLOY | {"cause": "crash", "instance": "web-1", "exit_code": 1, "exit_class": "crash"},
    EventKind.DEPLOY_ROLLED_BACK: DEPLOY | {"from": "1.4.0", "to": "1.3.9", "cause": "former_image"},
    EventKind.USAGE_HIGH: {"metric": "cpu", "value": 96, "threshold": 90, "minutes": 5},
    EventKind.USAGE_RECOVERED: {"metric": "cpu", "value": 12, "threshold": 90, "seconds": 900},
    EventKind.HOST_UNREACHABLE: {"reason": "connect", "message": "connection refused"},
    EventKind.HOST_RECOVERED: {"seconds": 480},
    EventKind.DESTINATION_DISABLED: {"reason": "Slack answered 404 no_service: the webhook was deleted in Slack."},
}
COUNTS = {EventKind.CONTAINER_CRASH_LOOP: 5}


def example_event(kind: str) -> Event:
    """Return an event of KIND that is not stored, believable enough to judge a message by."""
    now = timezone.now()
    of_stage = not kind.startswith(("host.", "destination."))
    return Event(
        kind=kind,
        severity=EventKind(kind).severity,
        subject=_subject(kind),
        at=now,
        last_at=now,
        count=COUNTS.get(EventKind(kind), 1),
        parameters=dict(PARAMETERS.get(kind, {})),
        host=Host(name="local"),
        stage=Stage(slug="production", project=Project(slug="shop", name="shop")) if of_stage else None,
    )


def _subject(kind: str) -> str:
    by_area = {"proxy": "shop.example.org", "deploy": "shop / production", "host": "local", "destination": "#ops"}
    return by_area.get(kind.partition(".")[0], "web-1")
