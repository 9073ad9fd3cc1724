"""One hub per web process: it listens to the channel layer once and hands each message to all its readers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DatabaseError

from dashboard.live import snapshot
from dashboard.live.announcements import GROUP, LOST
from dashboard.live.message import RESYNC, Message, Wishes

logger = logging.getLogger(__name__)

BEAT_SECONDS = 15
SECONDS_TO_JOIN = 5
SECONDS_TO_RETRY = 1.0
SECONDS_TO_SETTLE = 1.0
SNAPSHOT_SECONDS = 60
MOST_WAITING = 500

_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of this event loop, which is the web process."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())


class FullError(Exception):
    """This process has as many readers as it may have."""


class Reader:
    """One connection: what waits for it, at most MOST_WAITING frames, the newest one of each key."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.beats = 0
        self.replayed: frozenset[str] = frozenset()
        self._waiting: dict[str, bytes] = {}
        self._filled = asyncio.Event()

    def offer(self, key: str, frame: bytes) -> None:
        """Queue FRAME. A reader that is too slow for its queue loses it all and is told to read anew."""
        if key in self.replayed:
            return
        self._waiting.pop(key, None)
        if len(self._waiting) >= MOST_WAITING:
            self._waiting = {RESYNC.key: RESYNC.rendered(self.wishes) or b""}
        self._waiting[key] = frame
        self._filled.set()

    def beat(self) -> None:
        """Wake the connection, so that it proves itself alive and its reader still entitled."""
        self.beats += 1
        self._filled.set()

    async def take(self) -> list[bytes]:
        """Wait for frames; return all that wait, or none on a beat."""
        await self._filled.wait()
        self._filled.clear()
        frames, self._waiting = list(self._waiting.values()), {}
        return [frame for frame in frames if frame]

    def skip(self, keys: frozenset[str]) -> None:
        """Leave out what the replay has already told."""
        self.replayed = keys
        for key in keys:
            self._waiting.pop(key, None)


class Hub:
    def __init__(self) -> None:
        self.readers: set[Reader] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._loading = asyncio.Lock()
        self._channel = ""
        self._forget()

    def _forget(self) -> None:
        self._counts: dict[str, int] = {}
        self._kept: dict[str, Message] = {}
        self._kept_until = 0.0
        self._health_due = False

    @asynccontextmanager
    async def reader(self, wishes: Wishes) -> AsyncIterator[Reader]:
        """Register a reader for as long as the block lasts. FullError when there are too many."""
        if len(self.readers) >= settings.STREAM_CLIENTS:
            raise FullError
        reader = Reader(wishes)
        self.readers.add(reader)
        try:
            await self._listening()
            yield reader
        finally:
            self.readers.discard(reader)
            if not self.readers:
                self._stop()

    async def snapshot(self, wishes: Wishes) -> list[bytes]:
        """Return the frames of the newest figures, read from the database at most once a minute for all."""
        messages = await self._full_snapshot() if wishes.full else await self._shared_snapshot()
        return [frame for message in messages if (frame := message.rendered(wishes))]

    async def _full_snapshot(self) -> list[Message]:
        return list((await database_sync_to_async(snapshot.of_hosts)(full=True)).values())

    async def _shared_snapshot(self) -> list[Message]:
        async with self._loading:
            now = asyncio.get_running_loop().time()
            if now >= self._kept_until:
                self._kept = {}  # what arrives from here on is newer than what the database says
                self._kept = await database_sync_to_async(snapshot.of_hosts)() | self._kept
                self._kept_until = now + SNAPSHOT_SECONDS
        return list(self._kept.values())

    # --- listening -------------------------------------------------------------------------------------------------
    async def _listening(self) -> None:
        """Start to listen with the first reader; wait until it is sure that nothing is missed from here on."""
        if not self._tasks:
            self._start(self._listen())
            self._start(self._beat())
        try:
            async with asyncio.timeout(SECONDS_TO_JOIN):
                await self._ready.wait()
        except TimeoutError:
            logger.warning("The channel layer does not answer; this reader gets what the database says.")

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = set()
        self._ready = asyncio.Event()
        self._forget()

    async def _listen(self) -> None:
        """Follow the group; after a failure join anew, and tell the readers that something may have been lost."""
        while True:
            try:
                await self._follow()
            except LOST as error:
                logger.warning("Live messages stopped: %s: %s. Trying again.", type(error).__name__, error)
                self._spread(RESYNC)
            await asyncio.sleep(SECONDS_TO_RETRY)

    async def _follow(self) -> None:
        layer = get_channel_layer()
        self._channel = await layer.new_channel()
        await layer.group_add(GROUP, self._channel)
        self._ready.set()
        try:
            while True:
                await self._accept(await layer.receive(self._channel))
        finally:
            await layer.group_discard(GROUP, self._channel)

    async def _beat(self) -> None:
        """Wake all readers every 15 s, and renew the membership, which layers let expire after a day."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            for reader in self.readers:
                reader.beat()
            try:
                await get_channel_layer().group_add(GROUP, self._channel)
            except (*LOST, RuntimeError):  # RuntimeError: channels_redis, while `_follow` is between two channels
                logger.warning("The channel layer does not answer.")

    # --- handing out -----------------------------------------------------------------------------------------------
    async def _accept(self, packet: dict[str, Any]) -> None:
        if self._has_gap(packet["sender"], packet["count"]):
            self._spread(RESYNC)
        for packed in packet["messages"]:
            message = Message.unpacked(packed)
            self._spread(message)
            if message.type == "container_stats":
                self._kept[message.key] = message
                await self._spread_full(message.host)
        self._health_soon()

    def _has_gap(self, sender: str, count: int) -> bool:
        """Say whether messages of this SENDER were lost on the way."""
        before = self._counts.pop(sender, count - 1)
        self._counts[sender] = count
        if len(self._counts) > 1_000:  # senders of a day ago
            self._counts.pop(next(iter(self._counts)))
        return count > before + 1

    def _spread(self, message: Message) -> None:
        """Offer MESSAGE to every reader, rendered once per different wishes."""
        frames: dict[Wishes, bytes | None] = {}
        for reader in self.readers:
            if reader.wishes not in frames:
                frames[reader.wishes] = message.rendered(reader.wishes)
            if frame := frames[reader.wishes]:
                reader.offer(message.key, frame)

    async def _spread_full(self, host: str) -> None:
        if any(reader.wishes.full for reader in self.readers):
            await self._spread_from_database(snapshot.of_hosts, full=True, host=host)

    async def _spread_from_database(self, read: Any, **wanted: Any) -> None:
        try:
            found = await database_sync_to_async(read)(**wanted)
        except DatabaseError as error:
            logger.warning("Open pages could not be told: %s", error)
            return
        for message in found.values() if isinstance(found, dict) else [found]:
            self._spread(message)

    def _health_soon(self) -> None:
        """Send the system health once things have settled: one computation for a burst of news."""
        if not self._health_due:
            self._health_due = True
            self._start(self._tell_health())

    async def _tell_health(self) -> None:
        await asyncio.sleep(SECONDS_TO_SETTLE)
        self._health_due = False
        if any(reader.wishes.want("system_health") for reader in self.readers):
            await self._spread_from_database(snapshot.system_health)
