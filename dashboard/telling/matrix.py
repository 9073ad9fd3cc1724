"""The matrix: event kinds down, destinations across. Every box is saved as soon as it is ticked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.telling.access import for_readers, may_change, to_change
from dashboard.telling.looks import LOOKS
from monitoring.models import Event, EventKind
from notifications.models import Destination, KindSetting, Subscription

BACK = timedelta(days=30)
SWITCH = "all"  # stands where a destination's number would: the switch for everybody


@dataclass(frozen=True, slots=True)
class Box:
    """One check box. name: "<destination or all>:<kind>"."""

    name: str
    label: str
    on: bool

    @property
    def id(self) -> str:
        return f"box-{self.name}".replace(":", "-").replace(".", "-")


@dataclass(frozen=True, slots=True)
class Row:
    kind: EventKind
    glyph: str
    tone: str
    switch: Box
    boxes: list[Box]
    happened: int

    @property
    def is_always_told(self) -> bool:
        """Whether it goes to every destination, subscribed or not."""
        return self.kind == EventKind.DESTINATION_DISABLED


@for_readers
def matrix(request: HttpRequest) -> HttpResponse:
    places = list(Destination.objects.defer("secret", "previous_secret").prefetch_related("subscriptions"))
    context = {
        "tab": "matrix",
        "places": places,
        "rows": rows_of(places),
        "may_change": may_change(request),
    }
    return render(request, "notifications/matrix.html", context)


def rows_of(places: list[Destination]) -> list[Row]:
    """Return a row per event kind; `happened` says how many messages each would have made in the last 30 days."""
    switches = KindSetting.objects.switches()
    recent = Event.objects.filter(at__gte=timezone.now() - BACK).order_by()
    happened = dict(recent.values_list("kind").annotate(Count("pk")))
    wanted = {(row.destination_id, row.kind) for place in places for row in place.subscriptions.all()}
    return [
        Row(
            kind,
            *LOOKS[kind.severity],
            switch=Box(f"{SWITCH}:{kind}", str(kind.label), switches[kind]),
            boxes=[
                Box(f"{place.pk}:{kind}", f"{kind.label}: {place.name}", (place.pk, kind) in wanted) for place in places
            ],
            happened=happened.get(kind, 0),
        )
        for kind in EventKind
    ]


@to_change
def save(request: HttpRequest) -> HttpResponse:
    """Save one box (`only`, from the page's script or Undo) or all that were shown."""
    ticked = set(request.POST.getlist("box"))
    only = request.POST.get("only")
    names = [only] if only else request.POST.getlist("shown")
    try:
        with transaction.atomic():
            for name in names:
                _set(name, on=name in ticked)
    except (ValueError, Destination.DoesNotExist):
        return HttpResponseBadRequest(_("This box does not exist any more. Reload the page."))
    if only and request.headers.get("HX-Request"):
        return render(request, "notifications/_saved.html", _undo(only, on=only in ticked))
    messages.success(request, _("Saved."))
    return redirect("notifications")


def _set(name: str, *, on: bool) -> None:
    place, _colon, kind = name.partition(":")
    if place == SWITCH:
        KindSetting.objects.switch({EventKind(kind): on})
    elif on:
        Subscription.objects.get_or_create(destination=Destination.objects.get(pk=int(place)), kind=EventKind(kind))
    else:
        Subscription.objects.filter(destination=int(place), kind=EventKind(kind)).delete()


def _undo(name: str, *, on: bool) -> dict[str, Any]:
    """Return what the toast needs to offer the way back."""
    place, _colon, kind = name.partition(":")
    label = str(EventKind(kind).label)
    if place != SWITCH:
        label = f"{label}: {Destination.objects.values_list('name', flat=True).get(pk=int(place))}"
    return {"box": Box(name, label, on), "is_switch": place == SWITCH, "may_change": True}
