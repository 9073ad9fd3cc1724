"""Check routes, and tell when one fails or works again: one event an address, none while its host is away."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from monitoring import probe
from monitoring.deployments import folding
from monitoring.models import Event, EventKind, Preferences, Proxy
from monitoring.models.instance import LIVE_STATES
from monitoring.models.proxy import ProxyState

WHILE_VERIFYING = timedelta(seconds=10)
CHECKED = [
    *("state", "cause", "fault", "since", "checked_at", "good_at", "due_at", "bad_checks", "good_checks"),
    *("status", "latency_ms", "certificate_expires_at", "certificate_warned_days"),
]


def interval() -> timedelta:
    return timedelta(seconds=Preferences.current().proxy_seconds)


def check(proxy_id: int) -> probe.Verdict | None:
    """Check one route now and note what came of it; None when it is gone or switched off."""
    proxy = Proxy.objects.watched().select_related("instance__host", "host").filter(pk=proxy_id).first()
    if proxy is None:
        return None
    began = timezone.now()
    verdict = probe.check(proxy.address, proxy.direct_address(), proxy.expected_statuses)
    note(proxy, verdict, began)
    return verdict


def note(seen: Proxy, verdict: probe.Verdict, at: datetime) -> None:
    """Store what a check of SEEN (loaded with instance and hosts) found, with the events that follow from it."""
    with transaction.atomic():
        proxy = Proxy.objects.select_for_update(of=("self",)).filter(pk=seen.pk).first()
        if proxy is None:
            return
        proxy.due_at = at + _next_check(proxy)
        if not verdict.good and _is_away(seen):
            proxy.checked_at = at
        else:
            _tell(proxy, proxy.take(_completed(verdict, seen), at), at)
            _tell_certificate(proxy, proxy.take_certificate(verdict.certificate_expires_at, at), at)
        proxy.save(update_fields=CHECKED)


def _next_check(proxy: Proxy) -> timedelta:
    """Look more often while a deployment verifies: it is judged within minutes."""
    verifying = folding.is_verifying(proxy.stage_id)
    return min(interval(), WHILE_VERIFYING) if verifying else interval()


def _is_away(proxy: Proxy) -> bool:
    host = proxy.watching_host
    return host is not None and host.unreachable_since is not None


def _completed(verdict: probe.Verdict, proxy: Proxy) -> probe.Verdict:
    """Blame a container that does not run: nobody needs to ask it."""
    stopped = proxy.instance is not None and proxy.instance.state not in LIVE_STATES
    if verdict.good or verdict.fault or not stopped:
        return verdict
    return replace(verdict, fault="app")


def _tell(proxy: Proxy, came_to: ProxyState | None, at: datetime) -> None:
    links = {"proxy": proxy, "stage": proxy.stage, "host": proxy.host, "instance": proxy.instance}
    told: dict[str, Any] = {"subject": proxy.address, "key": _incident(proxy), "at": at, **links}
    if came_to == ProxyState.UNHEALTHY:
        if not folding.absorb_route(proxy, at):
            Event.objects.record(EventKind.PROXY_UNHEALTHY, parameters=_failure(proxy), **told)
    elif came_to == ProxyState.HEALTHY:
        recovered = {"latency_ms": proxy.latency_ms}
        Event.objects.recover(EventKind.PROXY_RECOVERED, parameters=recovered, **told)


def _failure(proxy: Proxy) -> dict[str, Any]:
    return {
        "cause": proxy.cause,
        "fault": proxy.fault,
        "status": proxy.status,
        "checks": proxy.bad_checks,
        "instance": proxy.instance.name if proxy.instance else "",
    }


def _incident(proxy: Proxy) -> str:
    """Name the incident by the address: several containers behind one address fail as one."""
    return f"proxy:{proxy.address}"[:400]


def _tell_certificate(proxy: Proxy, days: int | None, at: datetime) -> None:
    """Warn once per name, certificate and step, however many routes share it."""
    if days is None or proxy.certificate_expires_at is None:
        return
    expires_at = proxy.certificate_expires_at
    key = f"certificate:{proxy.host_name}:{expires_at.isoformat()}:{days}"[:400]
    if Event.objects.filter(kind=EventKind.PROXY_CERTIFICATE_EXPIRING, key=key).exists():
        return
    Event.objects.record(
        EventKind.PROXY_CERTIFICATE_EXPIRING,
        subject=proxy.host_name,
        key=key,
        at=at,
        parameters={"days": max(0, (expires_at - at).days), "expires_at": expires_at.isoformat()},
        proxy=proxy,
        stage=proxy.stage,
        host=proxy.host,
        instance=proxy.instance,
    )
