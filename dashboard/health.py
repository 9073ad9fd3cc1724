"""The state of everything in a few numbers: one aggregate per table, kept for ten seconds, forgotten on news."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from redis.exceptions import RedisError
from typing_extensions import TypedDict  # pydantic reads no other below Python 3.12

from dashboard.shapes import Moment, moment
from monitoring.models import Event, Host, Instance, Preferences, Project, Proxy
from monitoring.models.proxy import ProxyState

logger = logging.getLogger(__name__)

KEY = "system-health"
KEPT_SECONDS = 10
LEAST_FRESH_FOR = timedelta(seconds=15)


class HostHealth(TypedDict):
    name: str
    online: bool
    sampled_at: Moment | None
    sample_age_seconds: float | None
    unreachable_since: Moment | None
    unreachable_reason: str


class Summary(TypedDict):
    """The system-health card. status: ok, warning, error, or stale = nobody knows, the figures are old."""

    status: str
    status_reason: str
    containers_running: int
    containers_stopped: int
    containers_unhealthy: int
    containers_restarting: int
    containers_paused: int
    containers_unknown: int
    containers_stale: int
    proxies_healthy: int
    proxies_unhealthy: int
    proxies_unknown: int
    errors_24h: int
    hosts_online: int
    hosts_total: int
    projects_total: int
    oldest_sample_age_seconds: float | None
    sample_seconds: int
    hosts: list[HostHealth]


def fresh_for(sample_seconds: int) -> timedelta:
    """Return how long a sample speaks for the present: three intervals, which is two missed ones."""
    return max(timedelta(seconds=3 * sample_seconds), LEAST_FRESH_FOR)


def summary(now: datetime | None = None) -> Summary:
    """Return the card's numbers; ages and verdict are computed at each call, so a stopped collector shows at once."""
    return _judged(_facts(), now or timezone.now())


def forget(**_signal: Any) -> None:
    """Drop the kept numbers once the news is committed."""
    transaction.on_commit(_forget, robust=True)


def _forget() -> None:
    try:
        cache.delete(KEY)
    except RedisError as error:
        logger.warning("The kept system health could not be dropped: %s", error)


def _facts() -> dict[str, Any]:
    try:
        return cache.get_or_set(KEY, _gather, KEPT_SECONDS) or _gather()
    except RedisError as error:
        logger.warning("System health is computed anew, the cache is out of reach: %s", error)
        return _gather()


def _gather() -> dict[str, Any]:
    """Ask each table once."""
    counts = {f"containers_{name}": number for name, number in Instance.objects.present().counts().items()}
    day_ago = timezone.now() - timedelta(hours=24)
    return {
        **counts,
        **_proxies(),
        "errors_24h": Event.objects.errors_since(day_ago),
        "projects_total": Project.objects.count(),
        "hosts": list(Host.objects.watched()),
        "sample_seconds": Preferences.current().sample_seconds,
    }


def _proxies() -> dict[str, int]:
    states = {f"proxies_{state.value}": Count("pk", filter=Q(state=state)) for state in ProxyState}
    counted: dict[str, int] = Proxy.objects.watched().order_by().aggregate(**states)
    return counted


def _judged(facts: dict[str, Any], now: datetime) -> Summary:
    hosts: list[Host] = facts["hosts"]
    ages = [(now - (host.sampled_at or host.added_at)).total_seconds() for host in hosts]
    numbers: Any = facts | {
        "hosts": [_host(host, now) for host in hosts],
        "hosts_online": sum(host.is_reachable for host in hosts),
        "hosts_total": len(hosts),
        "oldest_sample_age_seconds": round(max(ages), 1) if ages else None,
    }
    status, reason = _verdict(numbers, hosts, now)
    judged: Summary = numbers | {"status": status, "status_reason": reason}
    return judged


def _host(host: Host, now: datetime) -> HostHealth:
    return {
        "name": host.name,
        "online": host.is_reachable,
        "sampled_at": moment(host.sampled_at),
        "sample_age_seconds": round((now - host.sampled_at).total_seconds(), 1) if host.sampled_at else None,
        "unreachable_since": moment(host.unreachable_since),
        "unreachable_reason": host.unreachable_reason,
    }


def _verdict(numbers: Summary, hosts: list[Host], now: datetime) -> tuple[str, str]:
    """Return the status and its reason in words, the gravest first."""
    frozen = [host.name for host in hosts if now - _looked_at(host) > fresh_for(numbers["sample_seconds"])]
    away = [host.name for host in hosts if host.unreachable_since]
    named = {"hosts": ", ".join(frozen or away)}
    rules = (
        (frozen, "stale", _("No new samples from %(hosts)s. Is the worker running?") % named),
        (away, "error", _("No answer from %(hosts)s.") % named),
        (numbers["containers_unhealthy"], "error", _("Containers are unhealthy.")),
        (numbers["proxies_unhealthy"], "error", _("Proxied routes fail.")),
        (numbers["containers_restarting"], "warning", _("Containers are restarting.")),
        (numbers["containers_stale"], "warning", _("Containers are stale.")),
        (numbers["errors_24h"], "warning", _("There were errors in the last 24 hours.")),
        (not hosts, "warning", _("No Docker host yet.")),
    )
    return next(((status, reason) for holds, status, reason in rules if holds), ("ok", _("Everything works.")))


def _looked_at(host: Host) -> datetime:
    """Return when the collector last proved that it lives: by a sample, or by finding an absent host absent."""
    proof = host.checked_at if host.unreachable_since else host.sampled_at
    return proof or host.added_at
