"""The servers that tests/bench/push.py compares: `python -m tests.bench.push_servers ours|bare|consumers`.

Each prints {"port", "path", "token"} once it listens, and sends one snapshot of 200 containers (28.6 kB), whose last
words are the line read, for every line on its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

INSTANCES = 200


def snapshot(mark: str) -> dict[str, Any]:
    records: list[dict[str, Any]] = [
        {
            "instance": number,
            "cpu_percent": 12.34 + number,
            "cpu_share_percent": 6.17 + number,
            "memory_used_bytes": 123456789 + number,
            "memory_percent": 12.34,
            "note": "x" * 23,
        }
        for number in range(INSTANCES)
    ]
    return {"sampled_at": "2026-11-23T21:42:41.455Z", "host": "bench", "stats": [*records, {"instance": mark}]}


def ready(port: int, path: str = "/", token: str = "") -> None:
    sys.stdout.write(json.dumps({"port": port, "path": path, "token": token}) + "\n")
    sys.stdout.flush()


def for_each_line(act: Callable[[str], Any], end: Callable[[], Any]) -> None:
    def read() -> None:
        for line in sys.stdin:
            act(line.strip())
        end()

    threading.Thread(target=read, daemon=True).start()


def bare() -> None:
    """The physical limit: one loop, bytes made once, written to every socket."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: hello\n\n")
        writers.append(writer)

    def spread(mark: str) -> None:
        frame = f"event: container_stats\ndata: {json.dumps(snapshot(mark))}\n\n".encode()
        for writer in writers:
            writer.write(frame)

    async def serve() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=2048)
        for_each_line(
            lambda mark: loop.call_soon_threadsafe(spread, mark), lambda: loop.call_soon_threadsafe(ended.set)
        )
        ready(server.sockets[0].getsockname()[1])
        await ended.wait()

    asyncio.run(serve())


def daphne(application: Any, act: Callable[[str], Any], kind: Any = None, **announced: str) -> None:
    from daphne.server import Server, twisted_loop  # noqa: PLC0415 it installs Twisted's reactor
    from twisted.internet import reactor  # noqa: PLC0415

    server = (kind or Server)(
        application,
        endpoints=["tcp:port=0:backlog=2048:interface=127.0.0.1"],
        signal_handlers=False,
        verbosity=0,
        ready_callable=lambda: twisted_loop.call_later(0.1, listening),
    )

    def listening() -> None:
        ready(server.listening_addresses[0][1], **announced)

    for_each_line(act, lambda: reactor.callFromThread(server.stop))
    server.run()


def ours() -> None:
    """The product: a message from a worker thread, the channel layer, the hub."""
    from django.conf import settings  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    from config.asgi import application  # noqa: PLC0415
    from config.patience import PatientServer  # noqa: PLC0415
    from dashboard import tokens  # noqa: PLC0415
    from dashboard.live.announcements import publish  # noqa: PLC0415
    from dashboard.live.message import Message  # noqa: PLC0415
    from dashboard.models import Scope  # noqa: PLC0415

    settings.STREAM_CLIENTS = 100_000
    call_command("migrate", verbosity=0)

    def act(mark: str) -> None:
        made = snapshot(mark)
        publish([Message.of_stats("bench", made["sampled_at"], {("shop", "production"): made["stats"]})])

    daphne(
        application,
        act,
        PatientServer,
        path="/api/stream?types=container_stats",
        token=tokens.create("bench", Scope.READ)[1],
    )


def consumers() -> None:
    """The usual way with Channels: each client its own channel in the group, each message serialised per client."""
    from channels.layers import InMemoryChannelLayer  # noqa: PLC0415

    layer = InMemoryChannelLayer()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        channel = await layer.new_channel()
        await layer.group_add("bench", channel)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"event: hello\n\n", "more_body": True})
        while True:
            message = await layer.receive(channel)
            frame = f"event: container_stats\ndata: {json.dumps(message['data'])}\n\n".encode()
            await send({"type": "http.response.body", "body": frame, "more_body": True})

    def act(mark: str) -> None:
        from daphne.server import twisted_loop  # noqa: PLC0415

        sent = layer.group_send("bench", {"type": "bench", "data": snapshot(mark)})
        asyncio.run_coroutine_threadsafe(sent, twisted_loop)

    daphne(application, act)


if __name__ == "__main__":
    {"ours": ours, "bare": bare, "consumers": consumers}[sys.argv[1]]()
