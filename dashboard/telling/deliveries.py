"""The delivery log: what became of every message, each attempt, and sending again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.figures import span
from dashboard.telling.access import for_readers, may_change, to_change
from dashboard.telling.editor import status_line
from monitoring.models import Event, EventKind
from notifications import outbox
from notifications.models import Attempt, Delivery, Destination, Status
from notifications.sender import render as render_message

PAGE = 50
LOOKS = {
    Status.PENDING: ("↻", "warn"),
    Status.SENT: ("✓", "ok"),
    Status.FAILED: ("✗", "crit"),
    Status.DEAD: ("✗", "crit"),
    Status.SKIPPED: ("–", "idle"),
}
UNDELIVERED = (Status.FAILED, Status.DEAD)


@dataclass(frozen=True, slots=True)
class Line:
    """A delivery as the log shows it."""

    row: Delivery
    glyph: str
    tone: str
    words: str
    label: str
    subject: str
    note: str

    @property
    def may_replay(self) -> bool:
        return self.row.status != Status.PENDING


@dataclass(frozen=True, slots=True)
class Filters:
    status: str
    destination: int
    kind: str

    @classmethod
    def asked(cls, request: HttpRequest) -> Filters:
        return cls.of(request.GET if request.method == "GET" else request.POST)

    @classmethod
    def of(cls, asked: QueryDict) -> Filters:
        status, kind, place = (asked.get(name, "") for name in ("status", "kind", "destination"))
        return cls(
            status if status in (*Status.values, "undelivered") else "",
            int(place) if place.isascii() and place.isdigit() and len(place) < 18 else 0,
            kind if kind in EventKind.values else "",
        )

    def rows(self) -> QuerySet[Delivery]:
        if self.status == "undelivered":
            rows = Delivery.objects.filter(status__in=UNDELIVERED)
        else:
            rows = Delivery.objects.filter(status=self.status) if self.status else Delivery.objects.told()
        wanted = {"destination": self.destination, "kind": self.kind}
        return rows.filter(**{name: value for name, value in wanted.items() if value})

    def undelivered(self) -> QuerySet[Delivery]:
        """Return what of it failed and was not sent again since."""
        return self.rows().filter(status__in=UNDELIVERED, redeliveries=None)

    @property
    def query(self) -> str:
        parts = {"status": self.status, "destination": self.destination, "kind": self.kind}
        return "&".join(f"{name}={value}" for name, value in parts.items() if value)


@for_readers
def deliveries(request: HttpRequest) -> HttpResponse:
    filters = Filters.asked(request)
    before = request.GET.get("before", "")
    rows = filters.rows().filter(pk__lt=int(before)) if before.isdigit() and len(before) < 18 else filters.rows()
    found = list(rows.select_related("destination", "event").prefetch_related("attempts").order_by("-pk")[: PAGE + 1])
    context = {
        "tab": "deliveries",
        "filters": filters,
        "lines": [line_of(row) for row in found[:PAGE]],
        "older": found[PAGE - 1].pk if len(found) > PAGE else None,
        "statuses": Status,
        "places": Destination.objects.only("name"),
        "kinds": EventKind,
        "undelivered": filters.undelivered().count(),
        "may_change": may_change(request),
    }
    return render(request, "notifications/deliveries.html", context)


def line_of(row: Delivery) -> Line:
    glyph, tone = LOOKS[Status(row.status)]
    attempts = list(row.attempts.all())
    retrying = row.status == Status.PENDING and attempts
    words = str(_("Retrying")) if retrying else row.get_status_display()
    label = str(EventKind(row.kind).label) if row.kind in EventKind.values else row.kind
    subject = row.event.subject if row.event else ""
    return Line(row, glyph, tone, words, label, subject, note_of(row, attempts))


def note_of(row: Delivery, attempts: list[Attempt]) -> str:
    """Return the line's small print: attempts, the last outcome, the next try, or why it was not sent."""
    parts = [str(row.why())] if row.reason else []
    if attempts:
        parts.append(ngettext("%(count)d attempt", "%(count)d attempts", len(attempts)) % {"count": len(attempts)})
        parts.append(outcome_of(attempts[-1]))
    if row.status == Status.PENDING and row.due_at:
        parts.append(next_try(row.due_at))
    return " · ".join(part.rstrip(".") for part in parts if part)


def next_try(due_at: datetime) -> str:
    seconds = (due_at - timezone.now()).total_seconds()
    return _("next try in %(time)s") % {"time": span(seconds)} if seconds > 1 else _("due now")


def outcome_of(attempt: Attempt) -> str:
    if attempt.error:
        return attempt.error
    status = status_line(attempt.status) if attempt.status else _("delivered")
    return f"{status} · {attempt.ms} ms"


@for_readers
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    rows = Delivery.objects.select_related("destination", "event__host", "event__stage__project", "redelivery_of")
    row = get_object_or_404(rows.prefetch_related("attempts", "redeliveries"), pk=pk)
    context = {
        "tab": "deliveries",
        "line": line_of(row),
        "row": row,
        "request_sent": request_of(row) if may_change(request) else None,
        "may_change": may_change(request),
    }
    return render(request, "notifications/delivery.html", context)


def request_of(row: Delivery) -> dict[str, Any] | None:
    """Return headers and body as they go out, secrets masked; None when they cannot be made any more."""
    try:
        outgoing = render_message(row.destination, [row], timezone.now())
    except ValueError:
        return None
    hidden = ("webhook-signature", "X-Hub-Signature-256", "Authorization")
    headers = {name: "••••" if name in hidden else value for name, value in outgoing.headers.items()}
    return {"address": row.destination.masked_address, "headers": headers, "body": outgoing.body.decode()}


@to_change
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one again as a new delivery under the same webhook-id."""
    row = outbox.redeliver(get_object_or_404(Delivery.objects.select_related("destination", "event"), pk=pk))
    messages.success(request, _("Queued again as delivery %(id)d.") % {"id": row.pk})
    return _back(request)


@to_change
def replay_all(request: HttpRequest) -> HttpResponse:
    """Send again whatever failed within the filters and was not sent again since, oldest first."""
    rows = Filters.asked(request).undelivered().select_related("destination", "event").order_by("pk")
    made = [outbox.redeliver(row) for row in rows[:1000]]
    said = ngettext("%(count)d delivery queued again.", "%(count)d deliveries queued again.", len(made))
    messages.success(request, said % {"count": len(made)})
    return redirect("deliveries")


@to_change
def send_now(request: HttpRequest, pk: int) -> HttpResponse:
    outbox.send_now(get_object_or_404(Delivery, pk=pk))
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """Lead back to the log as it was filtered."""
    query = Filters.of(QueryDict(request.POST.get("filters", ""))).query
    return redirect(f"{reverse('deliveries')}?{query}" if query else "deliveries")


@for_readers
def told(request: HttpRequest, pk: int) -> HttpResponse:
    """Why was I (not) notified? For one event, every destination's answer; a fragment for the event's own page."""
    event = get_object_or_404(Event.objects.select_related("stage__project", "host"), pk=pk)
    name = "notifications/_told.html" if request.headers.get("HX-Request") else "notifications/told.html"
    return render(request, name, {"tab": "deliveries", "event": event, "lines": told_of(event)})


def told_of(event: Event) -> list[dict[str, Any]]:
    """Return for every destination: its row, glyph, tone, what became of EVENT there, and why."""
    lines = []
    for explanation in Delivery.objects.explain_event(event):
        known = explanation.outcome in Status.values
        glyph, tone = LOOKS[Status(explanation.outcome)] if known else ("?", "idle")
        words = str(Status(explanation.outcome).label) if known else _("Unknown to it")
        lines.append({"explanation": explanation, "glyph": glyph, "tone": tone, "words": words})
    return lines
