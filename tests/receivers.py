"""Receivers of notifications on loopback: real sockets that answer by a script, however badly."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

Step = Any  # a status, (status, headers, body), or one of the words of Receiver._misbehave


@dataclass
class Received:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)


class Receiver:
    """An HTTP server that answers its requests by SCRIPT, then by the script's last step for ever."""

    def __init__(self, *script: Step) -> None:
        self.script: list[Step] = list(script) or [200]
        self.received: list[Received] = []
        self.connections = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hooks/top-secret-path"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def ids(self) -> list[str]:
        """Return the webhook-id of each request."""
        return [request.headers.get("webhook-id", "") for request in self.received]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _greet(self, connection: socket.socket) -> socket.socket:
        return connection

    def _serve(self, accepted: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._converse(self._greet(accepted))

    def _converse(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while request := self._read(stream):
                with self._lock:
                    self.received.append(request)
                    step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                if not self._answer(connection, step):
                    break
        self._open.discard(connection)

    def _read(self, stream: Any) -> Received | None:
        line = stream.readline().decode().strip()
        if not line:
            return None
        headers = {}
        for header in iter(lambda: stream.readline().decode("latin-1").strip(), ""):
            name, _colon, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return Received(line, headers, stream.read(int(headers.get("content-length", 0))))

    def _answer(self, connection: socket.socket, step: Step) -> bool:
        """Answer by STEP and say whether the connection goes on."""
        if isinstance(step, str):
            getattr(self, f"_{step}")(connection)
            return False
        status, headers, body = step if isinstance(step, tuple) else (step, {}, b"")
        named = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        length = "" if status == 204 or status < 200 else f"Content-Length: {len(body)}\r\n"
        connection.sendall(f"HTTP/1.1 {status} Said\r\n{length}{named}\r\n".encode() + body)
        return True

    def _reset(self, connection: socket.socket) -> None:
        # closing with a linger time of 0 sends RST
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _close(self, connection: socket.socket) -> None:
        pass

    def _garbage(self, connection: socket.socket) -> None:
        connection.sendall(b"\x00\xffNot HTTP at all\r\n\r\n" * 20)

    def _hang(self, connection: socket.socket) -> None:
        self._closing.wait(60)

    def _drip(self, connection: socket.socket) -> None:
        """Send the head of a good answer, then its body one byte at a time."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not self._closing.wait(0.05):
            connection.sendall(b"x")

    def _endless_headers(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        number = 0
        while not self._closing.wait(0.02):
            number += 1
            connection.sendall(f"X-Header-{number}: more\r\n".encode())

    def _endless_body(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not self._closing.is_set():
            connection.sendall(b"y" * 65536)

    def _endless_continue(self, connection: socket.socket) -> None:
        while not self._closing.wait(0.01):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _truncated(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nonly this")


def wait_until(true: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Return the first true value of TRUE; fail after SECONDS."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.005)
    return value


def closed_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
