"""The channel layer of embedded mode: Channels' in-memory layer, made safe and prompt across threads and event loops.

The original hands a message to an `asyncio.Queue` whatever thread it is in, so a receiver in another loop wakes only by
chance (895 ms median). Here the sender wakes the receiver's own loop. Two ways in which the original silently ends a
subscription are closed as well: membership ends neither after `group_expiry` (24 h) while somebody still receives, nor
because one message grew too old.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from copy import deepcopy
from time import monotonic
from typing import Any

from channels.exceptions import ChannelFull
from channels.layers import InMemoryChannelLayer

Message = dict[str, Any]
Receiver = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Mailbox:
    """Messages of one channel, and who waits for them. The layer's lock guards it."""

    def __init__(self) -> None:
        self.messages: deque[tuple[float, Message]] = deque()
        self.receivers: deque[Receiver] = deque()

    @property
    def abandoned(self) -> bool:
        return not self.messages and not self.receivers

    def drop_expired(self) -> None:
        while self.messages and self.messages[0][0] < monotonic():
            self.messages.popleft()

    def wake_one(self) -> None:
        while self.receivers:
            loop, future = self.receivers.popleft()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future)
                return


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class ThreadSafeLayer(InMemoryChannelLayer):  # type: ignore[misc]  # channels ships no types
    channels: dict[str, Mailbox]
    groups: dict[str, dict[str, float]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._lock = threading.RLock()

    async def send(self, channel: str, message: Message) -> None:
        """Leave MESSAGE for the receiver of CHANNEL, whatever thread it is in; raise ChannelFull at capacity."""
        self.require_valid_channel_name(channel)
        with self._lock:
            self._post(channel, message)

    async def receive(self, channel: str) -> Message:
        self.require_valid_channel_name(channel)
        while True:
            with self._lock:
                mailbox = self.channels.setdefault(channel, Mailbox())
                mailbox.drop_expired()
                self._renew_membership(channel)
                if mailbox.messages:
                    return self._take(channel, mailbox)
                receiver = (asyncio.get_running_loop(), asyncio.get_running_loop().create_future())
                mailbox.receivers.append(receiver)
            await self._wait(channel, mailbox, receiver)

    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        with self._lock:
            self.groups.setdefault(group, {})[channel] = monotonic()

    async def group_discard(self, group: str, channel: str) -> None:
        with self._lock:
            await super().group_discard(group, channel)

    async def group_send(self, group: str, message: Message) -> None:
        """Send MESSAGE to every channel of GROUP; one that is full misses it."""
        self.require_valid_group_name(group)
        with self._lock:
            self._clean_expired()
            for channel in list(self.groups.get(group, ())):
                try:
                    self._post(channel, message)
                except ChannelFull:
                    continue

    async def flush(self) -> None:
        with self._lock:
            await super().flush()

    def _post(self, channel: str, message: Message) -> None:
        mailbox = self.channels.setdefault(channel, Mailbox())
        mailbox.drop_expired()
        if len(mailbox.messages) >= self.get_capacity(channel):
            raise ChannelFull(channel)
        mailbox.messages.append((monotonic() + self.expiry, deepcopy(message)))
        mailbox.wake_one()

    def _take(self, channel: str, mailbox: Mailbox) -> Message:
        _expires, message = mailbox.messages.popleft()
        self._forget_if_abandoned(channel, mailbox)
        return message

    async def _wait(self, channel: str, mailbox: Mailbox, receiver: Receiver) -> None:
        try:
            await receiver[1]
        except asyncio.CancelledError:
            with self._lock:
                if receiver in mailbox.receivers:
                    mailbox.receivers.remove(receiver)
                elif mailbox.messages:
                    mailbox.wake_one()  # it was woken for a message that now belongs to the next one
                self._forget_if_abandoned(channel, mailbox)
            raise

    def _forget_if_abandoned(self, channel: str, mailbox: Mailbox) -> None:
        if mailbox.abandoned and self.channels.get(channel) is mailbox:
            del self.channels[channel]

    def _renew_membership(self, channel: str) -> None:
        for members in self.groups.values():
            if channel in members:
                members[channel] = monotonic()

    def _clean_expired(self) -> None:
        for channel, mailbox in list(self.channels.items()):
            mailbox.drop_expired()
            self._forget_if_abandoned(channel, mailbox)
        for members in self.groups.values():
            for channel in [name for name, since in members.items() if self._has_lapsed(name, since)]:
                del members[channel]

    def _has_lapsed(self, channel: str, since: float) -> bool:
        mailbox = self.channels.get(channel)
        return since < monotonic() - self.group_expiry and not (mailbox and mailbox.receivers)
