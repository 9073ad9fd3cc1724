"""Pure arithmetic from the engine's counters to the figures that `docker stats` shows; no I/O, no Django.

The formulas are those of docker/cli, cli/command/container/stats_helpers.go. A figure that cannot be known is None.
"""

from __future__ import annotations

from dataclasses import dataclass

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What the engine said once about a container, raw counters included.

    `dataclasses.asdict` makes it JSON; `Reading(**stored)` rebuilds it. Sizes in bytes, times in nanoseconds.
    """

    container_id: str
    read_ns: int  # the engine's own clock, Unix time; 0 when the container does not run
    cpu_total_ns: int | None = None
    system_total_ns: int | None = None
    online_cpus: int | None = None
    memory_usage: int | None = None
    memory_inactive_file: int | None = None
    memory_cache: int | None = None
    memory_limit: int | None = None
    network_rx: int | None = None
    network_tx: int | None = None
    block_read: int | None = None
    block_write: int | None = None
    pids: int | None = None
    wall_clock: bool = False  # Podman: its system counter counts busy time only, so the read clock serves instead
    windows: bool = False  # 100 % is the whole machine there, as in `docker stats`


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one container, named as in the REST interface; rates in bytes per second; None where unknown."""

    cpu_percent: float | None = None  # 100 is one core
    cpu_share_percent: float | None = None  # 0 to 100 of what the container may use
    cpu_limit_cores: float | None = None
    memory_used_bytes: int | None = None
    memory_limit_bytes: int | None = None
    memory_percent: float | None = None
    memory_cache_bytes: int | None = None
    network_rx_bytes: int | None = None
    network_tx_bytes: int | None = None
    block_read_bytes: int | None = None
    block_write_bytes: int | None = None
    pids: int | None = None
    network_rx_rate: float | None = None
    network_tx_rate: float | None = None
    block_read_rate: float | None = None
    block_write_rate: float | None = None


def figures(before: Reading | None, now: Reading, limit_cores: float | None, host_cpus: int | None) -> Figures:
    """Return what `now` means, measured against `before` where a figure needs two readings.

    `before` of another container, or newer than `now`, only makes `now` the new baseline. `limit_cores` is the
    container's own CPU limit, `host_cpus` the number the host has; both may be None.
    """
    if now.read_ns <= 0:
        return Figures(cpu_limit_cores=limit_cores)
    if before is not None and before.container_id != now.container_id:
        before = None
    cpus = now.online_cpus or host_cpus
    cpu = cpu_percent(before, now, cpus)
    used = memory_used(now)
    return Figures(
        cpu_percent=cpu,
        cpu_share_percent=_cpu_share(cpu, limit_cores, cpus, windows=now.windows),
        cpu_limit_cores=limit_cores,
        memory_used_bytes=used,
        memory_limit_bytes=now.memory_limit,
        memory_percent=_percent(used, now.memory_limit),
        memory_cache_bytes=now.memory_cache,
        network_rx_bytes=now.network_rx,
        network_tx_bytes=now.network_tx,
        block_read_bytes=now.block_read,
        block_write_bytes=now.block_write,
        pids=now.pids,
        network_rx_rate=_rate(before, now, "network_rx"),
        network_tx_rate=_rate(before, now, "network_tx"),
        block_read_rate=_rate(before, now, "block_read"),
        block_write_rate=_rate(before, now, "block_write"),
    )


def cpu_percent(before: Reading | None, now: Reading, cpus: int | None) -> float | None:
    """Return the average load between two readings: 100 is one core (on Windows the machine), at most all of them.

    None without two readings, or when a counter or the clock stepped back: `now` is then the new baseline.
    """
    used = _step(before, now, "cpu_total_ns")
    if used is None or not cpus:
        return None
    ceiling = 100.0 if now.windows else 100.0 * cpus
    passed = _available_ns(before, now, cpus)
    return None if passed is None else min(100.0 * _cores(now, cpus) * used / passed, ceiling)


def memory_used(now: Reading) -> int | None:
    """Return the memory without the page cache that the kernel can take back at once, as `docker stats` does."""
    if now.memory_usage is None:
        return None
    inactive = now.memory_inactive_file or 0
    return now.memory_usage - inactive if inactive < now.memory_usage else now.memory_usage


def _cores(now: Reading, cpus: int) -> float:
    """Return by how many CPUs the share of all CPU time is multiplied: none on Windows."""
    return 1.0 if now.windows else float(cpus)


def _available_ns(before: Reading | None, now: Reading, cpus: int) -> int | None:
    """Return the CPU time that all CPUs together had between two readings; None when nobody can say.

    The system counter is Docker's own measure. Where it is missing, stands still or counts something else, the
    engine's clock serves; it is within 0.11 points of the cgroup's truth.
    """
    clocked = _step(before, now, "read_ns")
    by_clock = clocked * cpus if clocked else None
    if now.wall_clock or now.windows or now.system_total_ns is None:
        return by_clock
    if before is None or before.system_total_ns is None:
        return by_clock
    stepped = now.system_total_ns - before.system_total_ns
    return None if stepped < 0 else stepped or by_clock


def _step(before: Reading | None, now: Reading, counter: str) -> int | None:
    """Return how far a counter went on; None when it is unknown or stepped back."""
    was: int | None = getattr(before, counter, None)
    is_now: int | None = getattr(now, counter)
    if was is None or is_now is None or is_now < was:
        return None
    return is_now - was


def _rate(before: Reading | None, now: Reading, counter: str) -> float | None:
    """Return bytes per second over the interval."""
    moved, clocked = _step(before, now, counter), _step(before, now, "read_ns")
    return moved * NANOSECONDS / clocked if moved is not None and clocked else None


def _cpu_share(cpu: float | None, limit: float | None, cpus: int | None, *, windows: bool) -> float | None:
    """Return the load as a percentage of the container's limit, else of the whole host; never above 100."""
    if cpu is None or not cpus:
        return None
    cores_used = cpu * cpus if windows else cpu
    allowed = min(limit, cpus) if limit and limit > 0 else cpus
    return min(cores_used / allowed, 100.0)


def _percent(used: int | None, limit: int | None) -> float | None:
    if used is None or limit is None:
        return None
    return 100.0 * used / limit if limit > 0 else 0.0
