"""Is a route healthy? The only GET to the outside, over plain sockets: one deadline for all of it, whatever happens.

No redirect is followed, no cookie kept, no body read; TLS is verified against the system's authorities (SSL_CERT_FILE).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from monitoring.routes import UnusableError, normal_address

DEADLINE_SECONDS = 10.0
HEAD_BYTES = 64 * 1024
INTERIM_ANSWERS = 5
PLACES_TRIED = 4
GATEWAY_STATUSES = {502, 504}
_EXPIRED, _NAME_MISMATCH, _ADDRESS_MISMATCH = 10, 62, 64  # openssl/x509_vfy.h
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: |$|\r)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found.

    cause: dns, connect, timeout, tls_name, tls_expired, tls, http_5xx, bad_gateway, status, address; "" when good.
    fault: app, proxy, route, tls, dns or "" when nobody can tell. latency_ms: until the status line; None without one.
    reach: how far the connection came: "", refused or connected.
    """

    good: bool
    status: int | None = None
    cause: str = ""
    fault: str = ""
    latency_ms: int | None = None
    certificate_expires_at: datetime | None = None
    reach: str = ""


@dataclass(slots=True)
class _Progress:
    """How far a visit came when it failed."""

    waits_for: str = "timeout"
    reach: str = ""
    certificate_expires_at: datetime | None = None

    def failed(self, cause: str, fault: str = "") -> Verdict:
        return Verdict(
            good=False,
            cause=cause,
            fault=fault,
            reach=self.reach,
            certificate_expires_at=self.certificate_expires_at,
        )


def check(
    address: str, direct: str | None = None, expected: str = "", *, deadline: float = DEADLINE_SECONDS
) -> Verdict:
    """GET the public ADDRESS and judge the answer within DEADLINE seconds; never raises for what the target does.

    direct: the same path at the container itself, such as http://172.17.0.5:8080/health; it is asked only when the
    public address fails or hesitates, to tell who is at fault. expected: statuses such as "200-299,401"; "" is < 500.
    """
    return asyncio.run(_check(address, direct, expected, deadline))


async def _check(address: str, direct: str | None, expected: str, deadline: float) -> Verdict:
    ends = time.monotonic() + deadline
    host = urlsplit(address).netloc
    public = asyncio.create_task(_visit(address, host, expected, ends))
    done, _pending = await asyncio.wait([public], timeout=deadline / 2)
    if (done and public.result().good) or not direct:
        return await public
    inside = await _visit(direct, host, expected, ends)
    verdict = await public
    return replace(verdict, fault="") if verdict.good else replace(verdict, fault=_fault(verdict, inside))


def _fault(public: Verdict, inside: Verdict) -> str:
    """Say who is at fault; nobody knows when the container cannot be reached from here at all."""
    if public.fault:
        return public.fault
    if inside.good:
        return "proxy" if public.cause in ("connect", "timeout") else "route"
    return "app" if inside.reach else ""


async def _visit(address: str, host: str, expected: str, ends: float) -> Verdict:
    """Ask one address; every way to fail becomes a cause."""
    progress = _Progress()
    try:
        async with asyncio.timeout(max(0.0, ends - time.monotonic())):
            return await _ask(urlsplit(normal_address(address)), host, expected, progress)
    except UnusableError:
        return progress.failed("address")
    except TimeoutError:
        return progress.failed(progress.waits_for, "dns" if progress.waits_for == "dns" else "")
    except socket.gaierror:
        return progress.failed("dns", "dns")
    except ssl.SSLError as error:
        return progress.failed(_tls_cause(error), "tls")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return progress.failed("connect")


async def _ask(target: SplitResult, host: str, expected: str, progress: _Progress) -> Verdict:
    began = time.monotonic()
    reader, writer = await _open(target, progress)
    try:
        progress.certificate_expires_at = _expiry(writer)
        writer.write(_request(target, host))
        status = await _status(reader)
    finally:
        writer.transport.abort()
    latency = round((time.monotonic() - began) * 1000)
    cause = _cause_of(status, expected)
    return Verdict(not cause, status, cause, "", latency, progress.certificate_expires_at, progress.reach)


async def _open(target: SplitResult, progress: _Progress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name, is_secure = target.hostname or "", target.scheme == "https"
    port = target.port or (443 if is_secure else 80)
    progress.waits_for = "dns"
    places = await _in_thread(lambda: socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
    progress.waits_for = "timeout"
    connection = await _connect([(place[0], place[4]) for place in places], progress)
    if not is_secure:
        return await asyncio.open_connection(sock=connection, limit=HEAD_BYTES)
    context = ssl.create_default_context()
    return await asyncio.open_connection(sock=connection, limit=HEAD_BYTES, ssl=context, server_hostname=name)


async def _connect(places: list[tuple[int, Any]], progress: _Progress) -> socket.socket:
    """Connect to the first of the name's PLACES (family, address) that lets us."""
    refusal: OSError = ConnectionError("the name has no address")
    for family, place in places[:PLACES_TRIED]:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, place)
        except OSError as error:
            connection.close()
            refusal = error
        except BaseException:  # the deadline: what was opened must not stay open
            connection.close()
            raise
        else:
            progress.reach = "connected"
            return connection
    progress.reach = "refused" if isinstance(refusal, ConnectionRefusedError) else ""
    raise refusal


async def _in_thread(call: Callable[[], Any]) -> Any:
    """Run CALL in a thread that nobody waits for: a resolver may hang for longer than any deadline."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if not answer.done():
            answer.set_exception(error) if error else answer.set_result(result)

    def run() -> None:
        result, error = None, None
        try:
            result = call()
        except (OSError, UnicodeError) as raised:
            error = raised if isinstance(raised, OSError) else socket.gaierror(str(raised))
        with contextlib.suppress(RuntimeError):  # the loop has gone: the deadline was earlier
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    return await answer


def _request(target: SplitResult, host: str) -> bytes:
    place = (target.path or "/") + (f"?{target.query}" if target.query else "")
    lines = [f"GET {place} HTTP/1.1", f"Host: {host}", "User-Agent: Pierwatch", "Accept: */*", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode("ascii", "ignore")


async def _status(reader: asyncio.StreamReader) -> int:
    """Read the final answer's status; interim ones (1xx) come before it."""
    for _interim in range(INTERIM_ANSWERS):
        match = _STATUS_LINE.match(await reader.readline())
        if not match:
            break
        status = int(match[1])
        if status >= 200 or status == 101:
            return status
        while (await reader.readline()).strip():
            pass
    raise ConnectionError("no HTTP answer")


def _cause_of(status: int, expected: str) -> str:
    """Return "" for a good status, else why it is bad."""
    if is_expected(status, expected):
        return ""
    if status in GATEWAY_STATUSES:
        return "bad_gateway"
    return "http_5xx" if status >= 500 else "status"


def is_expected(status: int, expected: str) -> bool:
    """Tell whether STATUS is in a list such as "200-299,401"; what cannot be read there is left out."""
    ranges = [re.fullmatch(r"\s*(\d{3})(?:\s*-\s*(\d{3}))?\s*", part) for part in expected.split(",")]
    readable = [match for match in ranges if match]
    if not readable:
        return status < 500
    return any(int(match[1]) <= status <= int(match[2] or match[1]) for match in readable)


def _tls_cause(error: ssl.SSLError) -> str:
    code = getattr(error, "verify_code", None)
    if code == _EXPIRED:
        return "tls_expired"
    return "tls_name" if code in (_NAME_MISMATCH, _ADDRESS_MISMATCH) else "tls"


def _expiry(writer: asyncio.StreamWriter) -> datetime | None:
    certificate = writer.get_extra_info("peercert") or {}
    expires = certificate.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(expires), UTC) if expires else None
