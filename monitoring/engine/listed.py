"""What the engine says about itself and, in one list call, about all of its containers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict

# Words of Podman and moments on the way, in the engine's usual words.
STATES = {"removing": "exited", "stopped": "exited", "stopping": "exited", "configured": "created"} | {
    state: state for state in ("created", "running", "paused", "restarting", "exited", "dead")
}
HEALTH_IN_STATUS = re.compile(r"\((?:health: )?(starting|healthy|unhealthy)\)")


class Port(TypedDict):
    """One port: `host` and `address` are where it is published, None and "" when it is not."""

    container: int
    protocol: str
    host: int | None
    address: str


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine is: its identity, versions, and what the host has."""

    engine_id: str  # "" for Podman, which invents a new one for each question
    version: str
    api_version: str  # the one that we speak with it
    operating_system: str
    cgroup_version: str  # "1", "2" or ""
    cpus: int | None
    memory_bytes: int | None
    podman: bool
    windows: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """One container as the list shows it: enough to see whether it is new or changed."""

    id: str
    name: str
    image: str
    image_id: str
    state: str
    health: str  # none, starting, healthy, unhealthy
    status: str  # such as "Up 3 minutes (healthy)"
    labels: dict[str, str]
    created_at: datetime | None
    ports: list[Port] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)  # network -> IP address, "" while it does not run


def facts_of(version: dict[str, Any], details: dict[str, Any], api_version: str) -> EngineFacts:
    """Read the answers of /version and /info."""
    podman = is_podman(version)
    return EngineFacts(
        engine_id="" if podman else str(details.get("ID") or ""),
        version=str(version.get("Version") or ""),
        api_version=api_version,
        operating_system=str(details.get("OperatingSystem") or ""),
        cgroup_version=str(details.get("CgroupVersion") or "").removeprefix("v"),
        cpus=int(details.get("NCPU") or 0) or None,
        memory_bytes=int(details.get("MemTotal") or 0) or None,
        podman=podman,
        windows=is_windows(version),
    )


def is_podman(version: dict[str, Any]) -> bool:
    return any("podman" in str(part.get("Name", "")).lower() for part in version.get("Components") or [])


def is_windows(version: dict[str, Any]) -> bool:
    return str(version.get("Os") or "").lower() == "windows"


def listed_of(entry: dict[str, Any]) -> Listed:
    """Read one entry of containers/json; raises AttributeError, KeyError, TypeError or ValueError for nonsense."""
    status = str(entry.get("Status") or "")
    health = HEALTH_IN_STATUS.search(status)
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    return Listed(
        id=str(entry["Id"]),
        name=name_of(entry.get("Names"), entry["Id"]),
        image=str(entry.get("Image") or ""),
        image_id=str(entry.get("ImageID") or ""),
        state=state_of(entry.get("State")),
        health=health[1] if health else "none",
        status=status,
        labels=labels_of(entry.get("Labels")),
        created_at=datetime.fromtimestamp(int(entry["Created"]), UTC) if entry.get("Created") else None,
        ports=[_port(port) for port in entry.get("Ports") or []],
        addresses=addresses_of(networks),
    )


def state_of(word: object) -> str:
    return STATES.get(str(word).lower(), "dead")


def name_of(names: list[str] | None, container_id: str) -> str:
    """Return the container's own name: links add "/web/db", a container being removed has none."""
    own = [name.removeprefix("/") for name in names or [] if "/" not in name.removeprefix("/")]
    return own[0] if own else container_id[:12]


def labels_of(labels: dict[str, Any] | None) -> dict[str, str]:
    return {str(key): str(value) for key, value in (labels or {}).items()}


def addresses_of(networks: dict[str, Any]) -> dict[str, str]:
    return {
        name: str((network or {}).get("IPAddress") or (network or {}).get("GlobalIPv6Address") or "")
        for name, network in networks.items()
    }


def _port(port: dict[str, Any]) -> Port:
    return Port(
        container=int(port["PrivatePort"]),
        protocol=str(port.get("Type") or "tcp"),
        host=int(port.get("PublicPort") or 0) or None,
        address=str(port.get("IP") or ""),
    )
