"""The top bar as a small list, and what every page gets besides its own context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.personal import theme_of


@dataclass(frozen=True, slots=True)
class Link:
    """One destination of the top bar. route: the name of its URL; icon: path data on a 20 x 20 grid."""

    route: str
    label: Promise
    icon: str
    staff: bool = False


LINKS = [
    Link("dashboard", _("Dashboard"), "M2 11h4v7H2zM8 6h4v12H8zM14 2h4v16h-4z"),
    Link(
        "notifications", _("Notifications"), "M10 2a5 5 0 0 0-5 5v4l-2 3h14l-2-3V7a5 5 0 0 0-5-5zM8 15h4a2 2 0 0 1-4 0z"
    ),
    Link(
        "admin:index",
        _("Settings"),
        "M2 4h9v2H2zM13 2h2v6h-2zM2 14h3v2H2zM7 12h2v6H7zM11 14h7v2h-7zM17 4h1v2h-1z",
        staff=True,
    ),
]


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: what templates/base.html needs."""
    user = getattr(request, "user", None)
    signed_in = bool(user and user.is_authenticated)
    staff = bool(signed_in and user and user.is_staff)
    return {
        "links": [link for link in LINKS if signed_in and (staff or not link.staff)],
        "section": _section(request.path),
        "theme": theme_of(request),
        "version": settings.VERSION,
    }


def _section(path: str) -> str:
    """Return the route of the link that PATH lies under; empty when it lies under none."""
    addresses = {reverse(link.route): link.route for link in LINKS}
    root = reverse("dashboard")
    under = [address for address in addresses if address != root and f"{path}/".startswith(f"{address.rstrip('/')}/")]
    return addresses[under[0]] if under else addresses.get(path, "")
