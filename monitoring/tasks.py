"""Celery entrances: fetch, call, done. Each may run twice and bounds itself; an outage is told by `reachability`."""

from __future__ import annotations

from contextlib import suppress

from celery import shared_task

from monitoring import sampler
from monitoring.engine import EngineError
from monitoring.models import Host, Preferences


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
