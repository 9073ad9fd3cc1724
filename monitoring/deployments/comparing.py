"""What differs between two containers of one slot. Pure; environment is known by name and keyed hash only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from monitoring.models.deployment import ChangeKind

EPHEMERAL_PORT = 32768  # from here on the engine picks the published port itself (net.ipv4.ip_local_port_range)
LIMITS = ("cpu_limit_cores", "memory_limit_bytes", "restart_policy")
NAMED = 100  # changed names that are kept
_SEMVER = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
Sitting = Mapping[str, Any]
"""Who sits in a slot: container_id, image, image_id, fingerprint, shape, started_at; empty for nobody."""


def compare(before: Sitting, after: Sitting) -> tuple[ChangeKind, dict[str, Any]]:
    """Return the kind of the change and its details, which name only what differs."""
    details = differences(before, after) if before else {}
    if not before:
        return ChangeKind.INITIAL, details
    if before.get("image_id") != after.get("image_id"):
        return ChangeKind.IMAGE, details
    same = before.get("fingerprint") == after.get("fingerprint")
    return (ChangeKind.RECREATE if same else ChangeKind.CONFIG), details


def differences(before: Sitting, after: Sitting) -> dict[str, Any]:
    """Return {name: {"from", "to"}} for single values, {name: {"added", "removed", "changed"}} for lists."""
    old, new = before.get("shape") or {}, after.get("shape") or {}
    singles = {
        "image": (before.get("image"), after.get("image")),
        "image_id": (before.get("image_id"), after.get("image_id")),
        "config_hash": (before.get("fingerprint"), after.get("fingerprint")),
        **{name: (old.get(name), new.get(name)) for name in LIMITS},
    }
    lists = {
        "environment": _names_of(old.get("environment"), new.get("environment")),
        "ports": _changes_in(_ports(old), _ports(new)),
        "mounts": _names_of(_mounts(old), _mounts(new)),
        "networks": _changes_in(_texts(old.get("networks")), _texts(new.get("networks"))),
    }
    found: dict[str, Any] = {name: {"from": one, "to": two} for name, (one, two) in singles.items() if one != two}
    return found | {name: changes for name, changes in lists.items() if changes}


def _names_of(old: Any, new: Any) -> dict[str, list[str]]:
    """Compare two mappings by name; the values stay where they are."""
    before, after = (value if isinstance(value, dict) else {} for value in (old, new))
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    found = _changes_in(before.keys(), after.keys())
    return found | {"changed": changed[:NAMED]} if changed else found


def _changes_in(old: Iterable[str], new: Iterable[str]) -> dict[str, list[str]]:
    before, after = set(old), set(new)
    found = {"added": sorted(after - before)[:NAMED], "removed": sorted(before - after)[:NAMED]}
    return {name: names for name, names in found.items() if names}


def _ports(shape: Mapping[str, Any]) -> set[str]:
    """Return "8080:80/tcp" and "80/tcp"; a published port that the engine picked is not named: it is always new."""
    found = set()
    for port in shape.get("ports") or []:
        published = port.get("host")
        shown = f"{published}:" if published and published < EPHEMERAL_PORT else ""
        found.add(f"{shown}{port.get('container')}/{port.get('protocol')}")
    return found


def _mounts(shape: Mapping[str, Any]) -> dict[str, Any]:
    return {str(mount.get("target")): mount for mount in shape.get("mounts") or []}


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values or []]


def tag_of(image: Any) -> str:
    """Return the tag of "registry:5000/app:1.4@sha256:…": "1.4"; "latest" when none is given, "" for a bare digest."""
    name, _at, digest = str(image or "").partition("@")
    _repository, colon, tag = name.rpartition("/")[2].partition(":")
    if not name or name.startswith("sha256:") or (digest and not colon):
        return ""
    return tag if colon else "latest"


def version_change(before: Any, after: Any) -> int | None:
    """Return 1 when the semantic version of a tag went up, -1 down, 0 stayed; None when they cannot be compared."""
    old, new = _version(tag_of(before)), _version(tag_of(after))
    if old is None or new is None:
        return None
    return (new > old) - (new < old)


def _version(tag: str) -> tuple[Any, ...] | None:
    """Return what orders versions (semver.org, 11): a pre-release comes before its release, numbers before words."""
    match = _SEMVER.fullmatch(tag)
    if not match:
        return None
    numbers = tuple(int(part or 0) for part in match.groups()[:3])
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in (match[4] or "").split(".") if part]
    return (*numbers, not parts, parts)


def way_back(before: Sitting, after: Sitting, proven: Iterable[Mapping[str, Any]]) -> str:
    """Return why a change is a rollback: lower_version, former_image, former_configuration; "" when it is none.

    proven: who sat in this slot before and held. A version that goes up is never a way back.
    """
    if not before:
        return ""
    direction = version_change(before.get("image"), after.get("image"))
    if direction:
        return "lower_version" if direction < 0 else ""
    image, fingerprint = after.get("image_id"), after.get("fingerprint")
    if image != before.get("image_id"):
        return "former_image" if any(one.get("image_id") == image for one in proven) else ""
    if fingerprint == before.get("fingerprint"):
        return ""
    former = [one for one in proven if one.get("image_id") == image and one.get("fingerprint") == fingerprint]
    return "former_configuration" if former else ""
