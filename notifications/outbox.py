"""The outbox's way in: plan an event's deliveries with the event itself, wake the senders once it is committed."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db import transaction

from monitoring.models import Event
from notifications.models import Delivery, Status
from notifications.signals import deliveries_changed
from notifications.tasks import wake

logger = logging.getLogger(__name__)


def plan(event: Event, **_signal: Any) -> None:
    """Plan the deliveries of EVENT in its own transaction; should that fail, the event stays all the same."""
    with transaction.atomic():
        rows = Delivery.objects.plan(event)
    _act_once_committed([row for row in rows if row.status == Status.PENDING])


def redeliver(delivery: Delivery) -> Delivery:
    """Send DELIVERY again as a new one under the same webhook-id; the old one stays as it is."""
    with transaction.atomic():
        row = delivery.again()
        _act_once_committed([row])
    return row


def send_now(delivery: Delivery) -> bool:
    """Let a waiting DELIVERY go at once; False when it is not waiting (any more)."""
    with transaction.atomic():
        moved = Delivery.objects.filter(pk=delivery.pk).hurry()
        if moved:
            _act_once_committed([delivery])
    return bool(moved)


def _act_once_committed(rows: list[Delivery]) -> None:
    if rows:
        transaction.on_commit(partial(_tell, rows), robust=True)


def _tell(rows: list[Delivery]) -> None:
    wake({row.destination_id for row in rows})
    deliveries_changed.send_robust(sender=Delivery, delivery_ids=[row.pk for row in rows])
