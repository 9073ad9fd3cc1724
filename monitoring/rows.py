"""What a row of Instance says about a container: filled from the engine's list, and from its inspection."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Any

from django.conf import settings

from monitoring.engine import Container
from monitoring.identity import clean, clean_labels
from monitoring.models import Health, Instance, State
from monitoring.slots import Seat
from monitoring.untrusted import storable, storable_text

# what only an inspection knows; a new container in the slot starts with these again
UNINSPECTED: dict[str, Any] = {
    "fingerprint": "",
    "shape": {},
    "created_at": None,
    "started_at": None,
    "finished_at": None,
    "exit_code": None,
    "oom_killed": False,
    "error": "",
    "restarts": 0,
    "restart_policy": "",
    "stop_signal": "",
    "stop_timeout": 10,
    "health_window": None,
    "cpu_limit_cores": None,
    "memory_limit_bytes": None,
    "inspected_at": None,
}
LISTED = (
    *("stage_id", "name", "service", "container_id", "image", "image_id", "labels", "ports", "addresses"),
    *("state", "health", "removed_at", "seen_running_at", "warnings"),
)
WRITTEN = (*LISTED, *UNINSPECTED)
"""Columns that a reconciliation writes; the others belong to somebody else."""

HEAVY = ("labels", "shape", "warnings", "error", "stale_reasons", "deployed")
"""Columns that change with the container alone: not loaded to compare."""
COMPARED = tuple(name for name in WRITTEN if name not in (*HEAVY, "inspected_at"))
_LARGEST_INTEGER, _LARGEST_BIG_INTEGER = 2**31 - 1, 2**63 - 1


def snapshot(instance: Instance) -> tuple[Any, ...]:
    """Return what a change is measured by."""
    return (*(getattr(instance, name) for name in COMPARED), instance.inspected_at is None)


def fill_from_list(instance: Instance, seat: Seat) -> None:
    """Take over what the list says; what an earlier container's inspection said goes."""
    listed, who = seat.listed, seat.identity
    if instance.container_id != listed.id[:64]:
        for name, value in UNINSPECTED.items():
            setattr(instance, name, value)
        instance.labels, instance.warnings = clean_labels(listed.labels), who.warnings
        instance.image = clean(listed.image, 500)
    instance.container_id, instance.image_id = listed.id[:64], clean(listed.image_id, 100)
    instance.name, instance.service, instance.removed_at = who.name, who.service, None
    instance.created_at = instance.created_at or listed.created_at
    _set_state(instance, listed.state, listed.health)
    if instance.is_live:
        instance.ports = sorted(storable(listed.ports), key=repr)
        instance.addresses = storable(listed.addresses)


def fill_from_inspection(instance: Instance, found: Container, now: datetime) -> None:
    """Take over what the inspection says; it is newer than the list."""
    instance.image = clean(found.image, 500)
    instance.fingerprint, instance.shape = _keyed_hash(found.config_hash), shape_of(found)
    instance.created_at, instance.started_at, instance.finished_at = (
        found.created_at,
        found.started_at,
        found.finished_at,
    )
    instance.exit_code, instance.oom_killed = _within(found.exit_code, _LARGEST_INTEGER), found.oom_killed
    instance.error = storable_text(found.error)
    instance.restarts = _within(found.restarts, _LARGEST_INTEGER) or 0
    instance.restart_policy, instance.stop_signal = clean(found.restart_policy, 20), clean(found.stop_signal, 20)
    instance.stop_timeout = _within(max(found.stop_timeout, 0), _LARGEST_INTEGER) or 0
    instance.health_window = _within(found.health_window, _LARGEST_INTEGER)
    instance.cpu_limit_cores = found.cpu_limit_cores
    instance.memory_limit_bytes = _within(found.memory_limit_bytes, _LARGEST_BIG_INTEGER)
    instance.inspected_at = now
    _set_state(instance, found.state, found.health)


def note_life(instance: Instance, *, was_live: bool, now: datetime) -> None:
    """Keep when the container was last seen running: set when that begins and when it ends."""
    if instance.is_live and not was_live:
        instance.seen_running_at = now
    elif was_live and not instance.is_live:
        instance.seen_running_at = instance.finished_at or now


def shape_of(found: Container) -> dict[str, Any]:
    """Return what a deployment compares. Values of environment variables are secrets: a keyed hash stands for each."""
    parts = {
        "image": found.image,
        "environment": {name: _keyed_hash(value) for name, value in sorted(found.env.items())},
        "mounts": found.mounts,
        "networks": found.networks,
        "ports": found.ports,
        "restart_policy": found.restart_policy,
        "cpu_limit_cores": found.cpu_limit_cores,
        "memory_limit_bytes": found.memory_limit_bytes,
    }
    shape: dict[str, Any] = storable(parts)
    return shape


def _set_state(instance: Instance, state: str, health: str) -> None:
    """Health counts while the container runs: otherwise the list shows none, the inspection the last one."""
    instance.state = State(state) if state in State.values else State.DEAD
    runs = instance.state == State.RUNNING and health in Health.values
    instance.health = Health(health) if runs else Health.NONE


def _within(number: int | None, largest: int) -> int | None:
    """Return NUMBER if the column can hold it."""
    return number if number is not None and -largest <= number <= largest else None


def _keyed_hash(value: str) -> str:
    return hmac.digest(_key(), value.encode("utf-8", "replace"), hashlib.sha256)[:8].hex()


def _key() -> bytes:
    return b"pierwatch.environment" + settings.SECRET_KEY.encode()
