"""A light HTTP/1.1 client for GETs over kept connections: unix socket, TCP, TLS.

It exists because docker-py in threads costs several times its CPU per answer (tests/bench/sampling.py measures both).
It knows what Docker, Podman and socket proxies send: Content-Length, chunks, or an answer ended by its connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import NamedTuple

from monitoring.engine.address import Address

LARGEST_ANSWER = 4 * 1024 * 1024
LARGEST_HEAD = 64 * 1024
BACKLOG_PAUSE_SECONDS = 0.01


class Answer(NamedTuple):
    status: int
    body: bytes


class BrokenAnswer(ConnectionError):  # noqa: N818 it says what the answer is
    """What came is not HTTP, ended too early, or is too large."""


class Head(NamedTuple):
    status: int
    length: int | None  # None: until the connection ends
    chunked: bool
    closes: bool
    size: int


class Connection(asyncio.Protocol):
    """One connection that answers one GET at a time; abort it when its answer is not wanted any more."""

    def __init__(self) -> None:
        self.answered = 0
        self._buffer = bytearray()
        self._head: Head | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def get(self, path: str) -> Answer:
        """Ask and wait; raises ConnectionError. The caller sets the deadline, and aborts after it."""
        if self._transport is None or not self.is_open:
            raise ConnectionResetError("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: Pierwatch\r\n\r\n".encode())
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol -------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 what asyncio promises for streams
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._waiting is None or self._waiting.done():
            self.abort()  # nobody asked: whatever this is, the next answer could not be trusted
            return
        self._buffer += data
        try:
            self._advance()
        except (ValueError, IndexError) as error:
            self._fail(BrokenAnswer(f"not HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        head = self._head
        if head and head.length is None and not head.chunked and exc is None:
            self._finish(bytes(self._buffer[head.size :]))
        elif self._buffer:
            self._fail(BrokenAnswer("the answer ended too early"))
        else:
            self._fail(ConnectionResetError("the connection was closed"))

    # --- reading an answer ------------------------------------------------------------------------------------
    def _advance(self) -> None:
        """Finish the answer if all of it is here."""
        if self._head is None:
            self._head = parse_head(self._buffer)
        if self._head is None:
            self._refuse_over(LARGEST_HEAD)
            return
        self._refuse_over(LARGEST_ANSWER)
        found = self._body(self._head)
        if found is not None:
            body, end = found
            surplus = len(self._buffer) > end
            self._finish(body)
            if surplus:  # nobody asked for more: the next answer could not be trusted
                self.abort()

    def _body(self, head: Head) -> tuple[bytes, int] | None:
        """Return the body and where it ends; None while some of it is missing."""
        if head.chunked:
            return unchunk(self._buffer, head.size)
        if head.length is None or len(self._buffer) < head.size + head.length:
            return None
        end = head.size + head.length
        return bytes(self._buffer[head.size : end]), end

    def _refuse_over(self, limit: int) -> None:
        if len(self._buffer) > limit:
            raise ValueError("too large")

    def _finish(self, body: bytes) -> None:
        head, waiting = self._head, self._waiting
        self._head, self._buffer = None, bytearray()
        if head and waiting and not waiting.done():
            self.answered += 1
            waiting.set_result(Answer(head.status, body))
        if head and head.closes:
            self.abort()

    def _fail(self, error: ConnectionError) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error)
        self.abort()


def parse_head(buffer: bytearray) -> Head | None:
    """Read status line and headers; None while they are not complete; raises ValueError when they are no HTTP."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if not buffer.startswith(b"HTTP/1."[: len(buffer)]):
            raise ValueError("no status line")
        return None
    first, *lines = bytes(buffer[:end]).split(b"\r\n")
    version, status, *_reason = first.split(None, 2)
    if not version.startswith(b"HTTP/1."):
        raise ValueError("no status line")
    headers = {name.strip().lower(): value.strip() for name, _colon, value in (line.partition(b":") for line in lines)}
    chunked = headers.get(b"transfer-encoding", b"").lower() == b"chunked"
    length = int(headers[b"content-length"]) if b"content-length" in headers and not chunked else None
    if length is not None and not 0 <= length <= LARGEST_ANSWER:
        raise ValueError("impossible length")
    bare = length is None and not chunked
    closes = bare or headers.get(b"connection", b"").lower() == b"close" or version == b"HTTP/1.0"
    return Head(int(status), length, chunked, closes, end + 4)


def unchunk(buffer: bytearray, at: int) -> tuple[bytes, int] | None:
    """Join the chunks from a position on and say where they end; None while the last is missing.

    Raises ValueError for what are no chunks.
    """
    parts: list[bytes] = []
    while (line := buffer.find(b"\r\n", at)) >= 0:
        size = int(buffer[at:line].split(b";")[0], 16)
        if not 0 <= size <= LARGEST_ANSWER:
            raise ValueError("impossible chunk")
        start, at = line + 2, line + 4 + size
        if len(buffer) < at:
            return None
        if size == 0:
            return b"".join(parts), at
        parts.append(bytes(buffer[start : start + size]))
    return None


async def open_connection(address: Address, tls: ssl.SSLContext | None) -> Connection:
    """Connect; raises OSError. The caller sets the deadline."""
    loop = asyncio.get_running_loop()
    if address.is_unix:
        _transport, connection = await loop.create_unix_connection(Connection, sock=await _unix_socket(address.path))
    else:
        name = address.host if tls else None
        _transport, connection = await loop.create_connection(
            Connection, address.host, address.port, ssl=tls, server_hostname=name
        )
    return connection


async def _unix_socket(path: str) -> socket.socket:
    """Connect a unix socket; a full backlog says EAGAIN at once, which asyncio takes for "on its way" (it is not)."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        while True:
            try:
                sock.connect(path)
            except BlockingIOError:
                await asyncio.sleep(BACKLOG_PAUSE_SECONDS)
            else:
                return sock
    except BaseException:
        sock.close()
        raise
