"""The admin of notifications: secrets are write-only, the log is read-only, actions do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from monitoring.models import Event, EventKind
from notifications.models import Delivery, Destination, KindSetting, Mute, Status
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def anna(client: Client, settings) -> Client:
    cache.clear()
    settings.PRIVATE_TARGETS = "allow"
    client.force_login(User.objects.create_superuser("anna"))
    return client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver((200, {}, b"ok")) as receiver:
        yield receiver


@pytest.fixture
def ops(receiver: Receiver) -> Destination:
    row = Destination.objects.create(name="#ops", format="slack", address=receiver.url)
    row.subscribe(["deploy.failed"])
    return row


def entered(**changes: Any) -> dict[str, Any]:
    management = {f"subscriptions-{name}": value for name, value in (("TOTAL_FORMS", 1), ("INITIAL_FORMS", 0))}
    subscription = {"kind": "deploy.failed", "min_severity": "warning", "projects": "shop, auth", "stages": ""}
    rows = {f"subscriptions-0-{name}": value for name, value in subscription.items()}
    usual = {"name": "#ops", "format": "webhook", "min_severity": "info", "language": "en", "time_zone": "UTC"}
    return management | rows | usual | {"cool_down_minutes": 0, "enabled": "on"} | changes


def act(client: Client, model: str, action: str, *rows: Any) -> str:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    answer = client.post(f"/admin/notifications/{model}/", chosen, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("model", ["destination", "kindsetting", "delivery", "mute"])
def test_every_list_can_be_opened(anna: Client, ops: Destination, model):
    Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    assert anna.get(f"/admin/notifications/{model}/").status_code == 200


def test_a_destination_is_made_with_subscriptions_and_its_secret_is_shown_once(anna: Client, receiver: Receiver):
    answer = anna.post("/admin/notifications/destination/add/", entered(address=receiver.url), follow=True)
    row = Destination.objects.get()
    subscription = row.subscriptions.get()
    assert (subscription.kind, subscription.projects, subscription.stages) == ("deploy.failed", ["shop", "auth"], [])
    assert row.secret in answer.content.decode()
    later = anna.get(f"/admin/notifications/destination/{row.pk}/change/").content.decode()
    assert row.secret not in later
    assert "top-secret-path" not in later
    assert row.masked_address in later


def test_the_admin_refuses_what_the_page_refuses(anna: Client):
    shown = anna.post("/admin/notifications/destination/add/", entered(address="example.org")).content.decode()
    assert "The address must begin with https:// or http://." in shown
    assert not Destination.objects.exists()


def test_destinations_are_disabled_enabled_and_tested(anna: Client, ops: Destination, receiver: Receiver):
    act(anna, "destination", "disable", ops)
    ops.refresh_from_db()
    assert (ops.enabled, ops.disabled_reason) == (False, "Switched off by anna.")
    act(anna, "destination", "enable", ops)
    ops.refresh_from_db()
    assert (ops.enabled, ops.disabled_reason) == (True, "")
    assert "#ops: Delivered in" in act(anna, "destination", "send_a_test", ops)
    assert len(receiver.received) == 1


def test_event_kinds_are_switched_on_and_off(anna: Client, db):
    row = KindSetting.objects.create(kind="deploy.failed", on=True)
    act(anna, "kindsetting", "disable", row)
    assert not KindSetting.objects.is_on("deploy.failed")
    act(anna, "kindsetting", "enable", row)
    assert KindSetting.objects.is_on("deploy.failed")


def test_deliveries_are_read_and_never_edited(anna: Client, ops: Destination):
    Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    row = Delivery.objects.get()
    address = f"/admin/notifications/delivery/{row.pk}"
    assert anna.get(f"{address}/change/").status_code == 200
    assert anna.post(f"{address}/change/", {"status": "sent"}).status_code == 403
    assert anna.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert anna.get("/admin/notifications/delivery/add/").status_code == 403
    assert anna.get("/admin/notifications/delivery/?q=web-1&status__exact=pending").status_code == 200


def test_deliveries_are_sent_again_and_what_they_are_about_is_muted(anna: Client, ops: Destination):
    Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    row = Delivery.objects.get()
    Delivery.objects.update(status=Status.DEAD)
    assert "1 delivery queued again." in act(anna, "delivery", "redeliver", row)
    assert Delivery.objects.exclude(pk=row.pk).get().redelivery_of == row
    assert "Muted until" in act(anna, "delivery", "mute_for_an_hour", row)
    assert (Mute.objects.get().kind, Mute.objects.get().by.username) == ("deploy.failed", "anna")


def test_a_long_list_of_deliveries_takes_no_more_queries(anna: Client, ops: Destination, django_assert_max_num_queries):
    for number in range(30):
        Event.objects.record(EventKind.DEPLOY_FAILED, subject=f"web-{number}")
    anna.get("/admin/notifications/delivery/")
    with django_assert_max_num_queries(14):
        anna.get("/admin/notifications/delivery/")
