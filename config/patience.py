"""Daphne that waits for slow readers.

Daphne's `send` returns at once and lets Twisted buffer without bound whatever the reader does not fetch. Here it
returns when the transport has room again (twisted.internet.interfaces.IPushProducer), so a stream notices that its
reader is slow and drops old snapshots instead of piling them up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from daphne.server import Server
from twisted.internet import tcp
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Gate:
    """Closed while the transport's buffer is full."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    async def passed(self) -> None:
        if not self._open.is_set():
            await self._open.wait()

    def pauseProducing(self) -> None:  # noqa: N802 Twisted's name
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._open.set()


class EagerTransport(tcp.Server):
    """Sends at once what the socket takes, and leaves only the rest to the reactor.

    Twisted sends nothing before the reactor's next round and tells epoll twice about each write: with a thousand
    streams that is half the cost of a snapshot.
    """

    def writeSequence(self, iovec: Iterable[bytes]) -> None:  # noqa: N802
        self.write(b"".join(iovec))

    def write(self, data: bytes) -> None:
        idle = self.connected and not (self.disconnecting or self.dataBuffer or self._tempDataBuffer)
        sent = self.writeSomeData(data) if idle else 0
        if not isinstance(sent, int):  # the connection is lost: the reactor finds out by itself
            sent = 0
        if sent < len(data):
            super().write(data[sent:])  # type: ignore[no-untyped-call]


def _write(protocol: Any, message: dict[str, Any]) -> None:
    """Write a part of a stream; past Daphne's checks of each message, which cost as much as sending a snapshot."""
    if message["type"] == "websocket.send":
        protocol.handle_reply(message)
    elif not protocol.finished and protocol.channel is not None:
        protocol.write(message.get("body", b""))


class PatientServer(Server):  # type: ignore[misc]  # daphne ships no types
    def run(self) -> None:
        self._gates: WeakKeyDictionary[Any, Gate] = WeakKeyDictionary()
        super().run()

    def listen_success(self, port: Any) -> None:
        port.transport = EagerTransport  # what the port makes of each connection
        super().listen_success(port)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Hand MESSAGE to Twisted; for streams, wait until there is room for the next one."""
        if not (message["type"] == "websocket.send" or message.get("more_body", False)):
            self._remove_gate(protocol)
            await super().handle_reply(protocol, message)
        elif gate := self._gates.get(protocol) or self._add_gate(protocol, message["type"]):
            _write(protocol, message)
            await gate.passed()

    def _add_gate(self, protocol: Any, type_: str) -> Gate | None:
        """Let the transport say when it is full; None for a connection that is closed."""
        if protocol not in self.connections or self.connections[protocol].get("disconnected"):
            return None
        gate = self._gates[protocol] = Gate()
        if type_ == "websocket.send":  # the transport still belongs to the HTTP channel that was upgraded
            protocol.transport.unregisterProducer()
            protocol.transport.registerProducer(gate, True)
        elif protocol.channel is not None:
            protocol.registerProducer(gate, True)
        return gate

    def _remove_gate(self, protocol: Any) -> None:
        if self._gates.pop(protocol, None) and getattr(protocol, "producer", None):
            protocol.unregisterProducer()

    def protocol_disconnected(self, protocol: Any) -> None:
        self._gates.pop(protocol, None)
        super().protocol_disconnected(protocol)
