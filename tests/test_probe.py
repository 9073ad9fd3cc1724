"""Probes of real servers on loopback: good ones, broken ones, and those that waste time."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from monitoring.probe import Verdict, check, is_expected

Answer = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Gives every connection to a function, in a thread each; remembers what was asked."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.asked: list[bytes] = []
        self.answer, self.context = answer, context
        self.over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            stream = self.context.wrap_socket(connection, server_side=True) if self.context else connection
            self.asked.append(stream.recv(65536))
            self.answer(stream)
            stream.close()
        except OSError:
            connection.close()

    def close(self) -> None:
        self.over.set()
        self.socket.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: Answer | bytes, context: ssl.SSLContext | None = None) -> Server:
        sends = answer if callable(answer) else lambda stream: stream.sendall(answer)
        servers.append(Server(sends, context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def url(server: Server, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{server.port}"


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answering(status: int) -> bytes:
    return f"HTTP/1.1 {status} X\r\nLocation: http://elsewhere.invalid/\r\nSet-Cookie: a=b\r\n\r\n".encode()


def test_a_good_answer_is_good_and_timed(serve: Callable[..., Server]) -> None:
    server = serve(OK)

    verdict = check(f"{url(server)}/health?x=1")

    assert (verdict.good, verdict.status, verdict.cause, verdict.fault) == (True, 200, "", "")
    assert verdict.latency_ms is not None
    assert server.asked[0].startswith(b"GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)
    assert b"ookie" not in server.asked[0]


@pytest.mark.parametrize(
    ("status", "expected", "good", "cause"),
    [(204, "", True, ""), (302, "", True, ""), (404, "", True, ""), (500, "", False, "http_5xx"),
     (502, "", False, "bad_gateway"), (503, "", False, "http_5xx"), (504, "", False, "bad_gateway"),
     (404, "200-299,401", False, "status"), (401, "200-299,401", True, ""), (503, "503", True, "")],
)  # fmt: skip
def test_the_status_decides(serve: Callable[..., Server], status: int, expected: str, good: bool, cause: str) -> None:
    server = serve(answering(status))

    verdict = check(url(server), expected=expected)

    assert (verdict.good, verdict.status, verdict.cause) == (good, status, cause)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "expected", "fits"),
    [(200, "", True), (500, "", False), (299, "200-299", True), (300, "200-299", False),
     (401, " 200 - 299 , 401 ", True), (200, "nonsense", True), (500, "nonsense", False), (204, "abc,204", True)],
)  # fmt: skip
def test_expected_statuses_are_read_leniently(status: int, expected: str, fits: bool) -> None:
    assert is_expected(status, expected) is fits


def test_interim_answers_are_not_the_answer(serve: Callable[..., Server]) -> None:
    server = serve(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answering(500))

    assert check(url(server)).status == 500


def hang(stream: socket.socket) -> None:
    stream.settimeout(20)
    stream.recv(1)


def drip(stream: socket.socket) -> None:
    for _ in range(400):
        stream.sendall(b"H")
        time.sleep(0.05)


def drip_headers(stream: socket.socket) -> None:
    stream.sendall(b"HTTP/1.1 103 Early\r\n")
    for _ in range(400):
        stream.sendall(b"a: b\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("wasting", [hang, drip, drip_headers])
def test_the_deadline_holds_whatever_the_target_does(serve: Callable[..., Server], wasting: Answer) -> None:
    began = time.monotonic()

    verdict = check(url(serve(wasting)), deadline=0.5)

    assert (verdict.good, verdict.cause) == (False, "timeout")
    assert time.monotonic() - began < 2


def test_a_tls_handshake_that_hangs_ends_at_the_deadline(serve: Callable[..., Server]) -> None:
    assert check(url(serve(hang), "https"), deadline=0.5).cause == "timeout"


def reset(stream: socket.socket) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    stream.close()


@pytest.mark.parametrize(
    "broken",
    [reset, b"", b"nonsense\r\n", b"HTTP/1.1 abc\r\n", b"x" * 200_000, b"SSH-2.0-OpenSSH\r\n", b"\x00\xff" * 9],
)
def test_what_is_no_http_answer_is_a_broken_connection(serve: Callable[..., Server], broken: Answer | bytes) -> None:
    assert check(url(serve(broken)), deadline=3).cause == "connect"


def test_a_refused_connection_is_told() -> None:
    assert check(f"http://127.0.0.1:{closed_port()}") == Verdict(False, cause="connect", reach="refused")


def test_a_name_that_does_not_exist_is_a_dns_failure() -> None:
    verdict = check("http://does-not-exist.invalid/", deadline=5)

    assert (verdict.cause, verdict.fault) == ("dns", "dns")


@pytest.mark.parametrize("address", ["", "shop", "ftp://a.org", "http://a b.org", "http://a.org/\r\nX: y", "http://:x"])
def test_an_unusable_address_is_told(address: str) -> None:
    assert check(address) == Verdict(False, cause="address")


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


def context_for(authority: trustme.CA, *names: str, not_after: datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=not_after).configure_cert(context)
    return context


def test_a_certificate_is_verified_and_its_end_known(serve: Callable[..., Server], authority: trustme.CA) -> None:
    expires = (datetime.now(UTC) + timedelta(days=20)).replace(microsecond=0)
    server = serve(OK, context_for(authority, "localhost", not_after=expires))

    verdict = check(url(server, "https", "localhost"))

    assert (verdict.good, verdict.certificate_expires_at) == (True, expires)


@pytest.mark.parametrize(
    ("names", "days", "cause"), [(["localhost"], -1, "tls_expired"), (["other.example.org"], 20, "tls_name")]
)
def test_a_bad_certificate_is_named(
    serve: Callable[..., Server], authority: trustme.CA, names: list[str], days: int, cause: str
) -> None:
    context = context_for(authority, *names, not_after=datetime.now(UTC) + timedelta(days=days))

    verdict = check(url(serve(OK, context), "https", "localhost"))

    assert (verdict.cause, verdict.fault) == (cause, "tls")


def test_a_certificate_of_an_unknown_authority_is_not_trusted(
    serve: Callable[..., Server], authority: trustme.CA
) -> None:
    server = serve(OK, context_for(trustme.CA(), "localhost"))

    assert check(url(server, "https", "localhost")).cause == "tls"


def test_plain_http_at_a_tls_address_is_a_tls_failure(serve: Callable[..., Server]) -> None:
    def speaks_http(stream: socket.socket) -> None:
        stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert check(url(serve(speaks_http), "https", "localhost"), deadline=3).cause == "tls"


@pytest.mark.parametrize(
    ("public", "direct", "fault"),
    [
        (answering(502), OK, "route"),
        (answering(502), answering(500), "app"),
        (answering(502), None, "app"),
        (answering(500), OK, "route"),
        (hang, OK, "proxy"),
        (hang, hang, "app"),
        (reset, OK, "proxy"),
        (b"", b"nonsense", "app"),
    ],
)
def test_asking_the_container_itself_tells_who_is_at_fault(
    serve: Callable[..., Server], public: Answer | bytes, direct: Answer | bytes | None, fault: str
) -> None:
    inside = url(serve(direct)) if direct else f"http://127.0.0.1:{closed_port()}"

    assert check(url(serve(public)), inside, deadline=0.8).fault == fault


def test_without_a_way_to_the_container_nobody_is_blamed(serve: Callable[..., Server]) -> None:
    assert check(url(serve(answering(502)))).fault == ""


def test_a_container_that_cannot_be_reached_from_here_is_not_blamed(serve: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:  # its queue is full: further SYNs are dropped
        waiting = [socket.socket() for _ in range(4)]
        for connection in waiting:
            connection.setblocking(False)
            connection.connect_ex(silent.getsockname())

        verdict = check(url(serve(answering(502))), f"http://127.0.0.1:{silent.getsockname()[1]}", deadline=0.6)

        for connection in waiting:
            connection.close()
    assert verdict.fault == ""


def test_the_container_is_left_alone_while_the_public_address_is_good(serve: Callable[..., Server]) -> None:
    inside = serve(OK)

    assert check(url(serve(OK)), url(inside)).good
    assert inside.asked == []


def test_the_container_is_asked_for_the_public_name(serve: Callable[..., Server]) -> None:
    inside, public = serve(OK), serve(answering(502))

    check(f"{url(public)}/x", f"{url(inside)}/x")

    assert b"Host: 127.0.0.1:%d\r\n" % public.port in inside.asked[0]
