"""What is watched: instances with their figures, hosts, projects."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from typing_extensions import TypedDict  # pydantic reads no other below Python 3.12

from dashboard.shapes.text import Moment, link, moment, rounded
from monitoring.models import Host, Instance, Latest, Project
from monitoring.stats import Figures

FIGURES = (
    "cpu_percent",
    "cpu_share_percent",
    "memory_used_bytes",
    "memory_limit_bytes",
    "memory_percent",
    "memory_cache_bytes",
    "network_rx_bytes",
    "network_tx_bytes",
    "block_read_bytes",
    "block_write_bytes",
    "pids",
)

UNSHOWN = ("labels", "ports", "addresses", "shape", "warnings", "latest__counters")
"""Columns that no shape of an instance needs: a list leaves them in the database."""
MOVING = ("instance", "cpu_percent", "cpu_share_percent", "memory_used_bytes", "memory_percent")


class Stats(TypedDict):
    """An instance with its newest figures; figures are null when it is stopped, unread, or the sample is too old."""

    instance: int
    name: str
    host: str
    project: str
    stage: str
    service: str
    image: str
    container_id: str
    state: str
    health: str
    sampled_at: Moment | None
    seen_running_at: Moment | None
    started_at: Moment | None
    finished_at: Moment | None
    exit_code: int | None
    cpu_percent: float | None
    cpu_share_percent: float | None
    cpu_limit_cores: float | None
    memory_used_bytes: int | None
    memory_limit_bytes: int | None
    memory_percent: float | None
    memory_cache_bytes: int | None
    network_rx_bytes: int | None
    network_tx_bytes: int | None
    block_read_bytes: int | None
    block_write_bytes: int | None
    pids: int | None
    restarts: int
    stale: bool
    stale_reasons: list[str]
    url: str


class MovingStats(TypedDict):
    """What moves, about 100 bytes an instance: the stream's default."""

    instance: int
    cpu_percent: float | None
    cpu_share_percent: float | None
    memory_used_bytes: int | None
    memory_percent: float | None


class HostShape(TypedDict):
    id: int
    name: str
    online: bool
    enabled: bool
    engine_version: str
    api_version: str
    operating_system: str
    cpus: int | None
    memory_bytes: int | None
    reachable_since: Moment | None
    unreachable_since: Moment | None
    unreachable_reason: str
    checked_at: Moment | None
    sampled_at: Moment | None


class ProjectShape(TypedDict):
    id: str
    name: str
    stages: list[str]
    url: str


def is_current(instance: Instance, latest: Latest, now: datetime, fresh_for: timedelta) -> bool:
    """Say whether these figures may still be shown as the present: young enough, and the host still answers."""
    return now - latest.sampled_at <= fresh_for and instance.host.unreachable_since is None


def stats(instance: Instance, now: datetime, fresh_for: timedelta) -> Stats:
    """Return the shape of an INSTANCE that was loaded by `with_latest`.

    `sampled_at` always tells when it was last read; figures older than FRESH_FOR, or of a host that does not
    answer, are null, for nobody knows them now.
    """
    latest = instance.figures
    known = latest if latest and is_current(instance, latest, now, fresh_for) else None
    return _with_figures(instance, known, latest.sampled_at if latest else None)


def fresh_stats(instance: Instance, read: Figures, read_at: datetime) -> Stats:
    """Return the shape of an INSTANCE with figures that were READ just now."""
    return _with_figures(instance, read, read_at if instance.is_live else None)


def _with_figures(instance: Instance, known: Latest | Figures | None, sampled_at: datetime | None) -> Stats:
    shape: Any = {
        "instance": instance.pk,
        "name": instance.name,
        "host": instance.host.name,
        "project": instance.stage.project.slug,
        "stage": instance.stage.slug,
        "service": instance.service,
        "image": instance.image,
        "container_id": instance.container_id[:12],
        "state": str(instance.display_state),
        "health": instance.health,
        "sampled_at": moment(sampled_at),
        "seen_running_at": moment(instance.seen_running_at),
        "started_at": moment(instance.started_at),
        "finished_at": moment(instance.finished_at),
        "exit_code": None if instance.is_live else instance.exit_code,
        "cpu_limit_cores": instance.cpu_limit_cores,
        "restarts": instance.restarts,
        "stale": instance.stale,
        "stale_reasons": instance.stale_reasons,
        "url": link(f"/p/{instance.stage.project.slug}/{instance.stage.slug}/{instance.name}"),
    }
    shape |= {name: rounded(getattr(known, name, None)) for name in FIGURES}
    checked: Stats = shape
    return checked


def moving(latest: Latest) -> MovingStats:
    """Return what moves of the LATEST figures."""
    return {
        "instance": latest.instance_id,
        "cpu_percent": rounded(latest.cpu_percent),
        "cpu_share_percent": rounded(latest.cpu_share_percent),
        "memory_used_bytes": latest.memory_used_bytes,
        "memory_percent": rounded(latest.memory_percent),
    }


def host(row: Host) -> HostShape:
    return {
        "id": row.pk,
        "name": row.name,
        "online": row.is_reachable,
        "enabled": row.enabled,
        "engine_version": row.engine_version,
        "api_version": row.api_version,
        "operating_system": row.operating_system,
        "cpus": row.cpus,
        "memory_bytes": row.memory_bytes,
        "reachable_since": moment(row.reachable_since),
        "unreachable_since": moment(row.unreachable_since),
        "unreachable_reason": row.unreachable_reason,
        "checked_at": moment(row.checked_at),
        "sampled_at": moment(row.sampled_at),
    }


def project(row: Project) -> ProjectShape:
    """Return the shape of a project loaded with its stages."""
    return {
        "id": row.slug,
        "name": row.name,
        "stages": [stage.slug for stage in row.stages.all()],
        "url": link(f"/p/{row.slug}"),
    }
