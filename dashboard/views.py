"""The pages. Each view fetches, asks and renders; what a page shows is made in the modules it names."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from dashboard.attention import SHOWN, concerns
from dashboard.cards import Card, card_of, grouped, read
from dashboard.selection import Selection
from dashboard.tools import health_card, live_page, tools
from monitoring.models import Host, Instance, Preferences, State


@login_required
@never_cache
def dashboard(request: HttpRequest) -> HttpResponse:
    preferences = Preferences.current()
    cards = read(preferences)
    asked = Selection.asked(request.GET)
    selection = asked.shape(len(cards))
    matching = selection.matching(cards)
    found = concerns(cards)
    context = {
        "total": len(cards),
        "groups": list(grouped(selection.in_state(matching), selection.group)),
        "concerns": found[:SHOWN],
        "more_concerns": max(0, len(found) - SHOWN),
        "concern_count": len(found),
        **tools(asked, selection, matching, cards),
        **live_page(preferences),
    }
    if request.headers.get("HX-Target") == "instances":
        return render(request, "_instances.html", context)
    return render(request, "dashboard.html", context | _surroundings(cards))


@login_required
@never_cache
def system_health(request: HttpRequest) -> HttpResponse:
    """The card alone, for the page that is already open."""
    return render(request, "_health.html", health_card())


@login_required
@never_cache
def instance(request: HttpRequest, project: str, stage: str, name: str) -> HttpResponse:
    slot = {"stage__project__slug": project, "stage__slug": stage, "name": name}
    found = Instance.objects.with_latest().filter(**slot)
    if host := request.GET.get("host"):
        found = found.filter(host__name=host)
    candidates = list(found.order_by("removed_at", "host__name"))
    present = [row for row in candidates if row.state != State.REMOVED] or candidates[:1]
    if not present:
        raise Http404(
            _("There is no instance “%(name)s” in %(place)s.") % {"name": name, "place": f"{project}/{stage}"}
        )
    preferences = Preferences.current()
    cards = [card_of(row, preferences) for row in present]
    return render(request, "instance.html", {"card": cards[0], "others": cards[1:], **live_page(preferences)})


def _surroundings(cards: list[Card]) -> dict[str, Any]:
    """Return what stands around the instances: the health card, the hosts and what is wrong with them."""
    hosts = list(Host.objects.watched())
    return {
        **health_card(),
        "hosts": hosts,
        "away": [host for host in hosts if host.unreachable_since],
        "reached": [host for host in hosts if host.is_reachable],
        "waiting": any(host.sampled_at is None and not host.unreachable_since for host in hosts),
        "sampled": any(card.figures for card in cards),
        "sampled_at": max((int(host.sampled_at.timestamp()) for host in hosts if host.sampled_at), default=""),
        "docker_host": settings.DOCKER_HOST,
    }
