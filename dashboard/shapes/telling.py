"""Who is told, and what became of every message."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # pydantic reads no other below Python 3.12

from dashboard.shapes.text import Moment, moment
from notifications.models import Attempt, Delivery, Destination
from notifications.sender import TestResult


class QuietHours(TypedDict):
    start: str
    end: str


class DestinationShape(TypedDict):
    id: int
    name: str
    format: str
    url: str
    kinds: list[str] | str
    projects: list[str]
    stages: list[str]
    min_severity: str
    language: str
    time_zone: str
    quiet_hours: QuietHours | None
    cool_down_minutes: int
    messages_per_hour: int | None
    enabled: bool
    disabled_reason: str
    warning: str
    failing_since: Moment | None


class NewDestinationShape(DestinationShape):
    """secret: the signing secret that was made for it, this once; null otherwise."""

    secret: str | None


class AttemptShape(TypedDict):
    at: Moment
    status: int | None
    ms: int
    error: str
    answer: str


class DeliveryShape(TypedDict):
    id: int
    webhook_id: str
    event: int | None
    kind: str
    test: bool
    destination: int
    destination_name: str
    status: str
    reason: str
    attempts: list[AttemptShape]
    made_at: Moment
    due_at: Moment | None
    finished_at: Moment | None
    redelivery_of: int | None


class TestShape(TypedDict):
    ok: bool
    status: int | None
    ms: int
    error: str
    answer: str
    delivery: int


def destination(row: Destination) -> DestinationShape:
    """Return the shape of a destination loaded with its subscriptions; its address is masked, its secret left out."""
    shape: Any = {
        "id": row.pk,
        "name": row.name,
        "format": row.format,
        "url": row.masked_address,
        "kinds": row.kinds,
        "quiet_hours": quiet_hours(row),
        "failing_since": moment(row.failing_since),
    }
    same = (
        *("projects", "stages", "min_severity", "language", "time_zone", "cool_down_minutes", "messages_per_hour"),
        *("enabled", "disabled_reason", "warning"),
    )
    shape |= {name: getattr(row, name) for name in same}
    checked: DestinationShape = shape
    return checked


def quiet_hours(row: Destination) -> QuietHours | None:
    if row.quiet_start is None or row.quiet_end is None:
        return None
    return {"start": f"{row.quiet_start:%H:%M}", "end": f"{row.quiet_end:%H:%M}"}


def delivery(row: Delivery) -> DeliveryShape:
    """Return the shape of a delivery loaded with its destination and attempts. reason: why it waits or was not sent."""
    shape: Any = {
        "id": row.pk,
        "webhook_id": row.webhook_id,
        "event": row.event_id,
        "kind": row.kind,
        "test": row.test,
        "destination": row.destination_id,
        "destination_name": row.destination.name,
        "status": row.status,
        "reason": row.why(),
        "attempts": [attempt(one) for one in row.attempts.all()],
        "made_at": moment(row.made_at),
        "due_at": moment(row.due_at),
        "finished_at": moment(row.finished_at),
        "redelivery_of": row.redelivery_of_id,
    }
    checked: DeliveryShape = shape
    return checked


def attempt(row: Attempt) -> AttemptShape:
    return {"at": moment(row.at) or "", "status": row.status, "ms": row.ms, "error": row.error, "answer": row.answer}


def test(result: TestResult) -> TestShape:
    return {
        "ok": result.ok,
        "status": result.status,
        "ms": result.ms,
        "error": result.error,
        "answer": result.answer,
        "delivery": result.delivery.pk,
    }
