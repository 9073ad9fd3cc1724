"""A simulated engine: the GETs of Docker's API over a unix socket or TCP, thousands of containers, faults on order.

    with SimulatedEngine(tmp_path / "docker.sock", containers=3) as engine:
        web = engine.add("web-1", cpu_cores=0.5, memory=64 * MIB, labels={"com.docker.compose.project": "shop"})
        web.fault = HANG                          # its stats never answer; or RESET, GARBAGE, Fault(status=500), ...
        engine.faults["/info"] = Fault(status=403)  # any path, without the version
        engine.advance(30)                        # the engine's clock, and with it all counters
        connect(engine.url).containers()
        engine.emit("container", "die", web, exitCode="1")  # to whoever follows /events

Without a path it listens on a free TCP port. Counters follow the engine's own clock: `cpu_cores` of load each second,
`rx_rate` bytes and so on. Everything may be changed while it runs, also from other threads. `engine.requests` are the
paths asked for, `engine.connections` those open now. As a program, for benchmarks that count another process's CPU:

    python -m tests.simulated_engine SOCKET NUMBER_OF_CONTAINERS [VERSION API_VERSION]
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

MIB = 1024 * 1024
SECOND = 1_000_000_000
VERSIONED = re.compile(r"^/v(\d+)\.(\d+)(/.*)$")
CONTAINER = re.compile(r"^/containers/([^/]+)/(json|stats)$")
IMAGE = re.compile(r"^/images/(.+)/json$")
NEVER = "0001-01-01T00:00:00Z"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with an answer; the parts combine (a delayed 500, a truncated body)."""

    delay: float = 0
    hang: bool = False
    reset: bool = False
    status: int | None = None
    body: bytes | None = None
    truncated: bool = False
    raw: bytes | None = None  # sent as it is instead of HTTP
    times: int | None = None  # how often; None: always
    used: list[bool] = field(default_factory=list, compare=False, repr=False)


HANG = Fault(hang=True)
RESET = Fault(reset=True)
GONE = Fault(status=404, body=b'{"message":"No such container"}')
TRUNCATED = Fault(truncated=True)
GARBAGE = Fault(raw=b"\x16\x03\x01\x02 this is no HTTP\r\n\r\n")
HTML = Fault(body=b"<html><body>It works!</body></html>")
NULL = Fault(body=b"null")
LIST = Fault(body=b"[]")


@dataclass
class SimulatedContainer:
    """One container; change what you like. `inspected` and `stats` are merged over the answers as they stand."""

    id: str
    name: str
    image: str = "local/busybox:test"
    image_id: str = "sha256:" + "a" * 64
    labels: dict[str, str] = field(default_factory=dict)
    state: str = "running"
    health: str = "none"
    exit_code: int = 0
    created_ns: int = 0
    started_ns: int = 0
    finished_ns: int = 0
    restarts: int = 0
    env: list[str] = field(default_factory=list)
    cpu_cores: float = 0.0
    memory: int = 16 * MIB
    memory_limit: int | None = None
    cache: int = 0
    rx_rate: float = 0.0
    write_rate: float = 0.0
    inspected: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    fault: Fault | None = None  # of its stats
    status: str = ""  # instead of what follows from the rest

    @property
    def runs(self) -> bool:
        return self.state in ("running", "paused")

    def status_text(self) -> str:
        if self.status:
            return self.status
        if self.state == "running":
            words = {"starting": " (health: starting)", "none": ""}
            return "Up 5 minutes" + words.get(self.health, f" ({self.health})")
        return f"Exited ({self.exit_code}) 2 minutes ago" if self.state == "exited" else self.state.capitalize()


class SimulatedEngine:
    """See the module. A context manager; the server runs in a thread of its own."""

    def __init__(
        self,
        socket_path: Path | str | None = None,
        *,
        containers: int = 0,
        version: str = "28.5.2",
        api: str = "1.51",
        oldest_api: str = "1.24",
        podman: bool = False,
        windows: bool = False,
        cpus: int = 2,
        memory: int = 8 * 1024 * MIB,
        tls: ssl.SSLContext | None = None,
        tick_seconds: float = 0,
        port: int = 0,
    ) -> None:
        self.socket_path = Path(socket_path) if socket_path else None
        self.version, self.api, self.oldest_api = version, api, oldest_api
        self.podman, self.windows, self.cpus, self.memory = podman, windows, cpus, memory
        self.tick_seconds = tick_seconds  # before Engine 25 stats wait for the collector's next tick, 1 s
        self.containers: dict[str, SimulatedContainer] = {}
        self.images: dict[str, str] = {"local/busybox:test": "sha256:" + "a" * 64}
        self.faults: dict[str, Fault] = {}
        self.requests: deque[str] = deque(maxlen=100_000)
        self.connections = 0
        self.most_connections = 0
        self.clock_offset_ns = 0
        self.events: deque[dict[str, Any]] = deque(maxlen=256)
        self._followers: set[asyncio.Queue[bytes | None]] = set()
        self._tls, self._port = tls, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="simulated-engine")
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._born_ns = self.now_ns
        for number in range(containers):
            self.add(f"idle-{number + 1}")

    # --- life -------------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def open(self) -> None:
        """Listen, again after `shut`: on the same address."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)

    def shut(self) -> None:
        """Stop listening and cut every connection, as an engine that is stopped."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(5)

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}" if self.socket_path else f"tcp://127.0.0.1:{self._port}"

    # --- what it holds ----------------------------------------------------------------------------------------
    @property
    def now_ns(self) -> int:
        return time.time_ns() + self.clock_offset_ns

    def advance(self, seconds: float) -> None:
        self.clock_offset_ns += int(seconds * SECOND)

    def add(self, name: str, **what: Any) -> SimulatedContainer:
        """Add a container, running unless told otherwise; its id is made of its number."""
        number = what.pop("number", len(self.containers) + 1)
        container = SimulatedContainer(
            what.pop("id", f"{number:012x}{number:052x}"), name, created_ns=self.now_ns, **what
        )
        container.started_ns = container.started_ns or (self.now_ns if container.state != "created" else 0)
        self.containers[container.id] = container
        return container

    def remove(self, container: SimulatedContainer) -> None:
        self.containers.pop(container.id, None)

    def find(self, name_or_id: str) -> SimulatedContainer | None:
        if name_or_id in self.containers:
            return self.containers[name_or_id]
        return next((c for c in self.containers.values() if c.name == name_or_id or c.id.startswith(name_or_id)), None)

    def emit(self, kind: str, action: str, actor: SimulatedContainer | str, **attributes: str) -> dict[str, Any]:
        """Send an event to whoever follows, and remember the last 256 as an engine does."""
        known = {"name": actor.name, "image": actor.image, **actor.labels} if not isinstance(actor, str) else {}
        actor_id = actor if isinstance(actor, str) else actor.id
        now = self.now_ns
        event = {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": actor_id, "Attributes": known | attributes},
            "scope": "local",
            "time": now // SECOND,
            "timeNano": now,
        }
        self._loop.call_soon_threadsafe(self._publish, event)
        return event

    def cut_followers(self) -> None:
        """End all event streams without a word, as a proxy or a restart does."""
        self._loop.call_soon_threadsafe(lambda: [follower.put_nowait(None) for follower in self._followers])

    @property
    def followers(self) -> int:
        return len(self._followers)

    # --- answers ----------------------------------------------------------------------------------------------
    def answer(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Return (status, JSON) for a path without its version."""
        if path == "/_ping":
            return 200, "OK"
        if path == "/version":
            return 200, self._version()
        if path == "/info":
            return 200, self._details()
        if path == "/containers/json":
            everything = query.get("all", ["0"])[0].lower() in ("1", "true")
            return 200, [self._listed(c) for c in list(self.containers.values()) if everything or c.runs]
        if match := CONTAINER.match(path):
            return self._of_container(unquote(match[1]), match[2])
        if match := IMAGE.match(path):
            image_id = self.images.get(unquote(match[1]))
            return (200, {"Id": image_id}) if image_id else (404, {"message": f"No such image: {match[1]}"})
        return 404, {"message": "page not found"}

    def _of_container(self, name: str, what: str) -> tuple[int, Any]:
        container = self.find(name)
        if container is None:
            return 404, {"message": f"No such container: {name}"}
        return 200, self._inspected(container) if what == "json" else self._stats(container)

    def _version(self) -> dict[str, Any]:
        name = "Podman Engine" if self.podman else "Engine"
        return {
            "Version": self.version,
            "ApiVersion": self.api,
            "MinAPIVersion": self.oldest_api,
            "Os": "windows" if self.windows else "linux",
            "Components": [{"Name": name, "Version": self.version}],
        }

    def _details(self) -> dict[str, Any]:
        return {
            "ID": "SIMULATED",
            "NCPU": self.cpus,
            "MemTotal": self.memory,
            "OperatingSystem": "Simulated Linux",
            "CgroupVersion": "2",
            "ServerVersion": self.version,
        }

    def _listed(self, container: SimulatedContainer) -> dict[str, Any]:
        return {
            "Id": container.id,
            "Names": [f"/{container.name}"],
            "Image": container.image,
            "ImageID": container.image_id,
            "Created": container.created_ns // SECOND,
            "Labels": container.labels,
            "State": container.state,
            "Status": container.status_text(),
            "Ports": [],
            "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
        }

    def _inspected(self, container: SimulatedContainer) -> dict[str, Any]:
        state = {
            "Status": container.state,
            "Running": container.runs,
            "ExitCode": container.exit_code,
            "Error": "",
            "OOMKilled": False,
            "StartedAt": engine_time(container.started_ns),
            "FinishedAt": engine_time(container.finished_ns),
        }
        if container.health != "none":
            state["Health"] = {"Status": container.health}
        answer = {
            "Id": container.id,
            "Name": f"/{container.name}",
            "Image": container.image_id,
            "Created": engine_time(container.created_ns),
            "RestartCount": container.restarts,
            "State": state,
            "Config": {"Image": container.image, "Labels": container.labels, "Env": container.env},
            "HostConfig": {"RestartPolicy": {"Name": "no"}, "Memory": container.memory_limit or 0},
            "NetworkSettings": {"Ports": {}, "Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
            "Mounts": [],
        }
        return merged(answer, container.inspected)

    def _stats(self, container: SimulatedContainer) -> dict[str, Any]:
        if not container.runs:
            return {"read": NEVER, "preread": NEVER, "cpu_stats": {}, "memory_stats": {}, "pids_stats": {}}
        now = self.now_ns
        ran, lived = now - container.started_ns, now - self._born_ns
        received, written = int(ran * container.rx_rate / SECOND), int(ran * container.write_rate / SECOND)
        answer = {
            "read": engine_time(now),
            "preread": NEVER,
            "pids_stats": {"current": 1},
            "cpu_stats": {
                "cpu_usage": {"total_usage": int(ran * container.cpu_cores)},
                "system_cpu_usage": 10**13 + lived * self.cpus,
                "online_cpus": self.cpus,
            },
            "memory_stats": {
                "usage": container.memory + container.cache,
                "limit": container.memory_limit or self.memory,
                "stats": {"inactive_file": container.cache, "file": container.cache},
            },
            "networks": {"eth0": {"rx_bytes": received, "tx_bytes": 0}},
            "blkio_stats": {"io_service_bytes_recursive": [{"op": "write", "value": written}]},
        }
        return merged(answer, container.stats)

    # --- the server -------------------------------------------------------------------------------------------
    async def _listen(self) -> None:
        if self.socket_path:
            self.socket_path.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self.socket_path, backlog=4096)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=4096, ssl=self._tls)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._server:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        if self.socket_path:
            self.socket_path.unlink(missing_ok=True)

    async def _end(self) -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.connections += 1
        self.most_connections = max(self.most_connections, self.connections)
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                if not await self._respond(request.split(b" ", 2)[1].decode(), reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.connections -= 1
            self._writers.discard(writer)
            writer.transport.abort()

    async def _respond(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection lives on."""
        self.requests.append(target)
        url = urlsplit(target)
        path, refusal = self._negotiated(url.path)
        fault = self._fault_of(path)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hang:
            await reader.read()  # until the client gives up
            return False
        if fault.reset or fault.raw is not None:
            writer.write(fault.raw or b"")
            await writer.drain()
            return False
        if path == "/events" and not refusal and fault.status is None:
            await self._follow(parse_qs(url.query), writer)
            return False
        if path.endswith("/stats") and self.tick_seconds:
            await asyncio.sleep(self.tick_seconds - time.monotonic() % self.tick_seconds)
        status, answer = refusal or self.answer(path, parse_qs(url.query))
        body = json.dumps(answer).encode() + b"\n" if fault.body is None else fault.body
        return await self._send(writer, fault.status or status, body, truncated=fault.truncated)

    async def _send(self, writer: asyncio.StreamWriter, status: int, body: bytes, *, truncated: bool) -> bool:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + (body[: len(body) // 2] if truncated else body))
        await writer.drain()
        return not truncated

    def _negotiated(self, path: str) -> tuple[str, tuple[int, Any] | None]:
        """Strip the version off a path; say no to one that this engine does not speak."""
        match = VERSIONED.match(path)
        if not match:
            return path, None
        asked = (int(match[1]), int(match[2]))
        if asked > numbers(self.api):
            word, limit = "new. Maximum", self.api
        elif asked < numbers(self.oldest_api):
            word, limit = "old. Minimum", self.oldest_api
        else:
            return match[3], None
        message = f"client version {match[1]}.{match[2]} is too {word} supported API version is {limit}"
        return match[3], (400, {"message": message})

    def _fault_of(self, path: str) -> Fault:
        match = CONTAINER.match(path)
        container = self.find(unquote(match[1])) if match and match[2] == "stats" else None
        fault = (container.fault if container else None) or self.faults.get(path) or Fault()
        if fault.times is not None and len(fault.used) >= fault.times:
            return Fault()
        fault.used.append(True)
        return fault

    # --- events -----------------------------------------------------------------------------------------------
    def _publish(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        for follower in self._followers:
            follower.put_nowait(json.dumps(event).encode() + b"\n")

    async def _follow(self, query: dict[str, list[str]], writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        since = nanoseconds_of(query["since"][0]) if "since" in query else None
        for event in self.events:
            if since is not None and event["timeNano"] >= since:
                queue.put_nowait(json.dumps(event).encode() + b"\n")
        self._followers.add(queue)
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            while (line := await queue.get()) is not None:
                writer.write(b"%x\r\n%s\r\n" % (len(line), line))
                await writer.drain()
        finally:
            self._followers.discard(queue)


def engine_time(ns: int) -> str:
    """Write a Unix time as the engine does, with nanoseconds; 0 is its year 1."""
    if not ns:
        return NEVER
    seconds, rest = divmod(ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def nanoseconds_of(text: str) -> int:
    seconds, _dot, fraction = text.partition(".")
    return int(seconds) * SECOND + int((fraction or "0").ljust(9, "0")[:9])


def merged(answer: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge `over` into the answer, deeply; None takes a key away."""
    result = dict(answer)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def main(socket_path: str, containers: str, version: str = "28.5.2", api: str = "1.51") -> None:
    with SimulatedEngine(socket_path, containers=int(containers), version=version, api=api) as engine:
        for container in engine.containers.values():
            container.cpu_cores = 0.1
        sys.stdout.write(engine.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()  # until whoever started it goes away


if __name__ == "__main__":
    main(*sys.argv[1:])
