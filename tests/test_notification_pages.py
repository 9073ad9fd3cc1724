"""The pages under /notifications as a browser without JavaScript gets them, and the fragments that htmx asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from monitoring.models import Event, EventKind
from notifications.models import Attempt, Delivery, Destination, KindSetting, Mute, Status
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _open_world(settings) -> None:
    cache.clear()
    settings.PRIVATE_TARGETS = "allow"


@pytest.fixture
def anna(client: Client) -> Client:
    """Return an administrator's browser."""
    client.force_login(User.objects.create_superuser("anna"))
    return client


@pytest.fixture
def reader() -> Client:
    """Return the browser of somebody who may only look."""
    client = Client()
    client.force_login(User.objects.create_user("bob"))
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


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def entered(**changes: Any) -> dict[str, Any]:
    usual = {"name": "#ops", "format": "slack", "min_severity": "info", "language": "en", "time_zone": "UTC"}
    return usual | {"cool_down_minutes": 0, "enabled": "on", "kinds": ["deploy.failed"], "do": "save"} | changes


PAGES = ["/notifications/", "/notifications/destinations", "/notifications/deliveries", "/notifications/quiet"]


@pytest.mark.parametrize("address", PAGES)
def test_a_stranger_is_sent_to_the_sign_in_page(client: Client, address):
    assert client.get(address)["Location"] == f"/account/login?next={address}"


@pytest.mark.parametrize("address", PAGES)
def test_without_a_destination_every_page_says_that_nobody_will_be_told(anna: Client, address):
    shown = page(anna, address)
    assert "Nobody will be told." in shown
    assert "No notification channel is set up, so Pierwatch will not send anything when something breaks." in shown


def test_the_matrix_shows_who_is_told_of_what(anna: Client, ops: Destination):
    shown = page(anna, "/notifications/")
    assert f'value="{ops.pk}:deploy.failed" aria-label="Deploy failed: #ops" checked' in shown
    assert f'value="{ops.pk}:deploy.started" aria-label="Deploy started: #ops" hx-post' in shown
    assert 'value="all:container.stale" aria-label="Stale container: for everybody" checked' in shown


def test_the_matrix_says_how_many_messages_the_last_month_would_have_made(anna: Client, ops: Destination):
    for number, days in enumerate((0, 1, 29, 31)):
        at = timezone.now() - timedelta(days=days)
        Event.objects.record(EventKind.DEPLOY_FAILED, subject=f"web-{number}", at=at)
    assert "3 would have been sent" in page(anna, "/notifications/")


@pytest.mark.parametrize("count", [1, 12])
def test_the_matrix_asks_the_same_however_many_destinations(anna: Client, count, django_assert_max_num_queries):
    for number in range(count):
        Destination.objects.create(name=f"d{number}", format="slack", address="https://x.invalid").subscribe("all")
    anna.get("/notifications/")
    with django_assert_max_num_queries(6):
        assert page(anna, "/notifications/").count('class="place"') == count


def test_a_tick_is_saved_at_once_and_can_be_undone(anna: Client, ops: Destination):
    name = f"{ops.pk}:proxy.unhealthy"
    other = f"{ops.pk}:deploy.failed"
    answer = anna.post("/notifications/save", {"only": name, "box": [name]}, headers=HTMX).content.decode()
    assert ops.subscriptions.filter(kind="proxy.unhealthy").exists()
    assert ops.subscriptions.filter(kind="deploy.failed").exists(), f"{other} was not the one that was changed"
    assert "Saved." in answer
    assert "Undo" in answer
    undone = anna.post("/notifications/save", {"only": name}, headers=HTMX).content.decode()
    assert not ops.subscriptions.filter(kind="proxy.unhealthy").exists()
    assert 'hx-swap-oob="true"' in undone


def test_a_kind_is_switched_off_for_everybody(anna: Client, ops: Destination):
    anna.post("/notifications/save", {"only": "all:deploy.failed"}, headers=HTMX)
    assert not KindSetting.objects.is_on("deploy.failed")
    event = Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    assert event.deliveries.get().why() == "this event kind is switched off for everybody"


def test_without_javascript_all_boxes_are_saved_by_one_button(anna: Client, ops: Destination):
    shown = [f"{ops.pk}:deploy.failed", f"{ops.pk}:deploy.started", "all:deploy.started"]
    answer = anna.post("/notifications/save", {"shown": shown, "box": shown[1:]}, follow=True)
    assert [row.kind for row in ops.subscriptions.all()] == ["deploy.started"]
    assert KindSetting.objects.is_on("deploy.started")
    assert "Saved." in answer.content.decode()


@pytest.mark.parametrize("name", ["99:deploy.failed", "x:deploy.failed", "1:deploy.exploded", "all:", ""])
def test_a_box_that_does_not_exist_is_refused_in_words(anna: Client, name):
    answer = anna.post("/notifications/save", {"only": name or ":", "box": [name or ":"]}, headers=HTMX)
    assert answer.status_code == 400
    assert "Reload the page" in answer.content.decode()


def test_a_reader_sees_everything_and_changes_nothing(reader: Client, ops: Destination, receiver: Receiver):
    shown = page(reader, "/notifications/")
    assert "Only administrators change notifications." in shown
    assert shown.count(" disabled autocomplete") == shown.count('type="checkbox"')
    for address in (
        "save",
        "mutes",
        "deliveries/replay",
        "destinations/new",
        *(f"destinations/{ops.pk}{part}" for part in ("", "/test", "/switch", "/remove", "/rotate", "/preview")),
    ):
        assert reader.post(f"/notifications/{address}", entered()).status_code == 403, address
    assert receiver.received == []
    assert Destination.objects.get() == ops


def test_a_destination_is_made_and_its_secrets_are_never_shown_again(anna: Client, receiver: Receiver):
    answer = anna.post(
        "/notifications/destinations/new", entered(format="webhook", address=receiver.url, name="hook"), follow=True
    )
    row = Destination.objects.get()
    assert row.secret in answer.content.decode(), "the signing secret is shown this once"
    later = page(anna, f"/notifications/destinations/{row.pk}")
    assert row.secret not in later
    assert row.address not in later
    assert "top-secret-path" not in later
    assert row.masked_address in later


def test_a_format_that_was_not_chosen_is_guessed_from_the_address(anna: Client):
    anna.post("/notifications/destinations/new", entered(format="", address="https://ntfy.invalid/alarm"))
    assert Destination.objects.get().format == "ntfy"


def test_empty_fields_keep_what_is_stored(anna: Client, ops: Destination):
    before = ops.address
    anna.post(f"/notifications/destinations/{ops.pk}", entered(name="#alarms", kinds=["proxy.unhealthy"]))
    ops.refresh_from_db()
    assert (ops.name, ops.address, ops.kinds) == ("#alarms", before, ["proxy.unhealthy"])


def test_a_wrong_address_is_explained_beside_its_field(anna: Client):
    shown = anna.post("/notifications/destinations/new", entered(address="example.org")).content.decode()
    assert "The address must begin with https:// or http://." in shown
    assert 'aria-invalid="true"' in shown
    assert not Destination.objects.exists()


def test_a_private_address_is_refused_with_the_way_out(anna: Client, settings):
    settings.PRIVATE_TARGETS = "deny"
    shown = anna.post("/notifications/destinations/new", entered(address="http://10.0.0.1/x")).content.decode()
    assert "PIERWATCH_PRIVATE_TARGETS" in shown


def test_the_preview_is_the_message_that_will_be_sent(anna: Client, ops: Destination, receiver: Receiver):
    shown = anna.post(
        f"/notifications/destinations/{ops.pk}/preview",
        {"format": "slack", "preview_kind": "deploy.failed", "language": "ru", "time_zone": "Europe/Berlin"},
    ).content.decode()
    assert "Время: " in shown
    assert re.search(r"CES?T</p>", shown)
    assert "curl -X POST" in shown
    assert "top-secret-path" not in shown
    assert receiver.received == []


@pytest.mark.parametrize("name", ["webhook", "slack", "discord", "teams", "ntfy", "email", "apprise"])
@pytest.mark.parametrize("kind", ["proxy.unhealthy", "destination.disabled"])
def test_every_format_has_a_preview(anna: Client, name, kind):
    answer = anna.post("/notifications/destinations/new/preview", {"format": name, "preview_kind": kind})
    assert answer.status_code == 200
    assert 'class="m-title"' in answer.content.decode()


def test_a_preview_of_nonsense_is_still_a_preview(anna: Client):
    nonsense = {"format": "pigeon", "preview_kind": "x", "language": "tlh", "time_zone": "Mars", "address": "http://["}
    answer = anna.post("/notifications/destinations/new/preview", nonsense)
    assert answer.status_code == 200
    assert answer["HX-Trigger"] == '{"pierwatch:guessed": "webhook"}'


def test_a_test_says_status_and_milliseconds(anna: Client, ops: Destination, receiver: Receiver):
    shown = anna.post(
        f"/notifications/destinations/{ops.pk}/test", {"preview_kind": "deploy.failed"}, headers=HTMX
    ).content.decode()
    assert "Delivered: 200 OK in" in shown
    assert "(test)" in receiver.received[0].body.decode()
    assert Delivery.objects.get().status == Status.SENT


def test_a_failed_test_says_what_to_do(anna: Client, ops: Destination, receiver: Receiver):
    receiver.script[:] = [(404, {}, b"no_service")]
    shown = anna.post(f"/notifications/destinations/{ops.pk}/test", headers=HTMX).content.decode()
    assert "the webhook was deleted in Slack. Create a new one and paste its URL." in shown


def test_a_rotated_secret_signs_beside_the_old_one(anna: Client, receiver: Receiver):
    anna.post("/notifications/destinations/new", entered(format="webhook", address=receiver.url))
    row = Destination.objects.get()
    old = row.secret
    answer = anna.post(f"/notifications/destinations/{row.pk}/rotate", follow=True)
    row.refresh_from_db()
    assert row.secret != old
    assert row.secret in answer.content.decode()
    anna.post(f"/notifications/destinations/{row.pk}/test")
    [request] = receiver.received
    for secret in (old, row.secret):
        Webhook(secret).verify(request.body, request.headers)


def test_a_destination_is_switched_off_and_on(anna: Client, ops: Destination):
    anna.post(f"/notifications/destinations/{ops.pk}/switch")
    assert "Switched off by anna." in page(anna, "/notifications/destinations")
    anna.post(f"/notifications/destinations/{ops.pk}/switch")
    ops.refresh_from_db()
    assert (ops.enabled, ops.disabled_reason) == (True, "")


def test_while_messages_wait_a_name_must_be_typed_to_remove_their_destination(anna: Client, ops: Destination):
    Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    Delivery.objects.update(status=Status.PENDING)
    address = f"/notifications/destinations/{ops.pk}/remove"
    assert "1 message still waits for it" in page(anna, address)
    assert "This is not its name." in anna.post(address, {"name": "ops"}).content.decode()
    anna.post(address, {"name": "#ops"})
    assert not Destination.objects.exists()


def failed(ops: Destination, count: int = 1) -> list[Delivery]:
    for number in range(count):
        Event.objects.record(EventKind.DEPLOY_FAILED, subject=f"web-{number}")
    Delivery.objects.update(status=Status.DEAD, due_at=None)
    rows = list(Delivery.objects.order_by("pk"))
    for row in rows:
        Attempt.objects.create(delivery=row, at=timezone.now(), ms=10_000, error="Timed out after 10 s.")
    return rows


def test_the_log_shows_what_became_of_every_message(anna: Client, ops: Destination):
    failed(ops)
    shown = page(anna, "/notifications/deliveries")
    for words in ("Gave up", "#ops", "Deploy failed · web-0", "1 attempt · Timed out after 10 s", "Replay 1 failed"):
        assert words in shown


def test_the_log_is_filtered_and_says_when_nothing_matches(anna: Client, ops: Destination):
    failed(ops)
    assert "Deploy failed · web-0" in page(anna, "/notifications/deliveries?status=undelivered&kind=deploy.failed")
    assert "Nothing matches." in page(anna, "/notifications/deliveries?status=sent")
    assert "Gave up" in page(anna, "/notifications/deliveries?status=nonsense&destination=x&before=y")


def test_an_empty_log_says_how_to_fill_it(anna: Client, ops: Destination):
    shown = page(anna, "/notifications/deliveries")
    assert "Nothing has been sent yet." in shown
    assert "Send a test from a channel to see it here." in shown


@pytest.mark.parametrize("count", [2, 60])
def test_the_log_asks_the_same_however_long_it_is(anna: Client, ops: Destination, count, django_assert_max_num_queries):
    failed(ops, count)
    with django_assert_max_num_queries(7):
        shown = page(anna, "/notifications/deliveries")
    assert shown.count("Timed out after 10 s") == min(count, 50)
    assert ("before=" in shown) == (count > 50)


def test_one_delivery_is_replayed_as_a_new_one(anna: Client, ops: Destination):
    [row] = failed(ops)
    answer = anna.post(f"/notifications/deliveries/{row.pk}/replay", {"filters": "status=dead"}, follow=True)
    again = Delivery.objects.exclude(pk=row.pk).get()
    assert f"Queued again as delivery {again.pk}." in answer.content.decode()
    assert answer.redirect_chain[0][0] == "/notifications/deliveries?status=dead"
    assert (again.webhook_id, again.redelivery_of) == (row.webhook_id, row)


def test_all_failed_deliveries_are_replayed_once(anna: Client, ops: Destination):
    failed(ops, 3)
    answer = anna.post("/notifications/deliveries/replay", follow=True)
    assert "3 deliveries queued again." in answer.content.decode()
    assert "Replay" not in page(anna, "/notifications/deliveries?status=undelivered").partition("<table")[0]
    assert "0 deliveries queued again." in anna.post("/notifications/deliveries/replay", follow=True).content.decode()


def test_a_delivery_shows_its_attempts_and_the_request_with_secrets_masked(anna: Client, ops: Destination):
    [row] = failed(ops)
    shown = page(anna, f"/notifications/deliveries/{row.pk}")
    assert "Timed out after 10 s." in shown
    assert row.webhook_id in shown
    assert ops.masked_address in shown
    assert "top-secret-path" not in shown


def test_every_destination_says_why_it_was_or_was_not_told(anna: Client, ops: Destination):
    Destination.objects.create(name="quiet one", format="slack", address="https://x.invalid")
    event = Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    shown = page(anna, f"/notifications/told/{event.pk}")
    assert "Why was I (not) notified?" in shown
    assert "this destination does not receive this event kind" in shown
    fragment = anna.get(f"/notifications/told/{event.pk}", headers=HTMX).content.decode()
    assert "<html" not in fragment


def test_something_is_muted_and_heard_again(anna: Client, ops: Destination):
    anna.post("/notifications/mutes", {"kind": "deploy.failed", "span": "1"})
    mute = Mute.objects.get()
    assert timedelta(minutes=59) < mute.until - timezone.now() <= timedelta(hours=1)
    event = Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    assert event.deliveries.get().why() == "muted"
    assert "deploy.failed" in page(anna, "/notifications/quiet")
    anna.post(f"/notifications/mutes/{mute.pk}/end")
    assert "Nothing is muted." in page(anna, "/notifications/quiet")


def test_a_mute_until_tomorrow_ends_at_eight_in_the_readers_morning(anna: Client, time_machine):
    time_machine.move_to("2026-03-28 22:30:00+00:00", tick=False)
    anna.cookies["pierwatch_time_zone"] = "Europe/Berlin"
    anna.post("/notifications/mutes", {"span": "tomorrow"})
    assert Mute.objects.get().until.isoformat() == "2026-03-29T06:00:00+00:00", "after the clock was put forward"


def test_nothing_on_these_pages_needs_what_the_policy_forbids(anna: Client, ops: Destination):
    answer = anna.get(f"/notifications/destinations/{ops.pk}")
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert " style=" not in answer.content.decode()
