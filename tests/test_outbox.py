"""Every event is told to those who asked for it, and each destination can say why it was not."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.models import Event, EventKind, Host, Instance, Project, Stage
from notifications.drain import drain
from notifications.models import Delivery, Destination, KindSetting, Mute, Reason, Status
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db
UNHEALTHY, RECOVERED = EventKind.PROXY_UNHEALTHY, EventKind.PROXY_RECOVERED


@pytest.fixture(autouse=True)
def _may_reach_loopback(settings):
    settings.PRIVATE_TARGETS = "allow"


def place(project: str = "shop", stage: str = "production") -> Stage:
    row, _ = Project.objects.get_or_create(slug=project, defaults={"name": project})
    return Stage.objects.get_or_create(project=row, slug=stage)[0]


def destination(name: str = "ops", *, kinds="all", **fields) -> Destination:
    fields = {"format": "webhook", "address": "http://127.0.0.1:9/", **fields}
    row = Destination.objects.create(name=name, **fields)
    row.subscribe(kinds)
    return row


def record(kind: EventKind = UNHEALTHY, subject: str = "shop.example.org", **fields) -> Event:
    return Event.objects.record(kind, subject=subject, **{"stage": place(), **fields})


def outcome(event: Event) -> tuple[str, str]:
    row = event.deliveries.get()
    return row.status, row.reason


def test_an_event_and_its_deliveries_are_committed_together_or_not_at_all():
    destination()

    with transaction.atomic():
        record()
        assert Delivery.objects.count() == 1
        transaction.set_rollback(True)

    assert not Event.objects.exists()
    assert not Delivery.objects.exists()


def test_each_subscriber_gets_one_pending_row_of_its_own():
    rows = [destination("a"), destination("b"), destination("c", kinds=[RECOVERED])]

    event = record()

    assert {row.destination: (row.status, row.reason) for row in event.deliveries.all()} == {
        rows[0]: (Status.PENDING, ""),
        rows[1]: (Status.PENDING, ""),
        rows[2]: (Status.SKIPPED, Reason.UNSUBSCRIBED),
    }
    assert len(set(event.deliveries.values_list("webhook_id", flat=True))) == 3


def test_planning_takes_as_many_queries_for_ten_destinations_as_for_one():
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            record(RECOVERED)
        return len(captured)

    place()
    destination("first", cool_down_minutes=5)
    for_one = queries()
    for number in range(9):
        destination(f"d{number}", cool_down_minutes=5)

    assert queries() == for_one
    assert Delivery.objects.count() == 11


def test_a_kind_that_is_off_for_everybody_is_told_to_nobody():
    destination()
    KindSetting.objects.switch({"proxy.unhealthy": False})

    assert outcome(record()) == (Status.SKIPPED, Reason.OFF)
    assert outcome(record(EventKind.CONTAINER_CRASHED)) == (Status.SKIPPED, Reason.OFF)  # off by default

    KindSetting.objects.switch({"proxy.unhealthy": True, "container.crashed": True})
    assert outcome(record(subject="other")) == (Status.PENDING, "")
    assert outcome(record(EventKind.CONTAINER_CRASHED)) == (Status.PENDING, "")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"projects": ["shop"]}, True),
        ({"projects": ["blog"]}, False),
        ({"projects": ["shop"], "stages": ["production"]}, True),
        ({"stages": ["staging"]}, False),
        ({"min_severity": "error"}, True),
    ],
)
def test_a_destination_and_its_subscription_narrow_alike(fields, told):
    expected = (Status.PENDING, "") if told else (Status.SKIPPED, Reason.NARROWED)
    row = destination(**fields)
    assert outcome(record()) == expected

    Destination.objects.filter(pk=row.pk).update(projects=[], stages=[], min_severity="info")
    row.subscriptions.filter(kind=UNHEALTHY).update(**fields)
    assert outcome(record(subject="other")) == expected


def test_severity_narrows_and_the_end_of_a_told_problem_counts_as_the_problem():
    destination(min_severity="error")
    assert outcome(record(EventKind.CONTAINER_STALE)) == (Status.SKIPPED, Reason.NARROWED)
    assert outcome(record(RECOVERED, key="nothing was wrong")) == (Status.SKIPPED, Reason.NARROWED)

    record(UNHEALTHY, key="route 1")
    assert outcome(Event.objects.recover(RECOVERED, subject="x", key="route 1")) == (Status.PENDING, "")


def test_an_event_of_no_project_concerns_only_who_is_not_narrowed_to_one():
    destination("all")
    narrowed = destination("shop", projects=["shop"])

    event = record(EventKind.HOST_UNREACHABLE, stage=None)

    assert event.deliveries.get(destination=narrowed).reason == Reason.NARROWED
    assert event.deliveries.filter(status=Status.PENDING).count() == 1


@pytest.mark.parametrize("named", ["project", "stage", "instance", "kind", "everything"])
def test_a_mute_silences_what_it_names_until_its_time(named):
    destination()
    stage = place()
    instance = Instance.objects.create(host=Host.objects.create(name="h"), stage=stage, slot="web", name="web")
    names = {"project": stage.project, "stage": stage, "instance": instance, "kind": UNHEALTHY}
    until = timezone.now() + timedelta(hours=1)
    fields = {} if named == "everything" else {named: names[named]}
    Mute.objects.create(until=until, by=User.objects.create(username="ann"), **fields)

    assert outcome(record(instance=instance)) == (Status.SKIPPED, Reason.MUTED)
    if named != "everything":
        assert outcome(record(EventKind.HOST_UNREACHABLE, stage=place("blog"))) == (Status.PENDING, "")
    with time_machine.travel(until):
        assert outcome(record(subject="later", instance=instance)) == (Status.PENDING, "")


def test_a_destination_that_is_off_is_told_nothing_and_says_why():
    row = destination(enabled=False)
    event = record()

    assert outcome(event) == (Status.SKIPPED, Reason.SWITCHED_OFF)
    told = Delivery.objects.explain_event(event)
    assert [(one.destination, one.outcome, one.reason) for one in told] == [
        (row, "skipped", "the destination is switched off")
    ]


def test_a_destination_made_later_says_so():
    event = record()
    destination()

    assert [one.reason for one in Delivery.objects.explain_event(event)] == ["the destination was made later"]


def test_the_same_is_not_told_twice_within_the_cool_down_and_held_back_while_it_lasts():
    with Receiver() as receiver, time_machine.travel(datetime(2026, 11, 1, 12, tzinfo=UTC), tick=False) as clock:
        row = destination(address=receiver.url, cool_down_minutes=30)
        record(EventKind.DEPLOY_ROLLED_BACK, "web")
        drain(row.pk)
        clock.shift(timedelta(minutes=10))
        again = record(EventKind.DEPLOY_ROLLED_BACK, "web")
        other = record(EventKind.DEPLOY_ROLLED_BACK, "api")
        drain(row.pk)

        assert outcome(again) == (Status.PENDING, Reason.COOL_DOWN)
        assert outcome(other) == (Status.SENT, "")
        assert len(receiver.received) == 2

        clock.shift(timedelta(minutes=21))
        drain(row.pk)
        assert outcome(again) == (Status.SENT, "")


def test_what_is_over_when_the_cool_down_ends_is_not_told_and_neither_is_its_end():
    with Receiver() as receiver, time_machine.travel(datetime(2026, 11, 1, 12, tzinfo=UTC), tick=False) as clock:
        row = destination(address=receiver.url, cool_down_minutes=30)
        for _ in range(2):
            record(UNHEALTHY, "route", key="route 1")
            Event.objects.recover(RECOVERED, subject="route", key="route 1")
            drain(row.pk)
            clock.shift(timedelta(minutes=1))
        clock.shift(timedelta(minutes=40))
        drain(row.pk)

        assert list(Delivery.objects.order_by("id").values_list("status", "reason")) == [
            ("sent", ""),
            ("sent", ""),
            ("skipped", "cool_down"),
            ("skipped", "cool_down"),
        ]


NIGHT = {"quiet_start": time(22), "quiet_end": time(7), "time_zone": "Europe/Berlin"}


def test_after_quiet_hours_one_message_tells_what_is_still_wrong():
    with Receiver() as receiver, time_machine.travel(datetime(2026, 11, 1, 22, tzinfo=UTC), tick=False) as clock:
        row = destination(address=receiver.url, **NIGHT)
        wrong = [record(UNHEALTHY, f"route {number}", key=f"route {number}") for number in range(3)]
        over = record(UNHEALTHY, "brief", key="brief")
        ended = Event.objects.recover(RECOVERED, subject="brief", key="brief")
        news = record(EventKind.DEPLOY_SUCCEEDED, "web")
        KindSetting.objects.switch({"deploy.succeeded": True})
        drain(row.pk)
        assert not receiver.received

        clock.move_to(datetime(2026, 11, 2, 6, 0, 1, tzinfo=UTC))
        drain(row.pk)

        assert len(receiver.received) == 1
        assert all(f"route {number}".encode() in receiver.received[0].body for number in range(3))
        assert b"brief" not in receiver.received[0].body
        assert [outcome(event) for event in wrong] == [(Status.SENT, "")] * 3
        assert outcome(over) == outcome(ended) == (Status.SKIPPED, Reason.QUIET)
        assert outcome(news) == (Status.SKIPPED, Reason.OFF)


def test_the_end_of_a_problem_told_before_the_night_is_told_after_it():
    with Receiver() as receiver, time_machine.travel(datetime(2026, 11, 1, 20, tzinfo=UTC), tick=False) as clock:
        row = destination(address=receiver.url, **NIGHT)
        record(UNHEALTHY, "route", key="route")
        drain(row.pk)
        clock.move_to(datetime(2026, 11, 1, 23, tzinfo=UTC))
        ended = Event.objects.recover(RECOVERED, subject="route", key="route")
        clock.move_to(datetime(2026, 11, 2, 8, tzinfo=UTC))
        drain(row.pk)

        assert outcome(ended) == (Status.SENT, "")
        assert len(receiver.received) == 2


def test_a_retry_does_not_wake_anybody_at_night():
    with Receiver(500, 200) as receiver, time_machine.travel(datetime(2026, 11, 1, 20, 59, 59, tzinfo=UTC)) as clock:
        row = destination(address=receiver.url, **NIGHT)
        event = record(UNHEALTHY, key="route")
        drain(row.pk)
        clock.move_to(datetime(2026, 11, 1, 21, 1, tzinfo=UTC))
        drain(row.pk)
        assert outcome(event) == (Status.PENDING, Reason.QUIET)

        clock.move_to(datetime(2026, 11, 2, 6, 1, tzinfo=UTC))
        drain(row.pk)
        assert outcome(event) == (Status.SENT, "")


def test_the_end_of_a_muted_problem_is_not_told_either():
    destination()
    mute = Mute.objects.create(until=timezone.now() + timedelta(hours=1))
    record(UNHEALTHY, key="route")
    mute.delete()

    ended = Event.objects.recover(RECOVERED, subject="route", key="route")

    assert outcome(ended) == (Status.SKIPPED, Reason.UNTOLD)


def test_who_subscribes_to_recoveries_alone_hears_of_them():
    destination(kinds=[RECOVERED])
    record(UNHEALTHY, key="route")

    assert outcome(Event.objects.recover(RECOVERED, subject="route", key="route")) == (Status.PENDING, "")


def test_kinds_read_back_as_they_were_subscribed():
    row = destination(kinds=["host.unreachable", "container.stale"])
    row.subscriptions.filter(kind="container.stale").update(projects=["shop"])
    assert row.kinds == ["container.stale", "host.unreachable"]

    row.subscribe("all")

    assert row.kinds == "all"
    assert row.subscriptions.get(kind="container.stale").projects == ["shop"]
    with pytest.raises(ValueError, match=r"no\.such"):
        row.subscribe(["no.such"])
