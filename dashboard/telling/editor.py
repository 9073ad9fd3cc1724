"""Destinations: the list, the editor with its true preview, tests, rotation and removal."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Max, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from dashboard.telling.access import for_administrators, for_readers, may_change, to_change
from dashboard.telling.preview import preview
from monitoring.models import EventKind
from notifications.formats import FORMATS, guess
from notifications.forms import DestinationForm
from notifications.models import Delivery, Destination, Status
from notifications.sender import TestResult, send_test

FIRST_KIND = EventKind.PROXY_UNHEALTHY.value


@for_readers
def destinations(request: HttpRequest) -> HttpResponse:
    waiting = Count("deliveries", filter=Q(deliveries__status=Status.PENDING))
    sent = Max("deliveries__finished_at", filter=Q(deliveries__status=Status.SENT))
    rows = Destination.objects.annotate(waiting=waiting, sent_at=sent).prefetch_related("subscriptions")
    context = {"tab": "destinations", "places": rows, "may_change": may_change(request)}
    return render(request, "notifications/destinations.html", context)


@for_administrators
def edit(request: HttpRequest, pk: int = 0) -> HttpResponse:
    row = get_object_or_404(Destination.objects.prefetch_related("subscriptions"), pk=pk) if pk else Destination()
    form = DestinationForm(_entered(request), instance=row)
    wish = request.POST.get("do", "")
    if request.method == "POST" and wish != "preview" and form.is_valid():
        form.save()
        _tell(request, form)
        if wish == "test":
            _tell_result(request, send_test(form.instance, _kind(request.POST)))
        return (
            redirect("destination", pk=form.instance.pk)
            if wish == "test" or form.new_secret
            else redirect("destinations")
        )
    return render(request, "notifications/editor.html", _page(request, form))


def _entered(request: HttpRequest) -> QueryDict | None:
    """Return what was entered; a format that was not chosen is guessed from the address."""
    if request.method != "POST":
        return None
    entered = request.POST.copy()
    if not entered.get("format"):
        entered["format"] = guess(entered.get("address", ""))
    return entered


def _tell(request: HttpRequest, form: DestinationForm) -> None:
    messages.success(request, _("Saved."))
    if form.new_secret:
        messages.warning(
            request, _("The signing secret, shown this once: %(secret)s") % {"secret": form.new_secret}, "secret"
        )
    if form.instance.warning:
        messages.warning(request, form.instance.warning)


def _tell_result(request: HttpRequest, result: TestResult) -> None:
    level = messages.SUCCESS if result.ok else messages.ERROR
    messages.add_message(request, level, result_in_words(result))


def result_in_words(result: TestResult) -> str:
    """Return for example "Delivered: 200 OK in 184 ms." or the sentence that says what went wrong."""
    if not result.ok:
        return result.error
    if result.status is None:
        return _("Delivered in %(ms)d ms.") % {"ms": result.ms}
    return _("Delivered: %(status)s in %(ms)d ms.") % {"status": status_line(result.status), "ms": result.ms}


def status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _page(request: HttpRequest, form: DestinationForm) -> dict[str, Any]:
    row = form.instance
    return {
        "tab": "destinations",
        "form": form,
        "row": row,
        "formats": [(shape, _secret_kind(shape)) for shape in FORMATS.values()],
        "chosen": form["format"].value() or "",
        "zones": sorted(available_timezones()),
        "kinds": EventKind,
        "languages": settings.LANGUAGES,
        "kind": _kind(request.POST),
        **_preview(request.POST or None, row),
    }


def _secret_kind(shape: Any) -> str:
    return "signing" if shape.signs else "token" if shape.takes_token else "none"


@to_change
def show_preview(request: HttpRequest, pk: int = 0) -> HttpResponse:
    """Answer the message as it would go out, for what the editor holds at the moment, valid or not."""
    row = get_object_or_404(Destination, pk=pk) if pk else Destination()
    answer = render(request, "notifications/_preview.html", _preview(request.POST, row))
    if address := request.POST.get("address", "").strip():
        answer["HX-Trigger"] = json.dumps({"pierwatch:guessed": guess(address)})
    return answer


def _preview(entered: QueryDict | None, row: Destination) -> dict[str, Any]:
    entered = entered if entered is not None else QueryDict()
    address = entered.get("address", "").strip()
    name = entered.get("format") or row.format or (guess(address) if address else "slack")
    language = entered.get("preview_language") or entered.get("language") or row.language
    zone = entered.get("time_zone") or row.time_zone
    chosen = {
        "format_name": name if name in FORMATS else "webhook",
        "kind": _kind(entered),
        "language": language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE,
        "time_zone": zone if zone in available_timezones() else settings.TIME_ZONE,
    }
    return {"preview": _made(chosen, address, row), "preview_language": chosen["language"]}


def _made(chosen: dict[str, str], address: str, row: Destination) -> Any:
    try:
        return preview(**chosen, address=address, shown=address or (row.masked_address if row.pk else ""))
    except ValueError:  # an address half typed
        return preview(**chosen)


def _kind(entered: QueryDict) -> str:
    kind = entered.get("preview_kind", FIRST_KIND)
    return kind if kind in EventKind.values else FIRST_KIND


@to_change
def test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send an example of the previewed kind, once, and show how it fared."""
    result = send_test(get_object_or_404(Destination, pk=pk), _kind(request.POST))
    if request.headers.get("HX-Request"):
        return render(request, "notifications/_tested.html", {"result": result, "said": result_in_words(result)})
    _tell_result(request, result)
    return redirect("destination", pk=pk)


@to_change
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Destination, pk=pk)
    if row.shape.signs:
        said = _("The new signing secret, shown this once: %(secret)s For a day the old one signs as well.")
        messages.warning(request, said % {"secret": f"{row.rotate_secret()}"}, "secret")
    return redirect("destination", pk=pk)


@to_change
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(Destination, pk=pk)
    if row.enabled:
        said = _("Switched off by %(name)s.") % {"name": request.user}
        Destination.objects.filter(pk=pk).update(enabled=False, disabled_reason=said)
    else:
        row.switch_on()
    return redirect("destinations")


@for_administrators
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove a destination; while messages wait for it, its name must be typed."""
    row = get_object_or_404(Destination, pk=pk)
    waiting = Delivery.objects.filter(destination=row, status=Status.PENDING).count()
    typed = request.POST.get("name", "").strip()
    if request.method == "POST" and (not waiting or typed == row.name):
        row.delete()
        messages.success(request, _("%(name)s was removed.") % {"name": row.name})
        return redirect("destinations")
    context = {
        "tab": "destinations",
        "row": row,
        "waiting": waiting,
        "wrong": request.method == "POST",
    }
    return render(request, "notifications/remove.html", context)
