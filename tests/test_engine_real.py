"""The engine package against a real engine: what we show is what `docker stats` shows."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from monitoring.engine import Engine, NoSuchContainer, connect
from monitoring.stats import Figures, Reading, figures
from tests.engines import IMAGE, RealEngine

pytestmark = pytest.mark.engine

UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
BURN = ("sh", "-c", "while :; do :; done")


@pytest.fixture
def engine(real_engine: RealEngine) -> Engine:
    return connect(real_engine.url)


def docker_stats(real_engine: RealEngine, container_id: str) -> dict[str, float]:
    """Return what the command line shows, as numbers: percent, bytes, pieces."""
    shown = json.loads(real_engine.docker("stats", "--no-stream", "--format", "{{json .}}", container_id))
    used, limit = (_bytes(part) for part in shown["MemUsage"].split(" / "))
    received, sent = (_bytes(part) for part in shown["NetIO"].split(" / "))
    read, written = (_bytes(part) for part in shown["BlockIO"].split(" / "))
    return {
        "cpu": float(shown["CPUPerc"].rstrip("%")), "memory": used, "limit": limit,
        "memory_percent": float(shown["MemPerc"].rstrip("%")), "pids": int(shown["PIDs"]),
        "received": received, "sent": sent, "read": read, "written": written,
    }  # fmt: skip


def _bytes(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([A-Za-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def measured(engine: Engine, container_id: str, seconds: float) -> Figures:
    before = engine.read([container_id], 10)[container_id]
    time.sleep(seconds)  # the interval over which the average is taken, not a wait for something
    return figures(before, engine.read([container_id], 10)[container_id], None, engine.facts().cpus)


def eventually_listed(engine: Engine, container_id: str, state: str) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if any(listed.id == container_id and listed.state == state for listed in engine.containers()):
            return True
        time.sleep(0.05)
    return False


def agreed(engine: Engine, real_engine: RealEngine, container_id: str) -> tuple[Figures, dict[str, float]]:
    """Return our figures and theirs once both saw the same memory: the kernel's count settles after a start."""
    until = time.monotonic() + 15
    while True:
        theirs = docker_stats(real_engine, container_id)
        ours = figures(None, engine.read([container_id], 10)[container_id], None, engine.facts().cpus)
        if ours.memory_used_bytes == pytest.approx(theirs["memory"], rel=0.01) or time.monotonic() > until:
            return ours, theirs


def test_memory_and_pids_are_those_of_docker_stats(real_engine: RealEngine, engine: Engine) -> None:
    ours, theirs = agreed(engine, real_engine, real_engine.run("idle", memory="64m"))
    assert ours.memory_used_bytes == pytest.approx(theirs["memory"], rel=0.01)
    assert ours.memory_limit_bytes == theirs["limit"] == 64 * 1024**2
    assert ours.memory_percent == pytest.approx(theirs["memory_percent"], abs=0.05)
    assert ours.pids == theirs["pids"] == 1


def test_load_is_that_of_docker_stats(real_engine: RealEngine, engine: Engine) -> None:
    """At a tenth of a core, which also a busy machine can give it: throttled, both see the limit."""
    container_id = real_engine.run("busy", *BURN, cpus="0.1")
    ours = measured(engine, container_id, 2)
    theirs = docker_stats(real_engine, container_id)
    assert ours.cpu_percent == pytest.approx(10, abs=3)
    if not engine.facts().podman:  # there `docker stats` shows next to nothing for a container that burns
        assert ours.cpu_percent == pytest.approx(theirs["cpu"], abs=4)  # theirs is of another second
    assert engine.inspect(container_id).cpu_limit_cores == 0.1


def test_a_whole_core_is_a_hundred_percent(real_engine: RealEngine, engine: Engine) -> None:
    container_id = real_engine.run("busy", *BURN)
    counted = cgroup_counter(container_id)
    before, started = counted(), time.monotonic_ns()
    ours = measured(engine, container_id, 2)
    truth = 100 * (counted() - before) / (time.monotonic_ns() - started)  # 100 unless the machine is busy elsewhere
    assert ours.cpu_percent is not None
    assert ours.cpu_percent == pytest.approx(truth, abs=8)
    assert ours.cpu_percent <= 101.5
    assert ours.cpu_share_percent == pytest.approx(ours.cpu_percent / (engine.facts().cpus or 1))


def cgroup_counter(container_id: str) -> Callable[[], int]:
    """Return how to read the kernel's own count of CPU nanoseconds; skips where it cannot be seen from here."""
    for name, unit in (("cpuacct.usage", 1), ("cpu.stat", 1000)):
        for path in Path("/sys/fs/cgroup").glob(f"**/*{container_id}*/{name}"):
            return lambda path=path, unit=unit: int(path.read_text().split()[1 if unit > 1 else 0]) * unit
    pytest.skip("the container's cgroup is not visible here")


def test_memory_that_is_eaten_counts_and_cache_does_not(real_engine: RealEngine, engine: Engine) -> None:
    script = "dd if=/dev/zero of=/tmp/cached bs=1M count=24 2>/dev/null; exec tail -c 20000000 /dev/zero"
    container_id = real_engine.run("eater", "sh", "-c", script, memory="512m")
    until = time.monotonic() + 15
    while time.monotonic() < until:
        now = engine.read([container_id], 5).get(container_id)
        if now and (figures(None, now, None, 2).memory_used_bytes or 0) > 18_000_000:
            break
    real_engine.docker("pause", container_id)
    ours, theirs = agreed(engine, real_engine, container_id)
    assert ours.memory_used_bytes == pytest.approx(theirs["memory"], rel=0.01)
    assert ours.memory_percent == pytest.approx(theirs["memory_percent"], abs=0.05)
    assert ours.memory_used_bytes is not None
    assert ours.memory_used_bytes > 18_000_000
    if not engine.facts().podman:  # it does not tell what is cache
        assert ours.memory_cache_bytes is not None
        assert ours.memory_cache_bytes >= 20_000_000


def test_network_bytes_are_those_of_docker_stats(real_engine: RealEngine, engine: Engine) -> None:
    try:
        container_id = real_engine.run("talker", network="bridge")
        real_engine.docker("exec", container_id, "ping", "-c", "3", "-i", "0.2", "-s", "1000", "172.17.0.1")
    except CalledProcessError:
        pytest.skip("this engine has no bridge network")
    ours = figures(None, engine.read([container_id], 5)[container_id], None, 2)
    theirs = docker_stats(real_engine, container_id)
    assert ours.network_tx_bytes == pytest.approx(theirs["sent"], rel=0.02, abs=200)
    assert ours.network_tx_bytes is not None
    assert ours.network_tx_bytes >= 3 * 1000


def test_a_container_without_network_has_none(real_engine: RealEngine, engine: Engine) -> None:
    container_id = real_engine.run("alone", network="none")
    now = engine.read([container_id], 5)[container_id]
    assert now.network_rx in (None, 0)  # Podman counts an interface of its own


def test_a_stopped_container_is_listed_inspected_and_not_read(real_engine: RealEngine, engine: Engine) -> None:
    container_id = real_engine.run("short", "sh", "-c", "exit 3")
    assert eventually_listed(engine, container_id, "exited")
    assert engine.read([container_id], 5) == {}
    ended = engine.inspect(container_id)
    assert (ended.state, ended.exit_code) == ("exited", 3)


def test_a_paused_container_is_read_and_idle(real_engine: RealEngine, engine: Engine) -> None:
    container_id = real_engine.run("paused")
    real_engine.docker("pause", container_id)
    assert eventually_listed(engine, container_id, "paused")
    assert measured(engine, container_id, 1).cpu_percent == pytest.approx(0, abs=0.1)


def test_a_restarted_container_gives_a_new_baseline(real_engine: RealEngine, engine: Engine) -> None:
    container_id = real_engine.run("again", *BURN)
    time.sleep(1.5)  # so that the counter is ahead of what the restart can reach
    before = engine.read([container_id], 5)[container_id]
    real_engine.docker("restart", "-t", "0", container_id)
    now = engine.read([container_id], 5)[container_id]
    assert isinstance(now, Reading)
    assert now.cpu_total_ns is not None
    assert before.cpu_total_ns is not None
    if now.cpu_total_ns < before.cpu_total_ns:
        assert figures(before, now, None, 2).cpu_percent is None


def test_a_removed_container_is_missing_and_unknown(real_engine: RealEngine, engine: Engine) -> None:
    container_id, other = real_engine.run("gone"), real_engine.run("stays")
    real_engine.docker("rm", "-f", container_id)
    assert set(engine.read([container_id, other], 5)) == {other}
    with pytest.raises(NoSuchContainer):
        engine.inspect(container_id)


def test_a_command_that_is_not_found_leaves_its_reason(real_engine: RealEngine, engine: Engine) -> None:
    container_id = real_engine.docker("create", "--network", "none", IMAGE, "no-such-program")
    real_engine.started.append(container_id)
    with pytest.raises(CalledProcessError):
        real_engine.docker("start", container_id)
    if engine.facts().podman:
        pytest.skip("Podman does not keep the reason")
    container = engine.inspect(container_id)
    assert container.exit_code in (126, 127)
    assert "no-such-program" in container.error


def test_the_same_container_made_anew_has_the_same_hash(real_engine: RealEngine, engine: Engine) -> None:
    first, second = (engine.inspect(real_engine.run("twin", env="A=1", memory="64m")) for _ in range(2))
    other = engine.inspect(real_engine.run("twin", env="A=2", memory="64m"))
    assert first.config_hash == second.config_hash != other.config_hash


def test_the_tag_names_the_image_that_a_new_container_runs(real_engine: RealEngine, engine: Engine) -> None:
    assert engine.image_id_of(IMAGE) == engine.inspect(real_engine.run("any")).image_id


def test_our_load_is_the_cgroups_own(real_engine: RealEngine, engine: Engine) -> None:
    container_id = real_engine.run("truth", *BURN, cpus="0.4")
    counted = cgroup_counter(container_id)
    before, was, started = engine.read([container_id], 5)[container_id], counted(), time.monotonic_ns()
    time.sleep(5)
    now, truth = engine.read([container_id], 5)[container_id], 100 * (counted() - was)
    assert figures(before, now, None, 2).cpu_percent == pytest.approx(truth / (time.monotonic_ns() - started), abs=2.5)
