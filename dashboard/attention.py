"""What needs somebody: instances in a bad state or at their limit, the worst first, with how long it has been so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from dashboard.cards import Card
from dashboard.figures import percent
from monitoring.models import Event

SHOWN = 6


@dataclass(frozen=True, slots=True)
class Concern:
    card: Card
    glyph: str
    label: str
    tone: str
    since: datetime | None


def concerns(cards: Iterable[Card]) -> list[Concern]:
    """Return what is wrong now; asks the database only if something is."""
    troubled = sorted((card for card in cards if card.troubled), key=lambda card: (card.badge.tone, card.name))
    if not troubled:
        return []
    since = dict(Event.objects.open().exclude(instance=None).order_by("-at").values_list("instance_id", "at"))
    return [_concern(card, since.get(card.instance.pk)) for card in troubled]


def _concern(card: Card, since: datetime | None) -> Concern:
    if card.badge.tone in ("crit", "warn"):
        return Concern(card, card.badge.glyph, str(card.badge.label), card.badge.tone, since)
    if card.cpu_level == "crit":
        return Concern(card, "▲", _("CPU %(percent)s") % {"percent": percent(card.cpu, 0)}, "crit", since)
    return Concern(card, "▲", _("Memory %(percent)s") % {"percent": percent(card.memory_percent, 0)}, "crit", since)
