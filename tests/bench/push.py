"""Goal 10: how soon 1,000 open pages have a snapshot of 200 containers, and what CPU that costs the server.

    python -m tests.bench.push [--clients 1000] [--rounds 5] [--many 5000] [--eventstream PYTHON]

Ours (Daphne, channel layer, hub) against a bare asyncio loop, against Channels' usual consumer per client, and against
django-eventstream, which needs a Python of its own: `python -m venv V && V/bin/pip install django-eventstream daphne`.
Interleaved after a warm-up; ratios are medians of pairs. --many: once more with so many clients, looking for losses;
0 leaves it out. One JSON line per goal; exit 1 below a goal.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.bench.sampling import ratio, say

DEADLINE = 60.0
SETTLE_SECONDS = 0.3
AT_ONCE = 50
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Round:
    """Seconds until the last client had it, and of the server's CPU."""

    wall: float
    cpu: float


class Client(asyncio.Protocol):
    """Reads one stream; tells when the awaited mark has come."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd, self.tail = crowd, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        request = f"GET {self.crowd.path} HTTP/1.1\r\nHost: localhost\r\n{self.crowd.authorization}\r\n"
        transport.write(request.encode())  # type: ignore[attr-defined]

    def data_received(self, received: bytes) -> None:
        if self.crowd.mark in received or self.crowd.mark in self.tail + received[:40]:
            self.crowd.arrived(self)
        self.tail = received[-40:]


@dataclass
class Crowd:
    """All clients of one server."""

    program: subprocess.Popen[str]
    path: str
    authorization: str
    port: int
    mark: bytes = b"event: "
    waiting: set[Client] = field(default_factory=set)
    clients: list[Client] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def start(cls, *command: str) -> Crowd:
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )
        assert program.stdout
        told = json.loads(program.stdout.readline())
        authorization = f"Authorization: Bearer {told['token']}\r\n" if told["token"] else ""
        return cls(program, told["path"], authorization, told["port"])

    def arrived(self, client: Client) -> None:
        self.waiting.discard(client)
        if not self.waiting:
            self.done.set()

    async def connect(self, number: int) -> None:
        """Open NUMBER clients, some at a time, and wait until each has got something."""
        while len(self.clients) < number:
            fresh = [Client(self) for _ in range(min(AT_ONCE, number - len(self.clients)))]
            self.done.clear()
            self.waiting = set(fresh)
            self.clients += fresh
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.create_connection(lambda c=one: c, "127.0.0.1", self.port) for one in fresh))
            async with asyncio.timeout(DEADLINE):
                await self.done.wait()

    async def push(self, mark: str) -> Round:
        self.mark, self.waiting = mark.encode(), set(self.clients)
        self.done.clear()
        before, started = self.cpu_seconds(), time.perf_counter()
        assert self.program.stdin
        self.program.stdin.write(mark + "\n")
        self.program.stdin.flush()
        async with asyncio.timeout(DEADLINE):
            await self.done.wait()
        wall = time.perf_counter() - started
        await asyncio.sleep(SETTLE_SECONDS)
        return Round(wall, max(self.cpu_seconds() - before, 0.001))

    def cpu_seconds(self) -> float:
        """Return the server's CPU time; in nanoseconds from Linux, whose `cpu_times` counts in steps of 10 ms."""
        threads = list(Path(f"/proc/{self.program.pid}/task").glob("*/schedstat"))
        if not threads:
            times = psutil.Process(self.program.pid).cpu_times()
            return times.user + times.system
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def stop(self) -> None:
        assert self.program.stdin
        self.program.stdin.close()
        try:
            self.program.wait(5)
        except subprocess.TimeoutExpired:
            self.program.kill()


def servers(eventstream: str | None) -> dict[str, Crowd]:
    crowds = {
        name: Crowd.start(sys.executable, "-m", "tests.bench.push_servers", name)
        for name in ("ours", "bare", "consumers")
    }
    if eventstream:
        crowds["django-eventstream"] = Crowd.start(eventstream, "tests/bench/push_eventstream.py")
    return crowds


async def measure(crowds: dict[str, Crowd], clients: int, rounds: int) -> dict[str, list[Round]]:
    for crowd in crowds.values():
        await crowd.connect(clients)
        await crowd.push("warm-up-")
    results: dict[str, list[Round]] = {name: [] for name in crowds}
    for number in range(rounds):
        for name, crowd in crowds.items():
            results[name].append(await crowd.push(f"mark-{number:04}-"))
    return results


def verdicts(results: dict[str, list[Round]], clients: int) -> bool:
    walls = {name: [one.wall for one in rounds] for name, rounds in results.items()}
    cpus = {name: [one.cpu for one in rounds] for name, rounds in results.items()}
    about = {
        "clients": clients,
        "wall_ms": {name: round(1000 * statistics.median(times)) for name, times in walls.items()},
        "cpu_ms": {name: round(1000 * statistics.median(times)) for name, times in cpus.items()},
    }
    told = [say(10, "CPU: ours / a bare loop", ratio(cpus["ours"], cpus["bare"]), "<= 3", **about)]
    if "django-eventstream" in results:
        other = "django-eventstream"
        told += [
            say(
                10,
                "time until the last page has it: django-eventstream / ours",
                ratio(walls[other], walls["ours"]),
                ">= 5",
            ),
            say(10, "CPU: django-eventstream / ours", ratio(cpus[other], cpus["ours"]), ">= 5"),
        ]
    return all(told)


async def look_for_losses(clients: int) -> bool:
    crowd = Crowd.start(sys.executable, "-m", "tests.bench.push_servers", "ours")
    try:
        await crowd.connect(clients)
        rounds = []
        for number in range(3):
            try:
                rounds.append(await crowd.push(f"mark-{number:04}-"))
            except TimeoutError:
                return say(10, "clients that missed a snapshot", len(crowd.waiting), "<= 0", clients=clients)
        seconds = round(statistics.median(one.wall for one in rounds), 2)
        return say(10, "clients that missed a snapshot", 0, "<= 0", clients=clients, seconds=seconds)
    finally:
        crowd.stop()


async def run(clients: int, rounds: int, many: int, eventstream: str | None) -> bool:
    crowds = servers(eventstream)
    try:
        reached = verdicts(await measure(crowds, clients, rounds), clients)
    finally:
        for crowd in crowds.values():
            crowd.stop()
    return (not many or await look_for_losses(many)) and reached


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clients", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--many", type=int, default=5000)
    options.add_argument("--eventstream", help="a Python with django-eventstream and daphne")
    chosen = options.parse_args()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return 0 if asyncio.run(run(chosen.clients, chosen.rounds, chosen.many, chosen.eventstream)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
