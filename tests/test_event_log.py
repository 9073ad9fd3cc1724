"""The event log on a real database: one incident is one row, recoveries close it, and no writer is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import translation

from monitoring.models import Event, EventKind, Host, Project, Severity, Stage
from monitoring.signals import event_recorded

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def announced() -> Iterator[list[Event]]:
    told: list[Event] = []

    def listen(event: Event, **_: Any) -> None:
        told.append(event)

    event_recorded.connect(listen)
    yield told
    event_recorded.disconnect(listen)


def crash(minute: int = 0, **more: Any) -> Event:
    return Event.objects.record(
        EventKind.CONTAINER_CRASHED, subject="web-1", key="instance:1", at=NOON + timedelta(minutes=minute), **more
    )


@pytest.mark.django_db
def test_the_same_incident_grows_one_row_and_is_announced_once(announced: list[Event]) -> None:
    for minute in range(40):
        crash(minute, parameters={"exit_code": minute, f"seen_{minute}": True})

    event = Event.objects.get()
    assert event.count == 40
    assert event.at == NOON
    assert event.last_at == NOON + timedelta(minutes=39)
    assert event.parameters["exit_code"] == 39
    assert len(event.parameters) == 41
    assert [told.pk for told in announced] == [event.pk]


@pytest.mark.django_db
def test_an_incident_grows_by_several_deaths_at_once_and_never_back_in_time() -> None:
    crash(5, times=3)
    event = crash(0, times=2)

    assert (event.count, event.last_at) == (5, NOON + timedelta(minutes=5))


@pytest.mark.django_db
def test_a_recovery_closes_what_it_resolves_and_says_how_long_it_lasted(announced: list[Event]) -> None:
    crash()
    Event.objects.record(EventKind.CONTAINER_OOM_KILLED, subject="web-1", key="instance:1", at=NOON)
    other = Event.objects.record(EventKind.CONTAINER_CRASHED, subject="db-1", key="instance:2", at=NOON)

    recovery = Event.objects.recover(
        EventKind.CONTAINER_RECOVERED, subject="web-1", key="instance:1", at=NOON + timedelta(minutes=8)
    )

    assert recovery is not None
    assert recovery.parameters == {"seconds": 480}
    assert list(Event.objects.open()) == [other]
    assert announced[-1] == recovery


@pytest.mark.django_db
def test_a_recovery_from_nothing_is_not_told(announced: list[Event]) -> None:
    crash()
    recover = {"subject": "web-1", "key": "instance:1"}

    assert Event.objects.recover(EventKind.CONTAINER_RECOVERED, **recover) is not None
    assert Event.objects.recover(EventKind.CONTAINER_RECOVERED, **recover) is None
    assert Event.objects.recover(EventKind.PROXY_RECOVERED, **recover) is None
    assert len(announced) == 2


@pytest.mark.django_db
def test_after_its_end_the_same_incident_is_a_new_event() -> None:
    first = crash()
    Event.objects.resolve([EventKind.CONTAINER_CRASHED], "instance:1", NOON)

    assert crash(1).pk != first.pk


@pytest.mark.django_db
def test_events_that_nothing_resolves_are_closed_at_once_and_never_grow() -> None:
    for _ in range(2):
        Event.objects.record(EventKind.DEPLOY_SUCCEEDED, subject="shop", key="deployment:1", at=NOON)

    assert [event.resolved_at for event in Event.objects.all()] == [NOON, NOON]


@pytest.mark.django_db
def test_a_kind_may_be_kept_open_on_purpose() -> None:
    for _ in range(2):
        Event.objects.record(EventKind.CONTAINER_STALE, subject="web-1", key="instance:1:stopped", lasting=True)

    assert Event.objects.get().resolved_at is None


@pytest.mark.django_db
def test_a_failing_listener_does_not_lose_the_event() -> None:
    def broken(**_: Any) -> None:
        raise ValueError("a listener's mistake")

    event_recorded.connect(broken)
    crash()
    event_recorded.disconnect(broken)

    assert Event.objects.count() == 1


@pytest.mark.django_db
def test_hostile_subjects_and_parameters_are_stored_and_bounded() -> None:
    event = crash(
        parameters={"a\x00": "x\x00" * 10_000, "nan": float("nan"), "deep": [[[[[[[[1]]]]]]]], "half": "\ud800"}
    )
    event.refresh_from_db()
    hostile = Event.objects.record(EventKind.HOST_UNREACHABLE, subject="<b>\x00" * 500, key="k\x00" * 500)
    hostile.refresh_from_db()

    assert "\x00" not in hostile.subject + hostile.key + str(event.parameters)
    assert len(hostile.subject) <= 300
    assert event.parameters["nan"] is None
    assert len(event.parameters["a"]) <= 2000


@pytest.mark.django_db(transaction=True)
def test_concurrent_writers_make_one_incident_and_lose_no_count_and_no_parameter(announced: list[Event]) -> None:
    start = threading.Barrier(6)

    def write(number: int) -> None:
        start.wait()
        for turn in range(5):
            crash(parameters={f"writer_{number}_{turn}": True})
        connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    event = Event.objects.get()
    assert event.count == 30
    assert len(event.parameters) == 30
    assert len(announced) == 1


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_recoveries_one_is_told() -> None:
    crash()
    start = threading.Barrier(4)

    def recover() -> None:
        start.wait()
        Event.objects.recover(EventKind.CONTAINER_RECOVERED, subject="web-1", key="instance:1")
        connection.close()

    threads = [threading.Thread(target=recover) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert Event.objects.filter(kind=EventKind.CONTAINER_RECOVERED).count() == 1


@pytest.fixture
def log(db: None) -> dict[str, Event]:
    stages = {
        name: Stage.objects.create(project=Project.objects.create(slug=name, name=name), slug="prod")
        for name in ("shop", "blog")
    }
    nas = Host.objects.create(name="nas", url="unix:///a")
    record = Event.objects.record
    return {
        "crash": record(EventKind.CONTAINER_CRASHED, subject="web-1", stage=stages["shop"], host=nas, at=NOON),
        "proxy": record(
            EventKind.PROXY_UNHEALTHY, subject="blog.example.org", stage=stages["blog"], at=NOON + timedelta(hours=1)
        ),
        "deploy": record(
            EventKind.DEPLOY_SUCCEEDED, subject="shop / prod", stage=stages["shop"], at=NOON + timedelta(hours=2)
        ),
    }


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["deploy", "proxy", "crash"]),
        ({"kinds": ["container.crashed", "deploy.succeeded"]}, ["deploy", "crash"]),
        ({"severities": [Severity.ERROR]}, ["proxy", "crash"]),
        ({"projects": ["shop"]}, ["deploy", "crash"]),
        ({"stages": ["prod"], "hosts": ["nas"]}, ["crash"]),
        ({"since": NOON + timedelta(minutes=1), "until": NOON + timedelta(hours=2)}, ["proxy"]),
        ({"text": "example.org"}, ["proxy"]),
        ({"text": "proxy became"}, ["proxy"]),
        ({"text": "NAS"}, ["crash"]),
        ({"text": "%"}, []),
        ({"text": "\x00"}, ["deploy", "proxy", "crash"]),
    ],
)
def test_the_log_is_filtered_by_every_field(log: dict[str, Event], filters: dict[str, Any], names: list[str]) -> None:
    with translation.override("en"):
        found = list(Event.objects.matching(**filters))

    assert found == [log[name] for name in names]


def test_errors_of_a_window_count_incidents(log: dict[str, Event]) -> None:
    crash(90, times=40)

    assert Event.objects.errors_since(NOON) == 3
    assert Event.objects.errors_since(NOON + timedelta(minutes=1)) == 2


def test_kinds_know_what_resolves_them() -> None:
    assert EventKind.PROXY_RECOVERED.resolves == [EventKind.PROXY_UNHEALTHY]
    assert EventKind.HOST_UNREACHABLE.lasts
    assert not EventKind.DEPLOY_ROLLED_BACK.lasts
    assert all(kind.resolved_by in ("", *EventKind.values) for kind in EventKind)
