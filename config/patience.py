"""Daphne that waits for slow readers.

Daphne's `send` returns at once and lets Twisted buffer without bound whatever the reader does not fetch. Here it
returns when the transport has room again (twisted.internet.interfaces.IPushProducer), so a stream notices that its
reader is slow and drops old snapshots instead of piling them up.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from daphne.server import Server
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


@implementer(IPushProducer)
class Gate:
    """Closed while the transport's buffer is full."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    async def passed(self) -> None:
        await self._open.wait()

    def pauseProducing(self) -> None:  # noqa: N802 Twisted's name
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._open.set()


class PatientServer(Server):  # type: ignore[misc]  # daphne ships no types
    def run(self) -> None:
        self._gates: WeakKeyDictionary[Any, Gate] = WeakKeyDictionary()
        super().run()

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Hand MESSAGE to Twisted; for streams, wait until there is room for the next one."""
        streams = message["type"] == "websocket.send" or message.get("more_body", False)
        if not streams:
            self._remove_gate(protocol)
        elif protocol not in self._gates and protocol in self.connections:
            self._add_gate(protocol, message["type"])
        await super().handle_reply(protocol, message)
        if streams and protocol in self._gates:
            await self._gates[protocol].passed()

    def _add_gate(self, protocol: Any, type_: str) -> None:
        gate = self._gates[protocol] = Gate()
        if type_ == "websocket.send":  # the transport still belongs to the HTTP channel that was upgraded
            protocol.transport.unregisterProducer()
            protocol.transport.registerProducer(gate, True)
        elif protocol.channel is not None:
            protocol.registerProducer(gate, True)

    def _remove_gate(self, protocol: Any) -> None:
        if self._gates.pop(protocol, None) and getattr(protocol, "producer", None):
            protocol.unregisterProducer()
