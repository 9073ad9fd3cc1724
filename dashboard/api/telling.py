"""Who is told: event kinds on and off, destinations, tests, deliveries."""

from __future__ import annotations

from typing import Any

from django.forms import Form
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema
from ninja import Status as Answer
from ninja.errors import HttpError
from pydantic import ConfigDict

from dashboard import shapes
from dashboard.api.auth import WRITE
from dashboard.api.paging import Page, Paging, page
from monitoring.models import EventKind
from notifications import outbox
from notifications.formats import guess
from notifications.forms import DestinationForm
from notifications.models import Delivery, Destination, KindSetting, Status
from notifications.sender import send_test

router = Router()
FIELDS = {"url": "address"}  # the outside's word -> the form's


class Strict(Schema):
    model_config = ConfigDict(extra="forbid")


class KindSwitches(Strict):
    kinds: dict[str, bool] = Field(description="event kind -> told at all")


class QuietHoursIn(Strict):
    start: str = Field(examples=["22:00"])
    end: str = Field(examples=["07:00"])


class DestinationChange(Strict):
    """What is left out stays as it is; in a new destination it takes its default."""

    name: str | None = None
    format: str | None = Field(None, description="guessed from the address when it is left out")
    url: str | None = Field(None, description="write-only: answered masked")
    secret: str | None = Field(None, description="write-only; the format webhook gets one when it is left out")
    kinds: list[str] | str | None = Field(None, description='list of event kinds, or "all"')
    projects: list[str] | None = None
    stages: list[str] | None = None
    min_severity: str | None = None
    language: str | None = None
    time_zone: str | None = None
    quiet_hours: QuietHoursIn | None = None
    cool_down_minutes: int | None = None
    messages_per_hour: int | None = None
    enabled: bool | None = None


class TestRequest(Strict):
    kind: str = EventKind.PROXY_UNHEALTHY.value


class DeliveryFilters(Paging):
    status: str = Field("", description="pending, sent, failed, dead or skipped; empty: all but skipped")
    destination: int | None = None


@router.get("/notification-settings", response=KindSwitches, tags=["notifications"])
def get_switches(request: HttpRequest) -> dict[str, Any]:
    """Which event kinds are told at all."""
    return {"kinds": KindSetting.objects.switches()}


@router.put("/notification-settings", response=KindSwitches, auth=WRITE, tags=["notifications"])
def put_switches(request: HttpRequest, payload: KindSwitches) -> dict[str, Any]:
    """Switch event kinds on or off for everybody; those left out stay as they are."""
    for kind in payload.kinds:
        _known_kind(kind, "kinds")
    KindSetting.objects.switch(payload.kinds)
    return {"kinds": KindSetting.objects.switches()}


@router.get("/destinations", response=Page[shapes.DestinationShape], tags=["notifications"])
def list_destinations(request: HttpRequest, paging: Query[Paging]) -> dict[str, Any]:
    """Where notifications go. Addresses are masked, secrets are never shown."""
    found, cursor = page(Destination.objects.prefetch_related("subscriptions"), ("name",), paging)
    return {"items": [shapes.destination(row) for row in found], "next": cursor}


@router.post("/destinations", response={201: shapes.NewDestinationShape}, auth=WRITE, tags=["notifications"])
def create_destination(request: HttpRequest, payload: DestinationChange) -> Answer[Any]:
    """Add a destination. One that cannot be reached now is stored all the same, with a `warning`."""
    form = _saved(_form(payload, Destination()))
    return Answer(201, {**shapes.destination(form.instance), "secret": form.new_secret or None})


@router.get("/destinations/{int:pk}", response=shapes.DestinationShape, tags=["notifications"])
def get_destination(request: HttpRequest, pk: int) -> Any:
    return shapes.destination(_destination(pk))


@router.patch("/destinations/{int:pk}", response=shapes.NewDestinationShape, auth=WRITE, tags=["notifications"])
def change_destination(request: HttpRequest, pk: int, payload: DestinationChange) -> Any:
    """Change what is named; a replaced signing secret goes on signing beside the new one for a day."""
    form = _saved(_form(payload, _destination(pk)))
    return {**shapes.destination(_destination(pk)), "secret": form.new_secret or None}


@router.delete("/destinations/{int:pk}", response={204: None}, auth=WRITE, tags=["notifications"])
def delete_destination(request: HttpRequest, pk: int) -> Answer[None]:
    """Remove a destination with its subscriptions and its log; what still waited there is not sent."""
    _destination(pk).delete()
    return Answer(204, None)


@router.post("/destinations/{int:pk}/test", response=shapes.TestShape, auth=WRITE, tags=["notifications"])
def try_destination(request: HttpRequest, pk: int, payload: TestRequest | None = None) -> Any:
    """Send an example event now, the way real ones go, and say how it fared."""
    kind = (payload or TestRequest()).kind
    _known_kind(kind, "kind")
    return shapes.test(send_test(_destination(pk), kind))


@router.get("/deliveries", response=Page[shapes.DeliveryShape], tags=["notifications"])
def list_deliveries(request: HttpRequest, filters: Query[DeliveryFilters]) -> dict[str, Any]:
    """What became of every message, newest first, with its attempts."""
    if filters.status and filters.status not in Status.values:
        known = ", ".join(Status.values)
        raise HttpError(
            422, _("status: there is no “%(word)s”. Use one of: %(known)s.") % {"word": filters.status, "known": known}
        )
    rows = Delivery.objects.filter(status=filters.status) if filters.status else Delivery.objects.told()
    if filters.destination is not None:
        rows = rows.filter(destination=filters.destination)
    found, cursor = page(rows.select_related("destination").prefetch_related("attempts"), ("-pk",), filters)
    return {"items": [shapes.delivery(row) for row in found], "next": cursor}


@router.get("/deliveries/{int:pk}", response=shapes.DeliveryShape, tags=["notifications"])
def get_delivery(request: HttpRequest, pk: int) -> Any:
    return shapes.delivery(_delivery(pk))


@router.post("/deliveries/{int:pk}/redeliver", response={201: shapes.DeliveryShape}, auth=WRITE, tags=["notifications"])
def redeliver(request: HttpRequest, pk: int) -> Answer[Any]:
    """Send it again as a new delivery under the same webhook-id; the old one stays as it is."""
    return Answer(201, shapes.delivery(outbox.redeliver(_delivery(pk))))


def _form(payload: DestinationChange, row: Destination) -> DestinationForm:
    """Return the page's form, filled with what ROW is and PAYLOAD changes."""
    named = payload.dict(exclude_unset=True)
    current = DestinationForm(instance=row)
    filled = {name: current.get_initial_for_field(field, name) for name, field in current.fields.items()}
    filled |= {FIELDS.get(name, name): value for name, value in named.items() if name != "quiet_hours"}
    if "quiet_hours" in named:
        hours = named["quiet_hours"] or {"start": None, "end": None}
        filled |= {"quiet_start": hours["start"], "quiet_end": hours["end"]}
    if filled["kinds"] == "all":
        filled["kinds"] = EventKind.values
    elif isinstance(filled["kinds"], str):
        raise HttpError(422, _('kinds: must be a list of event kinds, or "all".'))
    if not filled.get("format"):
        filled["format"] = guess(str(filled.get("address") or ""))
    return DestinationForm(filled, instance=row)


def _saved(form: DestinationForm) -> DestinationForm:
    if not form.is_valid():
        raise HttpError(422, _sentences(form))
    form.save()
    return form


def _sentences(form: Form | DestinationForm) -> str:
    """Return "field: what is wrong and how to mend it" for every field, in the outside's words."""
    outside = {inside: name for name, inside in FIELDS.items()} | {
        "quiet_start": "quiet_hours",
        "quiet_end": "quiet_hours",
    }
    said = []
    for name, faults in form.errors.items():
        field = "quiet_hours" if name == "__all__" else outside.get(name, name)
        said += [f"{field}: {fault}" for fault in faults]
    return " ".join(said)


def _known_kind(kind: str, field: str) -> None:
    if kind not in EventKind.values:
        known = ", ".join(EventKind.values)
        raise HttpError(422, _("%(field)s: there is no event kind “%(kind)s”. Use one of: %(known)s.") % locals())


def _destination(pk: int) -> Destination:
    row = Destination.objects.prefetch_related("subscriptions").filter(pk=pk).first()
    if row is None:
        raise HttpError(404, _("There is no destination %(id)d.") % {"id": pk})
    return row


def _delivery(pk: int) -> Delivery:
    row = Delivery.objects.select_related("destination", "event").prefetch_related("attempts").filter(pk=pk).first()
    if row is None:
        raise HttpError(404, _("There is no delivery %(id)d.") % {"id": pk})
    return row
