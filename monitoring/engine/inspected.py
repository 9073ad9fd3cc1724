"""What the engine says about one container when asked for all of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict

from monitoring.engine.listed import Port, addresses_of, labels_of, name_of, state_of

NANOSECONDS = 1_000_000_000
DEFAULT_PERIOD = 100_000  # microseconds, of the CFS quota
COMPOSE_HASH = "com.docker.compose.config-hash"
# Set anew for each container or by how a terminal was attached: they say nothing about what was deployed.
VOLATILE = {"Hostname", "AttachStdin", "AttachStdout", "AttachStderr", "ContainerIDFile", "ConsoleSize"}


class Mount(TypedDict):
    """One mount; `source` is a path of the host or a volume's name."""

    type: str
    source: str
    target: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Container:
    """One container in full. Times are aware, sizes in bytes, windows in seconds; `env` is never stored or logged."""

    id: str
    name: str
    image: str
    image_id: str
    labels: dict[str, str]
    state: str
    health: str
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None  # None while it has never ended
    error: str
    oom_killed: bool
    restarts: int
    restart_policy: str
    stop_signal: str
    stop_timeout: int
    health_window: int | None  # start period + 2 x retries x (interval + timeout); None without a health check
    health_start_period: int | None
    cpu_limit_cores: float | None
    memory_limit_bytes: int | None
    ports: list[Port]
    addresses: dict[str, str]
    mounts: list[Mount]
    networks: list[str]
    config_hash: str
    env: dict[str, str] = field(default_factory=dict, repr=False)


def container_of(answer: dict[str, Any]) -> Container:
    """Read containers/{id}/json; raises AttributeError, KeyError, TypeError or ValueError for nonsense."""
    config, limits = answer.get("Config") or {}, answer.get("HostConfig") or {}
    settings = answer.get("NetworkSettings") or {}
    networks = settings.get("Networks") or {}
    labels = labels_of(config.get("Labels"))
    return Container(
        id=str(answer["Id"]),
        name=name_of([str(answer.get("Name") or "")] if answer.get("Name") else None, answer["Id"]),
        image=str(config.get("Image") or ""),
        image_id=str(answer.get("Image") or ""),
        labels=labels,
        created_at=moment(answer.get("Created")),
        restarts=int(answer.get("RestartCount") or 0),
        restart_policy=str((limits.get("RestartPolicy") or {}).get("Name") or "no"),
        stop_signal=str(config.get("StopSignal") or "SIGTERM"),
        stop_timeout=10 if config.get("StopTimeout") is None else int(config["StopTimeout"]),
        cpu_limit_cores=_cpu_limit(limits),
        memory_limit_bytes=int(limits.get("Memory") or 0) or None,
        ports=_ports(settings.get("Ports")),
        addresses=addresses_of(networks),
        mounts=[_mount(mount) for mount in answer.get("Mounts") or []],
        networks=sorted(networks),
        config_hash=labels.get(COMPOSE_HASH) or _stable_hash(config, limits),
        env=_env(config.get("Env")),
        **_state(answer.get("State") or {}),
        **_health_check(config.get("Healthcheck") or {}),
    )


def moment(text: str | None) -> datetime | None:
    """Read the engine's time; its year 1 and an empty text mean never. Digits below a microsecond are dropped."""
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text)


def _state(state: dict[str, Any]) -> dict[str, Any]:
    finished = moment(state.get("FinishedAt"))
    ended = finished is not None or bool(state.get("ExitCode"))
    return {
        "state": state_of(state.get("Status")),
        "health": str((state.get("Health") or {}).get("Status") or "none"),
        "started_at": moment(state.get("StartedAt")),
        "finished_at": finished,
        "exit_code": int(state.get("ExitCode") or 0) if ended else None,
        "error": str(state.get("Error") or ""),
        "oom_killed": bool(state.get("OOMKilled")),
    }


def _health_check(check: dict[str, Any]) -> dict[str, Any]:
    """Return how long the health check may take for its verdict; the engine's defaults are 30 s, 30 s and 3."""
    test = check.get("Test") or []
    if not test or test[0] == "NONE":
        return {"health_window": None, "health_start_period": None}
    interval = int(check.get("Interval") or 30 * NANOSECONDS)
    timeout = int(check.get("Timeout") or 30 * NANOSECONDS)
    start = int(check.get("StartPeriod") or 0)
    window = start + 2 * int(check.get("Retries") or 3) * (interval + timeout)
    return {"health_window": window // NANOSECONDS, "health_start_period": start // NANOSECONDS}


def _cpu_limit(limits: dict[str, Any]) -> float | None:
    """Return the smallest of the limits that are set, in cores."""
    quota, period = int(limits.get("CpuQuota") or 0), int(limits.get("CpuPeriod") or 0) or DEFAULT_PERIOD
    found = [
        int(limits.get("NanoCpus") or 0) / NANOSECONDS,
        quota / period if quota > 0 else 0.0,
        float(_cpus_in(str(limits.get("CpusetCpus") or ""))),
    ]
    return min((limit for limit in found if limit > 0), default=None)


def _cpus_in(cpuset: str) -> int:
    """Count the CPUs of a list such as "0-2,5"."""
    cpus: set[int] = set()
    for part in filter(None, cpuset.split(",")):
        first, _dash, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return len(cpus)


def _ports(ports: dict[str, Any] | None) -> list[Port]:
    found = []
    for key, published in (ports or {}).items():
        number, _slash, protocol = key.partition("/")
        for place in published or [{}]:
            host = int(place.get("HostPort") or 0) or None
            found.append(
                Port(container=int(number), protocol=protocol or "tcp", host=host, address=place.get("HostIp") or "")
            )
    return found


def _mount(mount: dict[str, Any]) -> Mount:
    return Mount(
        type=str(mount.get("Type") or "bind"),
        source=str(mount.get("Name") or mount.get("Source") or ""),
        target=str(mount.get("Destination") or ""),
        writable=bool(mount.get("RW")),
    )


def _env(pairs: list[str] | None) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in pairs or [])


def _stable_hash(config: dict[str, Any], limits: dict[str, Any]) -> str:
    """Hash what was asked for; what is empty does not count, so an engine's update that adds keys changes nothing.

    Podman writes the container's own host name into its environment, and that in any order.
    """
    own_name = f"HOSTNAME={config.get('Hostname')}"
    env = sorted(pair for pair in config.get("Env") or [] if pair != own_name)
    wanted = _without_empty({"config": config | {"Env": env}, "limits": limits})
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_empty(inner) for key, inner in value.items() if key not in VOLATILE}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", 0, [], {})}
    return value
