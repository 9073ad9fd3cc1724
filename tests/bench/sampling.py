"""Goals 1 to 3 of sampling: how fast one sweep is, what it costs the engine, and what it costs us.

    python -m tests.bench.sampling [--engine unix:///var/run/docker.sock] [--containers 200] [--rounds 5]

Without --engine: DOCKER_HOST, else a dockerd of its own (root), else the simulated engine, which says so and is good
for goal 3 only. Idle containers are started until there are as many as wanted, and removed afterwards. Interleaved: a
sweep of ours, `docker stats --no-stream`, docker-py in 32 threads, again; at least 2.5 s of rest in between, from which
the engine's idle CPU is taken and subtracted. Ratios are medians of pairs. One JSON line per goal; exit 1 below a goal.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import django
import psutil
from docker import APIClient

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from monitoring.engine import Engine, connect  # noqa: E402 after Django's set-up
from tests.engines import NoEngineError, RealEngine, some_engine  # noqa: E402

REST_SECONDS = 2.5
SETTLE_SECONDS = 0.3  # the engine's work after its last answer belongs to the round as well
DEADLINE_SECONDS = 30
THREADS = 32
AT_ONCE = (1, 44)


@dataclass(frozen=True)
class Round:
    """What one way of sampling took: seconds of wall, of the engine's CPU (None: not visible), of our CPU."""

    wall: float
    engine_cpu: float | None
    client_cpu: float


class Meter:
    """Counts the CPU of a local engine, found through its socket."""

    def __init__(self, url: str) -> None:
        self.pid = _listener(url)
        self.idle_per_second = 0.0

    def engine_cpu(self) -> float | None:
        if self.pid is None:
            return None
        engine = psutil.Process(self.pid)
        times = [process.cpu_times() for process in (engine, *engine.children(recursive=True))]
        return sum(spent.user + spent.system for spent in times)

    def rest(self) -> None:
        before, started = self.engine_cpu(), time.perf_counter()
        time.sleep(REST_SECONDS)
        after = self.engine_cpu()
        if before is not None and after is not None:
            self.idle_per_second = max(0.0, after - before) / (time.perf_counter() - started)

    def measure(self, work: Callable[[], float]) -> Round:
        """Run one way of sampling, which returns the CPU that its own client spent."""
        self.rest()
        before, started = self.engine_cpu(), time.perf_counter()
        client_cpu = work()
        wall = time.perf_counter() - started
        time.sleep(SETTLE_SECONDS)
        after = self.engine_cpu()
        if before is None or after is None:
            return Round(wall, None, client_cpu)
        idle = self.idle_per_second * (time.perf_counter() - started)
        return Round(wall, max(after - before - idle, 0.01), client_cpu)  # counted in steps of 10 ms


def _listener(url: str) -> int | None:
    """Return the process that listens on a unix socket, as the kernel knows it."""
    if not url.startswith("unix://"):
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(url.removeprefix("unix://"))
        pid = int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], sys.byteorder)
    return pid or None


# --- three ways of sampling ---------------------------------------------------------------------------------------
def ours(engine: Engine, ids: list[str]) -> float:
    before = time.process_time()
    readings = engine.read(ids, DEADLINE_SECONDS)
    if len(readings) != len(ids):
        raise SystemExit(f"only {len(readings)} of {len(ids)} containers were read")
    return time.process_time() - before


def docker_stats(url: str) -> float:
    before = os.times()
    subprocess.run(["docker", "-H", url, "stats", "--no-stream"], capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def docker_py(client: APIClient, ids: list[str]) -> float:
    before = time.process_time()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda container_id: client.stats(container_id, stream=False, one_shot=True), ids))
    return time.process_time() - before


# --- the engine ---------------------------------------------------------------------------------------------------
@contextmanager
def engine_for(wanted: str | None, containers: int) -> Iterator[tuple[str, bool]]:
    """Yield (address, is it simulated)."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pw-bench-", ignore_cleanup_errors=True)))
        try:
            url = wanted or stack.enter_context(some_engine(folder))
        except NoEngineError:
            yield stack.enter_context(_simulated(folder, containers)), True
            return
        real = RealEngine(url)
        stack.callback(real.clean)
        for _ in range(containers - len(running(connect(url)))):
            real.run("bench-idle")
        yield url, False


@contextmanager
def _simulated(folder: Path, containers: int) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.simulated_engine", str(folder / "s"), str(containers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def running(engine: Engine) -> list[str]:
    return [listed.id for listed in engine.containers() if listed.state == "running"]


# --- verdicts -----------------------------------------------------------------------------------------------------
def ratio(above: list[float], below: list[float]) -> float:
    """Return the median of the pairs' ratios: how many times more the first way took."""
    return statistics.median(more / less for more, less in zip(above, below, strict=True))


def say(goal: int, what: str, value: float, wanted: str, **details: object) -> bool:
    comparison, limit = wanted.split()
    reached = value >= float(limit) if comparison == ">=" else value <= float(limit)
    line = {"goal": goal, "what": what, "value": round(value, 3), "wanted": wanted, "ok": reached} | details
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    return reached


def measure(url: str, rounds: int, *, simulated: bool) -> bool:
    engine, meter = connect(url), Meter(url)
    facts, ids = engine.facts(), running(engine)
    client = APIClient(base_url=url, version=facts.api_version, max_pool_size=THREADS)
    ways: dict[str, Callable[[], float]] = {
        "ours": lambda: ours(engine, ids),
        "docker stats": lambda: docker_stats(url),
        "docker-py": lambda: docker_py(client, ids),
    }
    if simulated:
        del ways["docker stats"]
    for way in ways.values():
        way()  # warm up
    results: dict[str, list[Round]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            results[name].append(meter.measure(way))
    about = {"engine": facts.version, "podman": facts.podman, "containers": len(ids), "simulated": simulated}
    verdicts = [verdict_on_client_cpu(results, about)]
    if not simulated:
        at_once = tuple(int(part) for part in facts.api_version.split(".")) >= AT_ONCE
        verdicts += verdicts_on_the_sweep(results, about, at_once=at_once)
    return all(verdicts)


def verdict_on_client_cpu(results: dict[str, list[Round]], about: dict[str, object]) -> bool:
    spent = {name: [result.client_cpu for result in rounds] for name, rounds in results.items()}
    ms = {name: round(1000 * statistics.median(times), 1) for name, times in spent.items()}
    return say(
        3,
        "client CPU: docker-py in threads / ours",
        ratio(spent["docker-py"], spent["ours"]),
        ">= 4",
        cpu_ms=ms,
        **about,
    )


def verdicts_on_the_sweep(results: dict[str, list[Round]], about: dict[str, object], *, at_once: bool) -> list[bool]:
    walls = {name: [result.wall for result in rounds] for name, rounds in results.items()}
    seconds = {name: round(statistics.median(times), 3) for name, times in walls.items()}
    faster = ratio(walls["docker stats"], walls["ours"])
    if not at_once:
        return [
            say(2, "time: docker stats / our sweep", faster, ">= 2", seconds=seconds, **about),
            say(2, "seconds of our sweep", statistics.median(walls["ours"]), "<= 1.8", **about),
        ]
    verdicts = [say(1, "time: docker stats / our sweep", faster, ">= 10", seconds=seconds, **about)]
    engine_cpu = {name: [result.engine_cpu for result in rounds] for name, rounds in results.items()}
    known = {name: [cpu for cpu in times if cpu is not None] for name, times in engine_cpu.items()}
    if known["ours"]:
        ms = {name: round(1000 * statistics.median(times)) for name, times in known.items()}
        less = ratio(known["docker stats"], known["ours"])
        verdicts.append(say(1, "engine CPU: docker stats / our sweep", less, ">= 2.5", engine_cpu_ms=ms, **about))
    return verdicts


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--engine", help="address of a Docker engine")
    options.add_argument("--containers", type=int, default=200)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    with engine_for(chosen.engine, chosen.containers) as (url, simulated):
        return 0 if measure(url, chosen.rounds, simulated=simulated) else 1


if __name__ == "__main__":
    raise SystemExit(main())
