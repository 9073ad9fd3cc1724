"""REST for notifications: switches, destinations, tests, deliveries, and a sentence for every wrong value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from standardwebhooks import Webhook

from dashboard import tokens
from dashboard.models import Scope
from monitoring.models import Event, EventKind
from notifications.models import Delivery, Destination, KindSetting, Status
from tests.receivers import Receiver

pytestmark = pytest.mark.django_db(transaction=True)


class Caller:
    """A program with a token of SCOPE."""

    def __init__(self, scope: Scope) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {tokens.create('test', scope)[1]}"})

    def __call__(self, method: str, path: str, status: int, body: Any = None) -> Any:
        content = "" if body is None else json.dumps(body)
        sent = {} if method == "get" else {"data": content, "content_type": "application/json"}
        answer = getattr(self.client, method)(f"/api/{path}", **sent)
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None


@pytest.fixture
def call(settings) -> Caller:
    cache.clear()
    settings.PRIVATE_TARGETS = "allow"
    return Caller(Scope.WRITE)


def made(call: Caller, **changes: Any) -> Any:
    with Receiver() as receiver:
        return call("post", "destinations", 201, {"name": "ops", "format": "webhook", "url": receiver.url} | changes)


def test_a_new_destination_gets_a_signing_secret_that_is_shown_once(call: Caller):
    answer = made(call)
    assert answer["secret"].startswith("whsec_")
    assert answer["url"].endswith("••••")
    assert answer["warning"] == ""
    again = call("get", f"destinations/{answer['id']}", 200)
    assert "secret" not in again
    assert answer["secret"] not in json.dumps(again)


def test_the_address_and_the_secret_are_never_answered(call: Caller):
    made(call, secret="whsec_" + "c2VjcmV0" * 6)
    said = json.dumps(call("get", "destinations", 200))
    assert "top-secret-path" not in said
    assert "c2VjcmV0" not in said


def test_the_format_is_guessed_from_the_address(call: Caller):
    answer = call("post", "destinations", 201, {"name": "phone", "url": "https://ntfy.invalid/alarm"})
    assert answer["format"] == "ntfy"


def test_what_is_left_out_takes_its_default(call: Caller):
    answer = made(call)
    assert set(answer["kinds"]) == {kind.value for kind in EventKind if kind.default_on}
    assert (answer["min_severity"], answer["language"], answer["time_zone"]) == ("info", "en", "UTC")
    assert (answer["quiet_hours"], answer["enabled"], answer["projects"]) == (None, True, [])


def test_an_unreachable_destination_is_stored_with_a_warning(call: Caller):
    answer = call("post", "destinations", 201, {"name": "ops", "format": "slack", "url": "https://nowhere.invalid/x"})
    assert "Name lookup failed for nowhere.invalid" in answer["warning"]
    closed = call("post", "destinations", 201, {"name": "shut", "format": "slack", "url": "http://127.0.0.1:1/x"})
    assert "does not answer at the moment: Connection refused" in closed["warning"]


def test_the_warning_goes_when_a_message_arrives(call: Caller):
    with Receiver() as receiver:
        pk = made(call)["id"]
        row = Destination.objects.get(pk=pk)
        row.address, row.warning = receiver.url, "Name lookup failed for x."
        row.save()
        assert call("post", f"destinations/{pk}/test", 200)["ok"]
    assert call("get", f"destinations/{pk}", 200)["warning"] == ""


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "name: This field is required."),
        ({"format": "pigeon"}, "format: Select a valid choice."),
        ({"url": ""}, "url: Enter the address."),
        ({"url": "example.org/x"}, "url: The address must begin with https:// or http://."),
        ({"url": "https://exa mple.org"}, "url: The address contains spaces"),
        ({"url": "http://10.0.0.1/x"}, "url: 10.0.0.1 leads to 10.0.0.1, a private address."),
        ({"secret": "short"}, "secret: The signing secret must be whsec_"),
        ({"format": "slack", "secret": "x"}, "secret: This format takes no secret"),
        ({"format": "email", "url": "not-an-address"}, "url: not-an-address is not an e-mail address."),
        ({"kinds": ["deploy.exploded"]}, "kinds: Select a valid choice. deploy.exploded"),
        ({"kinds": "some"}, 'kinds: must be a list of event kinds, or "all".'),
        ({"projects": ["nope"]}, "projects: Select a valid choice. nope"),
        ({"min_severity": "loud"}, "min_severity: Select a valid choice."),
        ({"language": "tlh"}, "language: Select a valid choice."),
        ({"time_zone": "Mars/Olympus"}, "time_zone: There is no time zone “Mars/Olympus”. Write it such as"),
        ({"quiet_hours": {"start": "22:00", "end": "25:00"}}, "quiet_hours: Enter a valid time."),
        (
            {"quiet_hours": {"start": "22:00", "end": "22:00"}},
            "quiet_hours: Quiet hours begin and end at the same time.",
        ),
        ({"quiet_hours": {"start": "22:00"}}, "quiet_hours.end: Field required"),
        ({"messages_per_hour": -1}, "messages_per_hour: Ensure this value is greater than or equal to 0."),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_every_wrong_value_gets_a_sentence_that_names_its_field(call: Caller, settings, changes, sentence):
    settings.PRIVATE_TARGETS = "deny"
    body = {"name": "ops", "format": "webhook", "url": "https://receiver.invalid/hook"} | changes
    assert sentence in call("post", "destinations", 422, body)["detail"]
    assert not Destination.objects.exists()


def test_a_second_destination_of_the_same_name_is_refused_in_words(call: Caller):
    made(call)
    answer = call("post", "destinations", 422, {"name": "ops", "url": "https://receiver.invalid/"})
    assert answer["detail"] == "name: There is a destination of this name already. Choose another one."


def test_a_change_leaves_what_it_does_not_name(call: Caller):
    pk = made(call, quiet_hours={"start": "22:00", "end": "07:00"}, kinds=["deploy.failed"])["id"]
    before = Destination.objects.get(pk=pk)
    answer = call("patch", f"destinations/{pk}", 200, {"name": "night", "time_zone": "Europe/Berlin"})
    after = Destination.objects.get(pk=pk)
    assert (answer["name"], answer["time_zone"]) == ("night", "Europe/Berlin")
    assert answer["quiet_hours"] == {"start": "22:00", "end": "07:00"}
    assert answer["kinds"] == ["deploy.failed"]
    assert (after.address, after.secret) == (before.address, before.secret)


def test_quiet_hours_are_taken_away_by_null(call: Caller):
    pk = made(call, quiet_hours={"start": "22:00", "end": "07:00"})["id"]
    assert call("patch", f"destinations/{pk}", 200, {"quiet_hours": None})["quiet_hours"] is None


def test_a_new_signing_secret_signs_beside_the_old_one(call: Caller):
    old = made(call)
    new = "whsec_" + "bmV3c2VjcmV0" * 4
    with Receiver() as receiver:
        call("patch", f"destinations/{old['id']}", 200, {"secret": new, "url": receiver.url})
        assert call("post", f"destinations/{old['id']}/test", 200)["ok"]
        [request] = receiver.received
    for secret in (old["secret"], new):
        assert Webhook(secret).verify(request.body, request.headers)["data"]["test"] is True


def test_kinds_may_be_all(call: Caller):
    pk = made(call, kinds="all")["id"]
    assert call("get", f"destinations/{pk}", 200)["kinds"] == "all"


def test_a_destination_can_be_removed(call: Caller):
    pk = made(call)["id"]
    call("delete", f"destinations/{pk}", 204)
    assert call("get", f"destinations/{pk}", 404)["detail"] == f"There is no destination {pk}."


def test_a_test_says_what_came_back(call: Caller):
    with Receiver((404, {}, b"no_service")) as receiver:
        pk = call("post", "destinations", 201, {"name": "ops", "format": "slack", "url": receiver.url})["id"]
        answer = call("post", f"destinations/{pk}/test", 200, {"kind": "deploy.failed"})
    assert (answer["ok"], answer["status"], answer["answer"]) == (False, 404, "no_service")
    assert "Slack answered 404 no_service: the webhook was deleted in Slack." in answer["error"]
    [row] = call("get", "deliveries", 200)["items"]
    assert (row["id"], row["test"], row["attempts"][0]["status"]) == (answer["delivery"], True, 404)


def test_a_test_of_an_unknown_kind_is_refused(call: Caller):
    pk = made(call)["id"]
    answer = call("post", f"destinations/{pk}/test", 422, {"kind": "deploy.exploded"})
    assert "there is no event kind “deploy.exploded”" in answer["detail"]


def test_event_kinds_are_switched_for_everybody(call: Caller):
    assert call("get", "notification-settings", 200)["kinds"]["container.stale"] is True
    answer = call("put", "notification-settings", 200, {"kinds": {"container.stale": False}})
    assert answer["kinds"]["container.stale"] is False
    assert answer["kinds"]["deploy.failed"] is True
    assert not KindSetting.objects.is_on("container.stale")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"kinds": {"deploy.exploded": True}}, "kinds: there is no event kind “deploy.exploded”"),
        ({"kinds": {"deploy.failed": "perhaps"}}, "kinds.deploy.failed: Input should be a valid boolean"),
        ({}, "kinds: Field required"),
    ],
)
def test_a_wrong_switch_changes_nothing(call: Caller, body, sentence):
    assert sentence in call("put", "notification-settings", 422, body)["detail"]
    assert not KindSetting.objects.exists()


def test_deliveries_are_listed_and_sent_again_under_the_same_webhook_id(call: Caller):
    made(call)
    event = Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    [row] = call("get", "deliveries", 200)["items"]
    assert (row["event"], row["status"], row["destination_name"]) == (event.pk, "pending", "ops")
    Delivery.objects.update(status=Status.DEAD)
    again = call("post", f"deliveries/{row['id']}/redeliver", 201)
    assert (again["webhook_id"], again["redelivery_of"]) == (row["webhook_id"], row["id"])
    assert call("get", f"deliveries/{row['id']}", 200)["status"] == "dead"
    assert len(call("get", "deliveries?status=dead", 200)["items"]) == 1
    assert call("get", "deliveries/987654", 404)["detail"] == "There is no delivery 987654."
    assert "there is no “lost”" in call("get", "deliveries?status=lost", 422)["detail"]


def test_what_was_never_to_be_sent_is_listed_only_on_request_with_its_reason(call: Caller):
    made(call, kinds=[])
    Event.objects.record(EventKind.DEPLOY_FAILED, subject="web-1")
    assert call("get", "deliveries", 200)["items"] == []
    [row] = call("get", "deliveries?status=skipped", 200)["items"]
    assert row["reason"] == "this destination does not receive this event kind"


@pytest.mark.parametrize("count", [1, 20])
def test_a_list_of_deliveries_takes_the_same_queries_whatever_its_length(
    call: Caller, count, django_assert_max_num_queries
):
    made(call)
    for number in range(count):
        Event.objects.record(EventKind.DEPLOY_FAILED, subject=f"web-{number}")
    with django_assert_max_num_queries(4):
        assert len(call("get", "deliveries", 200)["items"]) == count


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "notification-settings"),
        ("post", "destinations"),
        ("patch", "destinations/1"),
        ("delete", "destinations/1"),
        ("post", "destinations/1/test"),
        ("post", "deliveries/1/redeliver"),
    ],
)
def test_a_token_that_may_only_read_changes_nothing(call: Caller, method, path):
    reader = Caller(Scope.READ)
    assert "This needs the scope “write”" in reader(method, path, 403, {})["detail"]


def test_a_page_must_prove_itself_before_it_changes_something(db):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("anna"))
    body = json.dumps({"kinds": {"container.stale": False}})
    answer = client.put("/api/notification-settings", body, content_type="application/json")
    assert answer.status_code == 403
    assert not KindSetting.objects.exists()
