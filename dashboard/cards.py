"""What the dashboard shows of an instance, read in one query whatever the number of instances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from dashboard.health import fresh_for
from dashboard.shapes.fleet import is_current
from monitoring.models import Instance, Latest, Preferences
from monitoring.models.instance import DisplayState

UNUSED = ("labels", "ports", "addresses", "shape", "fingerprint", "warnings", "latest__counters")


@dataclass(frozen=True, slots=True)
class Card:
    """An instance as it is shown. Figures are None when unknown; levels are ok, warn or crit."""

    instance: Instance
    badge: DisplayState
    figures: Latest | None
    cpu_level: str
    memory_level: str
    twin: bool = False  # another host has an instance of this name in the same stage

    @property
    def name(self) -> str:
        return self.instance.name

    @property
    def project(self) -> str:
        return self.instance.stage.project.slug

    @property
    def stage(self) -> str:
        return self.instance.stage.slug

    @property
    def host(self) -> str:
        return self.instance.host.name

    @property
    def address(self) -> str:
        page = reverse("instance", args=(self.project, self.stage, self.name))
        return f"{page}?{urlencode({'host': self.host})}" if self.twin else page

    @property
    def running(self) -> bool:
        return self.badge in (DisplayState.RUNNING, DisplayState.UNHEALTHY)

    @property
    def stopped(self) -> bool:
        return self.badge in (DisplayState.EXITED, DisplayState.DEAD)

    @property
    def stopped_at(self) -> datetime | None:
        return self.instance.finished_at if self.stopped else None

    @property
    def cpu(self) -> float | None:
        return self.figures.cpu_share_percent if self.figures else None

    @property
    def cpu_percent(self) -> float | None:
        return self.figures.cpu_percent if self.figures else None

    @property
    def memory(self) -> int | None:
        return self.figures.memory_used_bytes if self.figures else None

    @property
    def memory_percent(self) -> float | None:
        return self.figures.memory_percent if self.figures else None

    @property
    def cores(self) -> float:
        """How many cores it may use."""
        return (self.figures and self.figures.cpu_limit_cores) or self.instance.host.cpus or 0

    @property
    def troubled(self) -> bool:
        return self.badge.tone in ("crit", "warn") or "crit" in (self.cpu_level, self.memory_level)


@dataclass(frozen=True, slots=True)
class Group:
    """The cards of one project and stage (or one project, or one host), with what they use together."""

    title: str
    stage: str
    cards: list[Card]

    @property
    def cores(self) -> float:
        return sum(card.cpu_percent or 0 for card in self.cards) / 100

    @property
    def memory(self) -> int:
        return sum(card.memory or 0 for card in self.cards)

    @property
    def troubles(self) -> int:
        return sum(card.troubled for card in self.cards)


GROUPINGS: dict[str, Callable[[Card], tuple[str, str]]] = {
    "stage": lambda card: (card.project, card.stage),
    "project": lambda card: (card.project, ""),
    "host": lambda card: (card.host, ""),
}


def read(preferences: Preferences) -> list[Card]:
    instances = list(Instance.objects.present().with_latest().defer(*UNUSED).order_by())
    names = Counter((instance.stage_id, instance.name) for instance in instances)
    return [card_of(row, preferences, twin=names[row.stage_id, row.name] > 1) for row in instances]


def card_of(instance: Instance, preferences: Preferences, *, twin: bool = False) -> Card:
    """Return INSTANCE as a card, with the figures that still hold. Needs host, stage, project and latest loaded."""
    latest, still = instance.figures, fresh_for(preferences.sample_seconds)
    figures = latest if latest and is_current(instance, latest, timezone.now(), still) else None
    cpu = figures.cpu_share_percent if figures else None
    memory = figures.memory_percent if figures else None
    return Card(
        instance,
        instance.badge,
        figures,
        level(cpu, preferences.cpu_warn_percent, preferences.cpu_critical_percent),
        level(memory, preferences.memory_warn_percent, preferences.memory_critical_percent),
        twin,
    )


def grouped(cards: Iterable[Card], by: str) -> Iterator[Group]:
    """Yield the groups in order of their names; the order of the cards inside is kept."""
    key = GROUPINGS[by]
    for (title, stage), members in groupby(sorted(cards, key=key), key=key):
        yield Group(title, stage, list(members))


def level(value: float | None, warn: float, critical: float) -> str:
    if value is None or value < warn:
        return "ok"
    return "crit" if value >= critical else "warn"
