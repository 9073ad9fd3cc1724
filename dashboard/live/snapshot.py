"""What a reader gets before anything happens: the newest figures per host, and the events it missed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.conf import settings
from django.utils import timezone

from dashboard import shapes
from dashboard.health import fresh_for, summary
from dashboard.live.announcements import event_message
from dashboard.live.message import RESYNC, Message
from monitoring.models import Event, Instance, Preferences

MOST_REPLAYED = 500


def hello() -> Message:
    return Message.of("hello", {"version": settings.VERSION, "interval": Preferences.current().sample_seconds})


def system_health() -> Message:
    return Message.of("system_health", summary())


def of_hosts(*, full: bool = False, host: str = "") -> dict[str, Message]:
    """Return the newest figures as one message per host, by its key: one query for all, or for one HOST."""
    rows = Instance.objects.present().live().search(host=host).with_latest().defer(*shapes.UNSHOWN)
    now, age = timezone.now(), fresh_for(Preferences.current().sample_seconds)
    records: dict[str, dict[tuple[str, str], list[Any]]] = defaultdict(lambda: defaultdict(list))
    read_at: dict[str, str] = {}
    for row in rows:
        if row.figures:
            shape = shapes.stats(row, now, age)
            whole: dict[str, Any] = dict(shape)
            moved = whole if full else {name: whole[name] for name in shapes.MOVING}
            records[row.host.name][row.stage.project.slug, row.stage.slug].append(moved)
            read_at[row.host.name] = max(read_at.get(row.host.name, ""), shape["sampled_at"] or "")
    messages = [Message.of_stats(name, read_at[name], parts, full=full) for name, parts in records.items()]
    return {message.key: message for message in messages}


def missed_events(after: int) -> list[Message]:
    """Return the events since the one with the id AFTER, oldest first; `resync` when they are too many."""
    rows = Event.objects.filter(pk__gt=after).select_related("host", "stage__project").order_by("pk")
    messages = [event_message(row) for row in rows[: MOST_REPLAYED + 1]]
    return messages if len(messages) <= MOST_REPLAYED else [RESYNC]
