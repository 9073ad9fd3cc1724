"""Choose what one destination is sent next: what still matters, alone or as a digest, at the rate it can take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from notifications.models import Delivery, Destination, Reason, Status
from notifications.models.audience import still_matters
from notifications.models.delivery import new_webhook_id
from notifications.models.outcome import HELD
from notifications.sender import LEASE

Message = list[Delivery]
BATCH = 50
HOUR = timedelta(hours=1)


def claim(destination: Destination, now: datetime) -> list[Message]:
    """Lease what DESTINATION is to be sent next, its tries counted; empty when there is nothing (more) due."""
    due = destination.deliveries.due(now).order_by("due_at", "id")
    if not destination.enabled:
        due.filter(test=False).finish(Status.FAILED, Reason.SWITCHED_OFF, now)
    elif end := destination.quiet_until(now):
        due.filter(test=False, redelivery_of=None).hold(end, Reason.QUIET)
    elif (free_at := hour_free_at(destination, now)) > now:
        due.filter(test=False).hold(free_at, Reason.RATE)
    linked = due.select_related("event__host", "event__stage__project", "event__instance")
    while rows := list(linked[:BATCH]):
        if kept := [row for row in rows if not dropped(row, destination, now)]:
            return lease(grouped(kept, destination, now), destination, now)
    return []


def dropped(row: Delivery, destination: Destination, now: datetime) -> bool:
    """End ROW when there is no sense in sending it (any more), and say whether that was so."""
    if row.tries >= len(settings.RETRY_SECONDS):
        end = Status.DEAD, ""
    elif row.reason in HELD and row.event and not still_matters(row.event, destination):
        end = Status.SKIPPED, row.reason
    else:
        return False
    destination.deliveries.filter(pk=row.pk).finish(*end, now)
    return True


def grouped(rows: Sequence[Delivery], destination: Destination, now: datetime) -> list[Message]:
    """Return the messages to send next: fresh ones one by one, or as one digest when they are too many for that.

    What was tried before goes alone, so that an event which breaks the sender takes no other along.
    """
    first = rows[0]
    if first.digest:
        return [list(destination.deliveries.due(now).filter(digest=first.digest).order_by("id"))]
    fresh = [row for row in rows if row.is_fresh]
    if not first.is_fresh:
        return [[first]]
    if len(fresh) <= room(fresh, destination, now):
        return [[row] for row in fresh]
    return [fresh[: destination.shape.most]]


def room(fresh: Sequence[Delivery], destination: Destination, now: datetime) -> float:
    """Return how many messages may go now one by one. After quiet hours it is one, with all that is still wrong."""
    limits = [math.inf]
    if any(row.reason == Reason.QUIET for row in fresh):
        limits.append(1)
    if destination.shape.per_second is not None:
        limits.append(max(1, int(destination.shape.per_second)))
    if destination.messages_per_hour is not None:
        limits.append(max(1, destination.messages_per_hour - len(sent_within_the_hour(destination, now))))
    return min(limits)


def hour_free_at(destination: Destination, now: datetime) -> datetime:
    """Return when DESTINATION may be sent the next message, its messages an hour considered."""
    if destination.messages_per_hour is None:
        return now
    sent = sorted(sent_within_the_hour(destination, now).values())
    return now if len(sent) < destination.messages_per_hour else sent[-max(1, destination.messages_per_hour)] + HOUR


def sent_within_the_hour(destination: Destination, now: datetime) -> dict[str, datetime]:
    """Return the messages of the last hour: their ids and when they arrived."""
    rows = destination.deliveries.filter(status=Status.SENT, test=False, finished_at__gt=now - HOUR)
    return {row.message_id: row.finished_at or now for row in rows.only("digest", "webhook_id", "finished_at")}


def lease(messages: list[Message], destination: Destination, now: datetime) -> list[Message]:
    """Make MESSAGES the caller's own for the time of LEASE and count the try, before it is made."""
    for message in messages:
        digest = message[0].digest or (new_webhook_id() if len(message) > 1 else "")
        for row in message:
            row.digest, row.tries = digest, row.tries + 1
    rows = [row for message in messages for row in message]
    due = destination.deliveries.due(now).filter(pk__in=[row.pk for row in rows])
    due.update(due_at=now + LEASE, tries=F("tries") + 1, digest=rows[0].digest)
    return messages


def release(messages: Sequence[Message], destination: Destination, now: datetime) -> None:
    """Give back MESSAGES that were not tried after all."""
    rows = destination.deliveries.filter(pk__in=[row.pk for message in messages for row in message], tries__gt=0)
    rows.filter(status=Status.PENDING).update(due_at=now, tries=F("tries") - 1)
