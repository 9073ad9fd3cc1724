"""One POST under one deadline, over a connection that is kept for the next.

Plain `http.client`: `requests` knows a time limit per read only (a slow drip beat its 15 s for 24 s), follows
redirects, obeys proxies of the environment and costs three times as much per message.
"""

from __future__ import annotations

import io
import select
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from time import monotonic
from types import TracebackType
from typing import Any, Self

import certifi
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import guard

READ_BYTES = 64 * 1024
KEPT_BYTES = 2 * 1024
IDLE_SECONDS = 2.0  # shorter than the keep-alive of any common server


class NoAnswerError(Exception):
    """No answer came; the text says why, for the operator."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answered; headers in lower case, at most KEPT_BYTES of the body."""

    status: int
    headers: Mapping[str, str]
    body: str


class TimedSocket:
    """A socket whose every step must end by one deadline, however slowly the other side drips."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self.connected = connected
        self.deadline = deadline

    def patient(self) -> socket.socket:
        """Return the socket with what is left of the time as its limit; TimeoutError when nothing is."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        self.connected.settimeout(left)
        return self.connected

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self.patient().send(view) :]

    def makefile(self, *_args: Any, **_options: Any) -> io.BufferedReader:
        return io.BufferedReader(TimedReader(self))

    def close(self) -> None:
        self.connected.close()

    def is_stale(self) -> bool:
        """Say whether the other side has hung up or spoken out of turn."""
        return bool(select.select([self.connected], [], [], 0)[0])


class TimedReader(io.RawIOBase):
    def __init__(self, owner: TimedSocket) -> None:
        self.owner = owner
        self.raw = owner.connected.makefile("rb", buffering=0)  # holds the socket open until it is read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.owner.patient()
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


class _CheckedConnection(HTTPConnection):
    """http.client's connection, except that it connects through the guard and under a deadline."""

    sock: Any

    def __init__(self, target: guard.Target) -> None:
        super().__init__(target.host, target.port)
        self.target = target
        self.deadline = 0.0

    def connect(self) -> None:
        plain = guard.connect(self.target, self.deadline)
        timed = TimedSocket(plain, self.deadline)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.target.tls:
            try:
                name = self.target.host.rstrip(".")
                timed.connected = tls_context().wrap_socket(timed.patient(), server_hostname=name)
            except OSError:
                plain.close()
                raise
        self.sock = timed


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return the context that verifies receivers: the system's authorities (or SSL_CERT_FILE) and certifi's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


class Connection:
    """Posts to one destination; keeps the connection between messages that follow each other closely."""

    def __init__(self) -> None:
        self._kept: _CheckedConnection | None = None
        self._used_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._kept:
            self._kept.close()
        self._kept = None

    def post(self, address: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Reply:
        """Send BODY to ADDRESS and return the answer, whatever its status, within SECONDS in all.

        Raises guard.RefusedError when it may not go there, NoAnswerError when nothing usable came back.
        """
        target = guard.target_of(address)
        connection = self._connection(target, monotonic() + seconds)
        try:
            return self._exchange(connection, headers, body)
        except (OSError, HTTPException, ValueError) as error:
            connected = connection.sock is not None
            self.close()
            raise NoAnswerError(in_words(error, target.host, seconds, connected=connected)) from error

    def _connection(self, target: guard.Target, deadline: float) -> _CheckedConnection:
        kept = self._kept
        fresh = kept and kept.target.place == target.place and monotonic() - self._used_at < IDLE_SECONDS
        if not (kept and fresh and kept.target.tls == target.tls and kept.sock and not kept.sock.is_stale()):
            self.close()
            kept = self._kept = _CheckedConnection(target)
        kept.target, kept.deadline = target, deadline
        if kept.sock:
            kept.sock.deadline = deadline
        return kept

    def _exchange(self, connection: _CheckedConnection, headers: Mapping[str, str], body: bytes) -> Reply:
        connection.putrequest("POST", connection.target.path, skip_host=True, skip_accept_encoding=True)
        whole = {"Host": connection.target.place, "Content-Length": str(len(body)), "Accept-Encoding": "identity"}
        for name, value in (whole | dict(headers)).items():
            connection.putheader(name, value.encode("latin-1", "replace"))
        connection.endheaders(body)
        response = connection.getresponse()
        text = _beginning(response)
        if not response.isclosed() or response.will_close:
            self.close()
        self._used_at = monotonic()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, text)


def _beginning(response: HTTPResponse) -> str:
    """Read at most READ_BYTES of the answer; a shorter one must be whole."""
    found = response.read(READ_BYTES)
    if len(found) < READ_BYTES and response.length:
        raise IncompleteRead(found, response.length)
    if response.length == 0 or len(found) < READ_BYTES:
        response.close()
    return found[:KEPT_BYTES].decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")


SENTENCES: tuple[tuple[type[Exception], str | Promise], ...] = (
    (ssl.SSLCertVerificationError, gettext_lazy("The certificate of %(host)s is not valid: %(reason)s.")),
    (ssl.SSLError, gettext_lazy("No secure connection to %(host)s: %(reason)s.")),
    (ConnectionRefusedError, gettext_lazy("%(host)s refused the connection.")),
    (ConnectionError, gettext_lazy("%(host)s closed the connection without a whole answer.")),
    (IncompleteRead, gettext_lazy("%(host)s broke its answer off.")),
    (HTTPException, gettext_lazy("%(host)s answered something that is not HTTP.")),
    (ValueError, gettext_lazy("%(host)s answered something that is not HTTP.")),
    (Exception, gettext_lazy("%(host)s could not be reached: %(reason)s.")),
)


def in_words(error: Exception, host: str, seconds: float, *, connected: bool) -> str:
    """Return what went wrong with HOST, in a sentence for the operator."""
    if isinstance(error, guard.LookupFailedError):
        return str(error)
    reasons = (getattr(error, name, "") for name in ("verify_message", "reason", "strerror"))
    named = {"host": host, "seconds": round(seconds), "reason": next(filter(None, reasons), error)}
    if isinstance(error, TimeoutError):
        return _timed_out(connected=connected) % named
    return str(next(sentence for kind, sentence in SENTENCES if isinstance(error, kind))) % named


def _timed_out(*, connected: bool) -> str:
    if connected:
        return _("Timed out after %(seconds)s s. The target accepted the connection but did not answer.")
    return _("Timed out after %(seconds)s s. %(host)s did not accept the connection.")
