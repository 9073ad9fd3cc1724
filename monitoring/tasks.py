"""Celery entrances: fetch, call, done. Each may run twice and bounds itself; an outage is told by `reachability`."""

from __future__ import annotations

from contextlib import suppress

from celery import shared_task
from django.utils import timezone

from monitoring import deployments, incidents, proxies, sampler
from monitoring.engine import EngineError
from monitoring.models import Host, Preferences, Proxy


@shared_task(name="monitoring.sample_hosts")
def sample_hosts() -> None:
    """Queue one sweep per watched host; what is not begun by the next tick is skipped, never queued up."""
    interval = Preferences.current().sample_seconds
    for host_id in Host.objects.watched().values_list("pk", flat=True):
        sample_host.apply_async((host_id,), expires=interval)


@shared_task(name="monitoring.sample_host")
def sample_host(host_id: int) -> None:
    with suppress(EngineError):
        sampler.sample(host_id)


@shared_task(name="monitoring.probe_proxies")
def probe_proxies() -> None:
    """Queue one check for each route that is due, so that a target that hangs holds up no other."""
    interval = proxies.interval()
    for proxy_id in Proxy.objects.claim_due(timezone.now(), interval):
        probe_proxy.apply_async((proxy_id,), expires=interval.total_seconds())


@shared_task(name="monitoring.probe_proxy")
def probe_proxy(proxy_id: int) -> None:
    proxies.check(proxy_id)


@shared_task(name="monitoring.judge_deployments")
def judge_deployments() -> None:
    deployments.observe_missing()
    deployments.judge_due()


@shared_task(name="monitoring.close_incidents")
def close_incidents() -> None:
    incidents.close_ended()
