"""The light HTTP client against raw bytes on real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.engine.address import parse
from monitoring.engine.wire import Answer, BrokenAnswer, Connection, open_connection, parse_head, unchunk


@asynccontextmanager
async def answering(folder: Path, *pieces: bytes, keeps_open: bool = True) -> AsyncIterator[Connection]:
    """Connect to a server that answers each request with these pieces, sent one by one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if not keeps_open:
                break
        writer.close()

    server = await asyncio.start_unix_server(serve, folder / "s")
    async with server:
        connection = await open_connection(parse(f"unix://{folder}/s"), None)
        yield connection
        connection.abort()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([HEAD + b"hello"], id="at once"),
        pytest.param([HEAD[:10], HEAD[10:] + b"he", b"llo"], id="in pieces"),
        pytest.param([bytes([byte]) for byte in HEAD + b"hello"], id="byte by byte"),
        pytest.param([CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"], id="chunks"),
        pytest.param([bytes([byte]) for byte in CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"], id="chunks byte by byte"),
        pytest.param([b"HTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello"], id="terse"),
    ],
)
async def test_one_connection_answers_again_and_again(short_path: Path, pieces: list[bytes]) -> None:
    async with answering(short_path, *pieces) as connection:
        for _ in range(3):
            assert await connection.get("/x") == Answer(200, b"hello")
        assert connection.is_open
        assert connection.answered == 3


async def test_an_answer_may_end_with_its_connection(short_path: Path) -> None:
    async with answering(short_path, b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo", keeps_open=False) as connection:
        assert await connection.get("/x") == Answer(200, b"hello")
        assert not connection.is_open


async def test_connection_close_is_obeyed(short_path: Path) -> None:
    head = b"HTTP/1.1 404 Gone\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    async with answering(short_path, head) as connection:
        assert await connection.get("/x") == Answer(404, b"{}")
        assert not connection.is_open


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x16\x03\x01 no HTTP", id="TLS"),
        pytest.param(b"HTTP/1.1 abc\r\n\r\n", id="no status"),
        pytest.param(b"\r\n\r\n", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", id="negative"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", id="huge"),
        pytest.param(CHUNKED + b"zz\r\n", id="no chunk"),
        pytest.param(CHUNKED + b"-1\r\n", id="negative chunk"),
        pytest.param(CHUNKED + b"fffffffff\r\n", id="huge chunk"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, id="endless head"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000, id="endless body"),
    ],
)
async def test_what_is_no_answer_breaks_the_connection(short_path: Path, raw: bytes) -> None:
    async with answering(short_path, raw) as connection:
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionError):
                await connection.get("/x")
        assert not connection.is_open


@pytest.mark.parametrize("piece", [HEAD + b"hel", CHUNKED + b"5\r\nhe", b"HTTP/1.1 200"])
async def test_half_an_answer_is_none(short_path: Path, piece: bytes) -> None:
    async with answering(short_path, piece, keeps_open=False) as connection:
        with pytest.raises(BrokenAnswer):
            await connection.get("/x")


async def test_bytes_that_nobody_asked_for_end_the_connection(short_path: Path) -> None:
    async with answering(short_path, HEAD + b"hello" + HEAD) as connection:
        assert await connection.get("/x") == Answer(200, b"hello")
        assert not connection.is_open
        with pytest.raises(ConnectionResetError):
            await connection.get("/x")


async def test_a_full_backlog_is_waited_for(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_path / "s"))
        server.listen(0)
        waiting = [asyncio.ensure_future(open_connection(parse(f"unix://{short_path}/s"), None)) for _ in range(8)]
        await asyncio.wait(waiting, timeout=0.05)
        assert not all(task.done() for task in waiting)
        accepted = [await asyncio.to_thread(server.accept) for _ in range(8)]
        connections = await asyncio.gather(*waiting)
    for connection, (peer, _address) in zip(connections, accepted, strict=True):
        connection.abort()
        peer.close()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_refused(raw: bytes) -> None:
    with suppress(ValueError, IndexError):
        parse_head(bytearray(raw))


@given(st.binary(max_size=200))
def test_any_bytes_are_chunks_or_refused(raw: bytes) -> None:
    with suppress(ValueError):
        unchunk(bytearray(raw), 0)
