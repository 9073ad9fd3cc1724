"""The broker of embedded mode: task queues inside this process, for a web thread, beat and a worker that share it.

A kombu virtual transport like kombu's own `memory://`, except that nothing polls: a consumer sleeps on a condition
until a message is put or acknowledged (`memory://` looks once a second: 200 deliveries took it 52 s).
A queue may also have a limit of messages under way, so that hanging webhooks cannot take every thread of the worker.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from queue import Empty
from time import monotonic
from typing import Any, ClassVar

from kombu.transport import virtual

RawMessage = dict[str, Any]


class Queues:
    """Waiting messages by queue name, safe from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: defaultdict[str, deque[RawMessage]] = defaultdict(deque)
        self._closed = False
        self.changes = 0

    def put(self, name: str, message: RawMessage) -> None:
        self._waiting[name].append(message)
        self.wake()

    def take(self, name: str) -> RawMessage:
        """Return the oldest message of queue NAME; raise `queue.Empty` when there is none."""
        try:
            return self._waiting[name].popleft()
        except IndexError:
            raise Empty from None

    def size(self, name: str) -> int:
        return len(self._waiting[name])

    def purge(self, name: str) -> int:
        return len(self._waiting.pop(name, ()))

    def wake(self) -> None:
        """Let every sleeping consumer look again."""
        with self._changed:
            self.changes += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let no consumer sleep any more: it goes back to its own loop, where it sees that it shall stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def sleep_until_changed(self, seen: int, timeout: float | None) -> None:
        """Sleep until `changes` differs from SEEN; raise `TimeoutError` after TIMEOUT seconds, or once closed."""
        with self._changed:
            changed = self._changed.wait_for(lambda: self.changes != seen or self._closed, timeout)
            if not changed or self._closed:
                raise TimeoutError


QUEUES = Queues()


class QoS(virtual.QoS):
    channel: Channel

    def ack(self, delivery_tag: str) -> None:
        super().ack(delivery_tag)
        self.channel.release(delivery_tag)


class Channel(virtual.Channel):
    QoS = QoS
    body_encoding: Any = None  # the messages never leave memory: no base64
    from_transport_options = (*virtual.Channel.from_transport_options, "queue_limits")
    queue_limits: ClassVar[dict[str, int]] = {}
    _declaring = threading.RLock()

    def __init__(self, connection: Transport, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self._under_way: dict[str, set[str]] = {name: set() for name in self.queue_limits}

    def exchange_declare(self, *args: Any, **kwargs: Any) -> Any:
        with self._declaring:  # kombu's check and write are apart: two threads could lose each other's bindings
            return super().exchange_declare(*args, **kwargs)

    def queue_bind(self, *args: Any, **kwargs: Any) -> Any:
        with self._declaring:
            return super().queue_bind(*args, **kwargs)

    def release(self, delivery_tag: str) -> None:
        for tags in self._under_way.values():
            tags.discard(delivery_tag)
        QUEUES.wake()

    def _put(self, queue: str, message: RawMessage, **kwargs: Any) -> None:
        QUEUES.put(queue, message)

    def _get(self, queue: str, timeout: float | None = None) -> RawMessage:
        under_way = self._under_way.get(queue)
        if under_way is None:
            return QUEUES.take(queue)
        if len(under_way) >= self.queue_limits[queue]:
            raise Empty
        message = QUEUES.take(queue)
        if not message["headers"].get("eta"):  # one that waits for its time occupies no thread
            under_way.add(message["properties"]["delivery_tag"])
        return message

    def _size(self, queue: str) -> int:
        return QUEUES.size(queue)

    def _purge(self, queue: str) -> int:
        return QUEUES.purge(queue)


class Transport(virtual.Transport):
    Channel = Channel
    cycle: Any
    driver_type = driver_name = "in-process"
    shared_state = virtual.BrokerState()

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.state = self.shared_state

    def driver_version(self) -> str:
        return "1"

    def drain_events(self, connection: Any, timeout: float | None = None, **_kwargs: Any) -> None:
        """Deliver one message, sleeping until there is one; raise `TimeoutError` after TIMEOUT seconds."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            seen = QUEUES.changes
            try:
                self.cycle.get(self._deliver, timeout=timeout)
                return
            except Empty:
                QUEUES.sleep_until_changed(seen, deadline and max(0.0, deadline - monotonic()))
