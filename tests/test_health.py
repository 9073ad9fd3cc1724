"""The system-health card: few queries, and never green when nobody looks."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone

from dashboard import health
from monitoring.models import Event, EventKind, Health, Host, Instance, Preferences, Project, Proxy, Stage, State
from monitoring.signals import samples_taken
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    cache.clear()


@pytest.fixture
def host() -> Host:
    now = timezone.now()
    return Host.objects.create(name="nas", url="unix:///x", reachable_since=now, checked_at=now, sampled_at=now)


def instance(host: Host, name: str, **fields: object) -> Instance:
    project, _new = Project.objects.get_or_create(slug="shop", defaults={"name": "shop"})
    stage, _new = Stage.objects.get_or_create(project=project, slug="prod")
    return Instance.objects.create(host=host, stage=stage, slot=name, name=name, container_id=name, **fields)


def test_an_empty_installation_asks_for_a_host() -> None:
    summary = health.summary()
    assert (summary["status"], summary["hosts_total"], summary["oldest_sample_age_seconds"]) == ("warning", 0, None)
    assert "No Docker host" in summary["status_reason"]


def test_everything_fine_is_ok(host: Host) -> None:
    instance(host, "web-1", state=State.RUNNING, health=Health.HEALTHY)
    instance(host, "old", state=State.REMOVED)
    summary = health.summary()
    assert (summary["status"], summary["containers_running"], summary["hosts_online"]) == ("ok", 1, 1)
    assert summary["oldest_sample_age_seconds"] < 5


def test_containers_are_counted_by_state_and_health_among_the_running_only(host: Host) -> None:
    for number, state in enumerate((State.RUNNING, State.EXITED, State.CREATED, State.RESTARTING, State.PAUSED)):
        instance(host, f"c{number}", state=state, health=Health.UNHEALTHY)
    summary = health.summary()
    names = ("running", "stopped", "restarting", "paused", "unhealthy")
    assert [summary[f"containers_{name}"] for name in names] == [1, 2, 1, 1, 1]
    assert summary["status"] == "error"


def test_proxies_and_errors_are_counted(host: Host) -> None:
    for number, state in enumerate(("healthy", "healthy", "unhealthy", "unknown")):
        Proxy.objects.create(address=f"https://{number}", state=state, host=host)
    Proxy.objects.create(address="https://off", state="unhealthy", enabled=False)
    Event.objects.record(EventKind.CONTAINER_CRASHED, subject="a")
    Event.objects.record(EventKind.CONTAINER_CRASHED, subject="b", at=timezone.now() - timedelta(hours=25))
    Event.objects.record(EventKind.DEPLOY_SUCCEEDED, subject="c")
    summary = health.summary()
    assert [summary[f"proxies_{state}"] for state in ("healthy", "unhealthy", "unknown")] == [2, 1, 1]
    assert summary["errors_24h"] == 1


def test_a_frozen_collector_never_looks_green_even_from_the_cache(host: Host) -> None:
    assert health.summary()["status"] == "ok"
    later = health.summary(timezone.now() + timedelta(seconds=91))
    assert later["status"] == "stale"
    assert "nas" in later["status_reason"]
    assert later["oldest_sample_age_seconds"] > 90


def test_a_frozen_collector_is_seen_although_its_last_word_was_that_the_host_is_away(host: Host) -> None:
    Host.objects.update(unreachable_since=timezone.now(), reachable_since=None)
    assert health.summary()["status"] == "error"
    assert health.summary(timezone.now() + timedelta(seconds=91))["status"] == "stale"


def test_a_host_that_was_never_sampled_is_not_green_for_long() -> None:
    Host.objects.create(name="nas", url="unix:///x", reachable_since=timezone.now())
    assert health.summary(timezone.now() + timedelta(minutes=5))["status"] == "stale"


def test_an_absent_host_is_an_error_with_its_name(host: Host) -> None:
    Host.objects.update(unreachable_since=timezone.now(), reachable_since=None, unreachable_reason="refused")
    instance(host, "web-1", state=State.RUNNING)
    summary = health.summary()
    assert (summary["status"], summary["hosts_online"], summary["containers_unknown"]) == ("error", 0, 1)
    assert "nas" in summary["status_reason"]
    assert summary["hosts"][0]["unreachable_reason"] == "refused"


def test_a_slow_interval_is_given_its_time(host: Host) -> None:
    Preferences(sample_seconds=600).save()
    assert health.summary(timezone.now() + timedelta(minutes=20))["status"] == "ok"
    assert health.summary(timezone.now() + timedelta(minutes=31))["status"] == "stale"


def test_each_table_is_asked_once_whatever_the_number(django_assert_num_queries: object) -> None:
    world.build(200)
    with django_assert_num_queries(6):
        health.summary()
    with django_assert_num_queries(0):
        health.summary()


def test_news_is_shown_at_once_and_the_rest_after_ten_seconds(
    host: Host, django_capture_on_commit_callbacks: object
) -> None:
    assert health.summary()["containers_running"] == 0
    instance(host, "web-1", state=State.RUNNING)
    assert health.summary()["containers_running"] == 0
    with django_capture_on_commit_callbacks(execute=True):
        samples_taken.send(sender=None, host_id=host.pk, sampled_at=timezone.now(), latest=[])
    assert health.summary()["containers_running"] == 1
    instance(host, "web-2", state=State.RUNNING)
    with time_machine.travel(timezone.now() + timedelta(seconds=11)):
        assert health.summary()["containers_running"] == 2
