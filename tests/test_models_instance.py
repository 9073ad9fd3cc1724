"""Slots in lists: which are present, what they count as, how they are found and what they show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from monitoring.models import DisplayState, Health, Host, Instance, Latest, Project, Stage, State

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage() -> Stage:
    return Stage.objects.create(project=Project.objects.create(slug="shop", name="Shop"), slug="production")


@pytest.fixture
def host() -> Host:
    return Host.objects.create(name="local", url="unix:///s", reachable_since=timezone.now())


def slot(host: Host, stage: Stage, name: str, **fields: Any) -> Instance:
    container_id = fields.pop("container_id", name.ljust(64, "0"))
    return Instance.objects.create(host=host, stage=stage, slot=name, name=name, container_id=container_id, **fields)


def figures_of(instance: Instance, **fields: Any) -> Latest:
    fields.setdefault("container_id", instance.container_id)
    return Latest.objects.create(instance=instance, sampled_at=timezone.now(), **fields)


def test_removed_slots_and_those_of_unwatched_hosts_are_not_present(host: Host, stage: Stage) -> None:
    slot(host, stage, "web", state=State.RUNNING)
    slot(host, stage, "old", state=State.REMOVED)
    slot(Host.objects.create(name="nas", url="tcp://nas:1", enabled=False), stage, "far", state=State.RUNNING)
    assert [instance.name for instance in Instance.objects.present()] == ["web"]


def test_a_list_with_hosts_stages_and_figures_takes_one_query(
    host: Host, stage: Stage, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        figures_of(slot(host, stage, f"web-{number}", state=State.RUNNING), cpu_percent=number)
    slot(host, stage, "unread", state=State.RUNNING)
    with django_assert_num_queries(1):
        rows = [
            (instance.host.name, instance.stage.project.slug, instance.figures and instance.figures.cpu_percent)
            for instance in Instance.objects.present().with_latest()
        ]
    assert [cpu for _host, _project, cpu in rows] == [None, 0, 1, 2, 3, 4]
    assert set(rows[0][:2]) == {"local", "shop"}


def test_counts_take_one_query_and_health_counts_over_running_ones_only(
    host: Host, stage: Stage, django_assert_num_queries: Any
) -> None:
    slot(host, stage, "a", state=State.RUNNING, health=Health.UNHEALTHY)
    slot(host, stage, "b", state=State.RUNNING, health=Health.HEALTHY)
    slot(host, stage, "c", state=State.EXITED, health=Health.UNHEALTHY, stale_reasons=["stopped"])
    slot(host, stage, "d", state=State.CREATED)
    slot(host, stage, "e", state=State.RESTARTING)
    slot(host, stage, "f", state=State.PAUSED)
    slot(host, stage, "g", state=State.REMOVED, stale_reasons=["stopped"])
    away = Host.objects.create(name="nas", url="tcp://nas:1", unreachable_since=timezone.now())
    slot(away, stage, "h", state=State.RUNNING, health=Health.UNHEALTHY)
    with django_assert_num_queries(1):
        counts = Instance.objects.present().counts()
    expected = {"running": 2, "stopped": 2, "restarting": 1, "paused": 1, "unknown": 1, "unhealthy": 1, "stale": 1}
    assert counts == expected


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"q": "web"}, ["web-1"]),
        ({"q": "SHOP postgres"}, ["db-1"]),
        ({"q": "shop redis"}, []),
        ({"q": "local"}, ["db-1", "web-1"]),
        ({"q": "100%"}, []),
        ({"q": "nul\0web"}, []),
        ({"state": "stopped"}, ["db-1"]),
        ({"state": "running", "project": "shop", "stage": "production", "host": "local"}, ["web-1"]),
        ({"state": "running", "host": "nas"}, []),
        ({"state": "no such state"}, []),
        ({"stage": "dev"}, []),
        ({}, ["db-1", "web-1"]),
    ],
)
def test_search_narrows_by_state_place_and_words(
    host: Host, stage: Stage, query: dict[str, str], names: list[str]
) -> None:
    slot(host, stage, "web-1", state=State.RUNNING, image="nginx:alpine")
    slot(host, stage, "db-1", state=State.EXITED, image="postgres:15")
    assert [instance.name for instance in Instance.objects.present().search(**query)] == names


def test_every_state_is_unknown_while_the_host_does_not_answer(host: Host, stage: Stage) -> None:
    instance = slot(host, stage, "web", state=State.RUNNING, health=Health.UNHEALTHY)
    assert (instance.display_state, instance.badge) == (DisplayState.RUNNING, DisplayState.UNHEALTHY)
    Host.objects.filter(pk=host.pk).update(unreachable_since=timezone.now() - timedelta(minutes=1))
    seen = Instance.objects.with_latest().get(pk=instance.pk)
    assert (seen.display_state, seen.badge) == (DisplayState.UNKNOWN, DisplayState.UNKNOWN)
    assert list(Instance.objects.present().search(state="unknown")) == [seen]
    assert not Instance.objects.present().search(state="running").exists()


def test_a_stopped_container_has_no_figures(host: Host, stage: Stage) -> None:
    instance = slot(host, stage, "web", state=State.RUNNING)
    latest = figures_of(instance, cpu_percent=5)
    assert instance.figures == latest
    instance.state = State.EXITED
    assert instance.figures is None


def test_a_new_container_does_not_show_the_figures_of_the_one_before(host: Host, stage: Stage) -> None:
    instance = slot(host, stage, "web", state=State.RUNNING, container_id="b" * 64)
    figures_of(instance, container_id="a" * 64, cpu_percent=99)
    assert instance.figures is None


def test_every_state_of_the_engine_can_be_displayed_and_searched() -> None:
    for state in State:
        shown = DisplayState(state.value)
        assert shown.glyph
        assert shown.tone in {"ok", "warn", "crit", "idle"}
        assert str(shown.label)
