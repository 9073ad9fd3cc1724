"""From facts to messages, in whatever thread or process they happen."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from redis.exceptions import RedisError

from dashboard import shapes
from dashboard.health import fresh_for
from dashboard.live.message import RESYNC, Message
from monitoring.models import Event, Host, Instance, Latest, Preferences

logger = logging.getLogger(__name__)

GROUP = "live"
SECONDS_TO_SEND = 5
MANY = 100
LOST = (OSError, TimeoutError, RedisError, ChannelFull)
"""What a channel layer raises when it cannot be reached or takes no more."""


def broadcast(type_: str, data: Any) -> None:
    """Send one message to every open page. It never raises and never waits longer than 5 s."""
    publish([Message.of(type_, data)])


def tell_samples(*, host_id: int, sampled_at: datetime, latest: Sequence[Latest], **_signal: Any) -> None:
    """Send what moved on one host as one message."""
    host = Host.objects.filter(pk=host_id).values_list("name", flat=True).first()
    scopes = (
        Instance.objects.filter(host_id=host_id).order_by().values_list("pk", "stage__project__slug", "stage__slug")
    )
    scope_of = {pk: (project, stage) for pk, project, stage in scopes}
    records: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for figures in latest:
        if figures.instance_id in scope_of:
            records[scope_of[figures.instance_id]].append(shapes.moving(figures))
    publish([Message.of_stats(host or "", shapes.moment(sampled_at), records)])


def tell_instances(*, instance_ids: Sequence[int], **_signal: Any) -> None:
    """Send the new shape of each changed instance; when very many changed, that everything must be read anew."""
    publish(_instances(instance_ids) if len(instance_ids) <= MANY else [RESYNC])


def _instances(instance_ids: Sequence[int]) -> list[Message]:
    now, age = timezone.now(), fresh_for(Preferences.current().sample_seconds)
    rows = Instance.objects.with_latest().defer(*shapes.UNSHOWN).filter(pk__in=instance_ids)
    return [Message.of("instance", shapes.stats(row, now, age), key=f"instance:{row.pk}") for row in rows]


def tell_event(*, event: Event, **_signal: Any) -> None:
    """Send an event once it is committed."""
    transaction.on_commit(lambda: publish([event_message(event)]), robust=True)


def event_message(event: Event) -> Message:
    """Return the message of an event, in the installation's language: one text for all open pages."""
    with translation.override(settings.LANGUAGE_CODE):
        return Message.of("event", shapes.event(event), key=f"event:{event.pk}", number=event.pk)


class _Sender(threading.local):
    """This thread's name and count: the hub sees by a gap in the count that a message was lost."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.name, self.pid, self.count = uuid.uuid4().hex, os.getpid(), 0

    def stamp(self) -> dict[str, Any]:
        if self.pid != os.getpid():  # a forked worker is another sender
            self.begin()
        self.count += 1
        return {"sender": self.name, "count": self.count}


_sender = _Sender()


def publish(messages: Iterable[Message]) -> None:
    """Send MESSAGES to the hub of every web process."""
    packed = [message.packed() for message in messages]
    if packed:
        _send({"type": "live.messages", "messages": packed, **_sender.stamp()})


def _send(packet: dict[str, Any]) -> None:
    try:
        async_to_sync(_group_send)(packet)
    except LOST as error:
        logger.warning("Open pages could not be told: %s: %s", type(error).__name__, error)


async def _group_send(packet: dict[str, Any]) -> None:
    async with asyncio.timeout(SECONDS_TO_SEND):
        await get_channel_layer().group_send(GROUP, packet)
