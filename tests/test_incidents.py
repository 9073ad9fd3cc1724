"""From deaths and health to events, on real rows: one incident, one event, one recovery."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from monitoring import incidents
from monitoring.deployments import observe
from monitoring.exits import SECOND, Death, ExitClass
from monitoring.models import Event, EventKind, Health, Host, Instance, Project, Proxy, Stage, State

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def host(clock: time_machine.Traveller) -> Host:
    return Host.objects.create(name="local", url="unix:///x")


@pytest.fixture
def stage(db: None) -> Stage:
    return Stage.objects.create(project=Project.objects.create(slug="shop", name="shop"), slug="prod")


@pytest.fixture
def fleet(host: Host, stage: Stage) -> list[Instance]:
    """Thirty containers that ran before anybody watched."""
    return [
        Instance.objects.create(
            host=host,
            stage=stage,
            slot=f"web-{number}",
            name=f"web-{number}",
            container_id=f"c{number}",
            state=State.RUNNING,
            created_at=NOON - timedelta(days=9),
            started_at=NOON - timedelta(days=9),
            inspected_at=NOON,
        )
        for number in range(30)
    ]


def death(row: Instance, exit_class: ExitClass = ExitClass.CRASH, code: int | None = 1, later: float = 0) -> Death:
    return Death(row.container_id, round((timezone.now().timestamp() + later) * SECOND), code, exit_class)


def die(*rows: Instance, **kwargs: Any) -> None:
    incidents.tell_deaths(rows[0].host, [death(row, **kwargs) for row in rows])


def told() -> list[tuple[str, int]]:
    return list(Event.objects.order_by("pk").values_list("kind", "count"))


def test_a_crash_is_one_event_with_its_exit_code(fleet: list[Instance]) -> None:
    die(fleet[0], code=139)

    event = Event.objects.get()
    assert (event.kind, event.subject, event.instance, event.stage) == (
        EventKind.CONTAINER_CRASHED, "web-0", fleet[0], fleet[0].stage,
    )  # fmt: skip
    assert event.parameters["exit_code"] == 139


def test_running_out_of_memory_is_no_crash(fleet: list[Instance]) -> None:
    die(fleet[0], exit_class=ExitClass.OOM, code=137)

    assert told() == [("container.oom_killed", 1)]


@pytest.mark.parametrize("exit_class", [ExitClass.INTENTIONAL, ExitClass.COMPLETED])
def test_what_was_meant_to_end_is_no_event(fleet: list[Instance], exit_class: ExitClass) -> None:
    die(fleet[0], exit_class=exit_class)

    assert told() == []


def test_the_same_death_seen_twice_is_told_once(fleet: list[Instance]) -> None:
    seen = death(fleet[0])
    for _ in range(3):
        incidents.tell_deaths(fleet[0].host, [seen])

    assert told() == [("container.crashed", 1)]


def test_forty_deaths_are_one_loop_with_its_count_and_one_recovery(
    fleet: list[Instance], clock: time_machine.Traveller
) -> None:
    for _ in range(40):
        die(fleet[0], code=3)
        clock.shift(timedelta(seconds=20))
    assert told() == [("container.crashed", 2), ("container.crash_loop", 40)]
    assert [event.kind for event in Event.objects.open()] == ["container.crash_loop"]

    Instance.objects.filter(pk=fleet[0].pk).update(started_at=timezone.now())
    for _ in range(3):
        clock.shift(timedelta(minutes=4))
        incidents.close_ended()
        incidents.close_ended()

    assert told()[2:] == [("container.recovered", 1)]
    recovery = Event.objects.get(kind=EventKind.CONTAINER_RECOVERED)
    assert recovery.parameters["deaths"] == 40
    assert not Event.objects.open().exists()


def test_deaths_far_apart_are_no_loop(fleet: list[Instance], clock: time_machine.Traveller) -> None:
    for _ in range(5):
        die(fleet[0])
        clock.shift(timedelta(minutes=4))

    assert told() == [("container.crashed", 5)]


def test_fifty_containers_out_of_memory_one_after_another_are_fifty_events(
    fleet: list[Instance], clock: time_machine.Traveller
) -> None:
    for row in fleet:
        die(row, exit_class=ExitClass.OOM, code=137)
        clock.shift(timedelta(seconds=11))

    assert told() == [("container.oom_killed", 1)] * 30


def test_many_deaths_at_once_are_one_event_of_the_host(fleet: list[Instance]) -> None:
    die(*fleet[:12])

    event = Event.objects.get()
    assert (event.kind, event.parameters["reason"]) == (EventKind.HOST_UNREACHABLE, "mass_death")
    assert (event.parameters["deaths"], event.parameters["containers"]) == (12, 30)


def test_deaths_that_trickle_in_within_ten_seconds_are_one_event_too(
    fleet: list[Instance], clock: time_machine.Traveller
) -> None:
    for row in fleet[:10]:
        die(row)
        clock.shift(timedelta(seconds=1))

    opened = Event.objects.open().get()
    assert (opened.kind, opened.parameters["deaths"]) == (EventKind.HOST_UNREACHABLE, 10)


def test_a_mass_death_is_closed_without_a_word(fleet: list[Instance], clock: time_machine.Traveller) -> None:
    die(*fleet[:12])
    clock.shift(timedelta(minutes=11))
    incidents.close_ended()

    assert [event.kind for event in Event.objects.all()] == ["host.unreachable"]
    assert not Event.objects.open().exists()


def test_a_crash_while_being_deployed_belongs_to_the_deployment(
    fleet: list[Instance], clock: time_machine.Traveller
) -> None:
    row = fleet[0]
    observe([row.pk])
    Instance.objects.filter(pk=row.pk).update(container_id="new", image_id="two", started_at=NOON)
    observe([row.pk])
    row.refresh_from_db()
    for _ in range(5):
        die(row, code=1)
        clock.shift(timedelta(seconds=15))

    assert told() == [("deploy.started", 1), ("deploy.failed", 5)]


def test_a_restart_count_that_jumped_shows_a_loop_nobody_saw(fleet: list[Instance]) -> None:
    row = fleet[0]
    row.restarts = 7
    incidents.tell_restarts(row, before=2)
    incidents.tell_restarts(row, before=2)
    incidents.tell_restarts(row, before=5)

    assert told() == [("container.crash_loop", 5)]


def set_health(row: Instance, health: Health) -> None:
    Instance.objects.filter(pk=row.pk).update(health=health)
    for _ in range(2):
        incidents.observe([row.pk])


def test_an_unhealthy_container_is_told_once_and_its_recovery_too(fleet: list[Instance]) -> None:
    set_health(fleet[0], Health.UNHEALTHY)
    set_health(fleet[0], Health.STARTING)
    set_health(fleet[0], Health.HEALTHY)

    assert told() == [("container.unhealthy", 1), ("container.recovered", 1)]


def test_a_container_that_also_crashes_has_not_recovered_when_it_is_healthy(
    fleet: list[Instance], clock: time_machine.Traveller
) -> None:
    die(fleet[0])
    set_health(fleet[0], Health.UNHEALTHY)
    set_health(fleet[0], Health.HEALTHY)
    assert "container.recovered" not in dict(told())
    clock.shift(timedelta(minutes=11))
    incidents.close_ended()

    assert told()[-1] == ("container.recovered", 1)
    assert not Event.objects.open().exists()


def test_when_nothing_changed_two_queries_are_enough(fleet: list[Instance], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        incidents.observe([row.pk for row in fleet])


def test_what_concerned_a_removed_container_is_closed_without_a_word(fleet: list[Instance], host: Host) -> None:
    die(fleet[0])
    proxy = Proxy.objects.create(address="http://shop", instance=fleet[0], source="traefik")
    Event.objects.record(EventKind.PROXY_UNHEALTHY, subject="http://shop", key="proxy:http://shop", proxy=proxy)
    Instance.objects.filter(pk=fleet[0].pk).update(state=State.REMOVED)
    incidents.close_ended()

    assert Event.objects.count() == 2
    assert not Event.objects.open().exists()


def test_deaths_of_strangers_are_nobodys(host: Host) -> None:
    incidents.tell_deaths(host, [Death("unknown", 5, 1, ExitClass.CRASH)])

    assert told() == []
