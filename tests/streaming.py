"""A real Daphne in a thread, and readers for its streams."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

DEADLINE = 10.0


class Daphne:
    """The whole ASGI application behind Daphne on a free port, in a thread of this process.

    One per test run: Twisted's reactor starts only once. Signals, database and channel layer are those of the test.
    """

    def __init__(self) -> None:
        from config.asgi import application  # noqa: PLC0415
        from config.patience import PatientServer  # noqa: PLC0415 it installs Twisted's reactor

        self._listening = threading.Event()
        self.server = PatientServer(
            application,
            endpoints=["tcp:port=0:interface=127.0.0.1"],
            signal_handlers=False,
            verbosity=0,
            ready_callable=self._listening.set,
        )
        self._thread = threading.Thread(target=self._run, name="daphne", daemon=True)
        self._thread.start()
        assert self._listening.wait(DEADLINE)
        self.url = "http://127.0.0.1:{1}".format(*self._address())

    def _run(self) -> None:
        from daphne.server import twisted_loop  # noqa: PLC0415

        asyncio.set_event_loop(twisted_loop)
        self.server.run()

    def _address(self) -> list[Any]:
        assert soon(lambda: bool(self.server.listening_addresses))
        return list(self.server.listening_addresses[0])

    def call(self, function: Callable[[], Any]) -> Any:
        """Run FUNCTION in the server's thread and return its result."""
        from twisted.internet import reactor, threads  # noqa: PLC0415

        return threads.blockingCallFromThread(reactor, function)

    def stop(self) -> None:
        from twisted.internet import reactor  # noqa: PLC0415

        reactor.callFromThread(self.server.stop)
        self._thread.join(DEADLINE)


def soon(condition: Callable[[], bool], seconds: float = DEADLINE) -> bool:
    """Wait until CONDITION holds; say whether it did in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


class Frame(dict[str, str]):
    """One server-sent event: its fields, and its data decoded."""

    @property
    def type(self) -> str:
        return self.get("event", "")

    @property
    def content(self) -> Any:
        return json.loads(self["data"])


class EventSource:
    """Reads server-sent events from one response."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.response = response

    def frames(self) -> Iterator[Frame]:
        frame = Frame()
        for raw in self.response:
            line = raw.decode().rstrip("\n")
            if not line and frame:
                yield frame
                frame = Frame()
            elif line:
                name, _colon, value = line.partition(":")
                frame[name or "comment"] = value.removeprefix(" ")

    def next(self, type_: str) -> Frame:
        """Return the next frame of TYPE; a socket timeout fails the test when none comes."""
        return next(frame for frame in self.frames() if frame.type == type_)


@contextmanager
def event_source(
    url: str, path: str = "/api/stream", *, token: str = "", receive_buffer: int = 0, **headers: str
) -> Iterator[EventSource]:
    """Open PATH; headers are given as keywords, with _ for -."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=DEADLINE)
    connection.sock = socket.socket()
    if receive_buffer:
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.sock.settimeout(DEADLINE)
    connection.sock.connect((urlsplit(url).hostname, urlsplit(url).port))
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("GET", path, headers=sent | ({"Authorization": f"Bearer {token}"} if token else {}))
        with connection.getresponse() as response:
            yield EventSource(response)
    finally:
        connection.close()
