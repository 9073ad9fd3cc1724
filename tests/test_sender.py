"""Against receivers that do everything a network can do: what is promised of each attempt."""

from __future__ import annotations

import json
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine
import trustme
from django.core import mail
from django.utils import timezone
from standardwebhooks.webhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from monitoring.models import Event, EventKind
from notifications import wire
from notifications.drain import drain
from notifications.models import Delivery, Destination, Reason, Status
from notifications.outbox import redeliver, send_now
from notifications.sender import send_test
from tests.receivers import Receiver, closed_port

pytestmark = pytest.mark.django_db
PERMANENT = {400, 401, 403, 404, 410, 413, 422}
RETRIED = {408, 425, 429, *range(500, 600)}
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _may_reach_loopback(settings):
    settings.PRIVATE_TARGETS = "allow"
    settings.ATTEMPT_SECONDS = 1.0


def destination(address: str, name: str = "ops", **fields) -> Destination:
    row = Destination.objects.create(name=name, address=address, **{"format": "webhook", **fields})
    row.subscribe("all")
    return row


def record(subject: str = "web-1", kind: EventKind = EventKind.HOST_UNREACHABLE) -> Event:
    return Event.objects.record(kind, subject=subject)


def the_delivery() -> Delivery:
    return Delivery.objects.get()


def seconds_until_due() -> float:
    due_at = the_delivery().due_at
    assert due_at
    return (due_at - timezone.now()).total_seconds()


def test_every_status_leads_to_the_promised_outcome():
    """But 410, which switches the destination off, and has a test of its own."""
    statuses = [status for status in range(200, 600) if status != 410]
    with Receiver(*statuses) as receiver, time_machine.travel(NOON, tick=False):
        row = destination(receiver.url)
        events = {status: record(f"for {status}") for status in statuses}
        while drain(row.pk):
            pass

    rows = {row.event: row.status for row in row.deliveries.select_related("event")}
    found = {status: rows[event] for status, event in events.items()}
    assert len(receiver.received) == 399
    assert {status for status in statuses if found[status] == Status.SENT} == set(range(200, 300))
    assert {status for status in statuses if found[status] == Status.FAILED} == PERMANENT - {410}
    assert {status for status in statuses if found[status] == Status.PENDING} >= RETRIED | set(range(300, 400))


def test_eight_attempts_under_one_id_all_signed_for_both_verifiers(settings):
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    script = [500, 502, 503, "reset", "close", "garbage", "hang", 200]
    settings.ATTEMPT_SECONDS = 0.4
    with Receiver(*script) as receiver, time_machine.travel(NOON, tick=False) as clock:
        row = destination(receiver.url, secret=secret)
        record()
        waits = []
        for _ in script:
            drain(row.pk)
            if the_delivery().due_at:
                waits.append(seconds_until_due())
                clock.shift(timedelta(seconds=waits[-1]))
        assert the_delivery().status == Status.SENT

        assert receiver.ids() == [the_delivery().webhook_id] * 8
        assert the_delivery().attempts.count() == the_delivery().tries == 8
        for wait, promised in zip(waits, (5, 30, 120, 600, 1800, 7200, 21600), strict=True):
            assert 0.8 * promised <= wait <= 1.2 * promised
        for request in receiver.received:
            with time_machine.travel(datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)):
                assert Webhook(secret).verify(request.body, request.headers)["type"] == "host.unreachable"
                SvixWebhook(secret).verify(request.body, request.headers)


def test_the_last_attempt_is_the_last(settings):
    settings.RETRY_SECONDS = (0, 5, 30)
    with Receiver(500) as receiver, time_machine.travel(NOON, tick=False) as clock:
        row = destination(receiver.url)
        record()
        for _ in range(6):
            drain(row.pk)
            clock.shift(timedelta(minutes=5))

    assert (the_delivery().status, the_delivery().due_at) == (Status.DEAD, None)
    assert len(receiver.received) == the_delivery().attempts.count() == 3


def test_an_event_that_kills_its_sender_every_time_ends_dead(settings):
    """The try is counted before it is made: what is left behind by a crash is a leased row with one try more."""
    row = destination("http://127.0.0.1:9/")
    record()
    Delivery.objects.update(tries=8, due_at=timezone.now())

    assert drain(row.pk) == 0
    assert the_delivery().status == Status.DEAD


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ((429, {"Retry-After": "7"}, b""), 7),
        ((503, {"Retry-After": "90"}, b""), 90),
        ((503, {"Retry-After": "999999999999999999999999"}, b""), 3600),
        ((503, {"Retry-After": format_datetime(NOON + timedelta(seconds=40), usegmt=True)}, b""), 40),
        ((503, {"Retry-After": "Tue, 24 Nov 2026 12:00:40"}, b""), 40),
        ((429, {"Retry-After": "1"}, b'{"message": "slow down", "retry_after": 0.75, "global": false}'), 0.75),
        ((429, {}, b'{"retry_after": 1e9}'), 3600),
    ],
)
def test_a_receiver_may_say_when_to_come_back(answer, seconds):
    with Receiver(answer) as receiver, time_machine.travel(NOON, tick=False):
        row = destination(receiver.url)
        record()
        drain(row.pk)

        assert seconds_until_due() == pytest.approx(seconds)


@pytest.mark.parametrize(
    "answer",
    [
        (503, {"Retry-After": "-5"}, b""),
        (503, {"Retry-After": "0"}, b""),
        (503, {"Retry-After": "soon"}, b""),
        (503, {"Retry-After": "²"}, b""),
        (503, {"Retry-After": "Sun, 99 Foo 2026"}, b""),
        (503, {"Retry-After": format_datetime(NOON - timedelta(days=1), usegmt=True)}, b""),
        (429, {}, b'{"retry_after": NaN}'),
        (429, {}, b'{"retry_after": true}'),
        (429, {}, b'{"retry_after": "later"}'),
        (429, {}, b'{"retry_after": -Infinity}'),
        (429, {}, b"[" * 2000),
    ],
)
def test_nonsense_leaves_the_schedule_as_it_is(answer):
    with Receiver(answer) as receiver, time_machine.travel(NOON, tick=False):
        row = destination(receiver.url)
        record()
        drain(row.pk)

        assert 4 <= seconds_until_due() <= 6


def test_slack_takes_a_message_only_by_saying_ok():
    with Receiver((200, {}, b"invalid_payload"), (200, {}, b"ok")) as receiver:
        row = destination(receiver.url, format="slack")
        record()
        drain(row.pk)
        assert the_delivery().status == Status.PENDING

        send_now(the_delivery())
        drain(row.pk)
        assert the_delivery().status == Status.SENT


@pytest.mark.parametrize(
    ("name", "answer", "off"),
    [
        ("webhook", (410, {}, b""), True),
        ("webhook", (404, {}, b""), False),
        ("slack", (404, {}, b"no_service"), True),
        ("discord", (404, {}, b'{"message": "Unknown Webhook", "code": 10015}'), True),
        ("teams", (404, {}, b""), False),
    ],
)
def test_a_destination_that_is_gone_is_switched_off_and_the_others_hear_why(name, answer, off):
    with Receiver(answer) as receiver:
        row, other = destination(receiver.url, format=name), destination("http://127.0.0.1:9/", "other")
        other.subscribe(["container.stale"])
        record()
        record("waiting behind it")
        drain(row.pk)

    row.refresh_from_db()
    assert row.enabled is not off
    told = Event.objects.filter(kind=EventKind.DESTINATION_DISABLED, subject="ops")
    assert told.exists() is off
    if off:
        assert str(answer[0]) in row.disabled_reason
        assert told.get().deliveries.get(destination=other).status == Status.PENDING
        assert row.deliveries.exclude(status=Status.FAILED).filter(reason="").count() == 0
        assert not row.deliveries.filter(status=Status.PENDING).exists()


def test_five_days_of_nothing_but_failures_switch_a_destination_off():
    with Receiver(500) as receiver, time_machine.travel(NOON, tick=False) as clock:
        row = destination(receiver.url)
        for day in range(6):
            row.refresh_from_db()
            assert row.enabled, f"after {day} days"
            record(f"day {day}")
            drain(row.pk)
            clock.shift(timedelta(days=1))

    row.refresh_from_db()
    assert not row.enabled
    assert "5 days" in row.disabled_reason
    assert Event.objects.filter(kind=EventKind.DESTINATION_DISABLED).count() == 1


def test_one_success_in_between_starts_the_five_days_anew():
    with Receiver(500, 200, 500) as receiver, time_machine.travel(NOON, tick=False) as clock:
        row = destination(receiver.url)
        for number in range(3):
            record(f"event {number}")
            drain(row.pk)
            clock.shift(timedelta(days=3))
            Delivery.objects.filter(status=Status.PENDING).delete()

    row.refresh_from_db()
    assert row.enabled
    assert row.failing_since == NOON + timedelta(days=6)


@pytest.mark.parametrize("step", ["hang", "drip", "endless_headers", "endless_continue"])
def test_one_deadline_holds_whatever_the_receiver_does(step, settings):
    settings.ATTEMPT_SECONDS = 0.5
    with Receiver(step) as receiver:
        row = destination(receiver.url)
        record()
        start = time.monotonic()
        drain(row.pk)

    assert time.monotonic() - start < 1.5
    attempt = the_delivery().attempts.get()
    assert the_delivery().status == Status.PENDING
    assert "Timed out" in attempt.error or "not HTTP" in attempt.error


def test_an_endless_answer_is_read_to_64_kib_and_kept_to_2():
    with Receiver("endless_body") as receiver:
        row = destination(receiver.url)
        record()
        drain(row.pk)

    assert the_delivery().status == Status.SENT
    assert the_delivery().attempts.get().answer == "y" * 2048


@pytest.mark.parametrize("step", ["reset", "close", "garbage", "truncated"])
def test_a_broken_answer_is_tried_again_and_told_in_words(step):
    with Receiver(step) as receiver:
        row = destination(receiver.url)
        record()
        drain(row.pk)

    assert the_delivery().status == Status.PENDING
    assert the_delivery().attempts.get().error.startswith("127.0.0.1 ")


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("http://127.0.0.1:{port}/", "127.0.0.1 refused the connection."),
        ("http://nowhere.invalid/", "Name lookup failed for nowhere.invalid."),
    ],
)
def test_an_unreachable_receiver_is_tried_again(address, error):
    row = destination(address.format(port=closed_port()))
    record()
    drain(row.pk)

    assert the_delivery().status == Status.PENDING
    assert the_delivery().attempts.get().error == error


def test_a_refused_address_is_never_connected_to(settings):
    settings.PRIVATE_TARGETS = "deny"
    with Receiver() as receiver:
        row = destination(receiver.url)
        record()
        drain(row.pk)

        assert receiver.connections == 0
    assert the_delivery().status == Status.FAILED
    assert "PIERWATCH_PRIVATE_TARGETS" in the_delivery().attempts.get().error


def test_redirects_are_not_followed():
    with Receiver() as inner, Receiver((302, {"Location": inner.url}, b"")) as receiver:
        row = destination(receiver.url)
        record()
        drain(row.pk)

        assert not inner.received
    assert the_delivery().status == Status.PENDING
    assert "Redirects are not followed" in the_delivery().attempts.get().error


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        row = destination(receiver.url)
        record()
        drain(row.pk)

        assert (len(receiver.received), len(proxy.received)) == (1, 0)


def test_the_request_says_who_sends_it():
    with Receiver() as receiver:
        row = destination(receiver.url)
        record()
        drain(row.pk)

    request = receiver.received[0]
    assert request.line == "POST /hooks/top-secret-path HTTP/1.1"
    assert request.headers["user-agent"] == "Pierwatch/0.1.0"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert json.loads(request.body)["data"]["id"] == f"evt_{the_delivery().event_id}"


def test_messages_in_a_row_share_a_connection_and_survive_its_end():
    with Receiver(200, (200, {"Connection": "close"}, b""), 200) as receiver:
        row = destination(receiver.url)
        for number in range(4):
            record(f"event {number}")
        drain(row.pk)

    assert len(receiver.received) == 4
    assert receiver.connections == 2
    assert not Delivery.objects.exclude(status=Status.SENT).exists()


def test_a_certificate_is_verified(tmp_path, monkeypatch):
    authority = trustme.CA()
    with TlsReceiver(authority) as receiver:
        row = destination(receiver.url.replace("http://127.0.0.1", "https://localhost"))
        record()
        wire.tls_context.cache_clear()
        drain(row.pk)
        assert the_delivery().status == Status.PENDING
        assert the_delivery().attempts.get().error.startswith("The certificate of localhost is not valid")

        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        wire.tls_context.cache_clear()
        send_now(the_delivery())
        drain(row.pk)
    wire.tls_context.cache_clear()

    assert the_delivery().status == Status.SENT
    assert len(receiver.received) == 1


class TlsReceiver(Receiver):
    def __init__(self, authority: trustme.CA, *script: object) -> None:
        super().__init__(*script)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.context)

    def _greet(self, connection):
        return self.context.wrap_socket(connection, server_side=True)


def test_redelivery_is_new_under_the_same_id_and_leaves_the_old_as_it_was():
    with Receiver(400, 200) as receiver:
        row = destination(receiver.url)
        record()
        drain(row.pk)
        old = the_delivery()

        new = redeliver(old)
        drain(row.pk)

    new.refresh_from_db()
    assert (new.status, new.webhook_id, new.redelivery_of) == (Status.SENT, old.webhook_id, old)
    assert receiver.ids() == [old.webhook_id] * 2
    assert Delivery.objects.get(pk=old.pk).status == Status.FAILED
    assert old.attempts.count() == new.attempts.count() == 1


def test_a_test_goes_the_same_way_says_so_and_answers_at_once():
    with Receiver((202, {}, b"thanks")) as receiver:
        row = destination(receiver.url, enabled=False)
        result = send_test(row, "proxy.unhealthy")

    assert (result.ok, result.status, result.answer) == (True, 202, "thanks")
    assert result.ms >= 0
    body = json.loads(receiver.received[0].body)
    assert body["type"] == "proxy.unhealthy"
    assert body["data"]["test"] is True
    assert not Event.objects.exists()
    assert (result.delivery.status, result.delivery.test) == (Status.SENT, True)


def test_a_test_that_fails_is_not_tried_again_and_says_what_to_do():
    with Receiver((503, {}, b"")) as receiver:
        result = send_test(destination(receiver.url), "deploy.failed")

    assert not result.ok
    assert result.error == "The receiver answered 503: it has trouble of its own."
    assert result.delivery.status == Status.FAILED


def test_what_comes_back_never_shows_the_address_or_the_secret():
    secret = "whsec_" + "c2VjcmV0" * 4
    with Receiver() as receiver:
        echo = f"cannot POST {receiver.url} top-secret-path {secret}".encode()
        receiver.script = [(500, {}, echo)]
        row = destination(receiver.url, secret=secret)
        record()
        drain(row.pk)

    answer = the_delivery().attempts.get().answer
    assert "cannot POST" in answer
    assert "top-secret" not in answer
    assert "c2VjcmV0" not in answer


def test_a_burst_above_the_rate_becomes_one_message_that_names_every_event():
    with Receiver((200, {}, b"ok")) as receiver:
        row = destination(receiver.url, format="slack")
        names = [f"host-{number}" for number in range(9)]
        for name in names:
            record(name)
        start = time.monotonic()
        drain(row.pk)
        assert len(receiver.received) == 1
        record("later")
        drain(row.pk)

        assert receiver.received[1].at - start >= 1.0
    assert all(name.encode() in receiver.received[0].body for name in names)
    assert len(receiver.received) == 2
    digests = set(Delivery.objects.filter(event__subject__in=names).values_list("status", "digest"))
    assert len(digests) == 1
    assert Delivery.objects.filter(status=Status.SENT, attempts__status=200).count() == 10


def test_a_digest_keeps_its_id_and_its_events_until_it_arrives():
    with Receiver(500, (200, {}, b"ok")) as receiver, time_machine.travel(NOON, tick=False) as clock:
        row = destination(receiver.url, format="teams")
        for number in range(5):
            record(f"host-{number}")
        drain(row.pk)
        digest = set(Delivery.objects.values_list("digest", flat=True))
        clock.shift(timedelta(seconds=10))
        record("one more")
        drain(row.pk)
        clock.shift(timedelta(seconds=10))
        drain(row.pk)

    assert set(Delivery.objects.exclude(event__subject="one more").values_list("digest", flat=True)) == digest
    assert b"one more" not in receiver.received[1].body
    assert not Delivery.objects.exclude(status=Status.SENT).exists()


def test_one_bad_event_does_not_take_its_digest_along():
    with Receiver((400, {}, b"invalid_payload"), (200, {}, b"ok"), (400, {}, b""), (200, {}, b"ok")) as receiver:
        row = destination(receiver.url, format="slack")
        for number in range(3):
            record(f"host-{number}")
        drain(row.pk)

    assert len(receiver.received) == 4
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["failed", "sent", "sent"]


def test_discord_says_when_its_bucket_is_empty():
    empty = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "0.8"}
    with Receiver((204, empty, b""), 204) as receiver:
        row = destination(receiver.url, format="discord")
        record("one")
        drain(row.pk)
        record("two")
        drain(row.pk)

    assert receiver.received[1].at - receiver.received[0].at >= 0.8


def test_more_than_the_hour_allows_come_as_one_digest_when_it_is_over():
    with Receiver() as receiver, time_machine.travel(NOON, tick=False) as clock:
        row = destination(receiver.url, messages_per_hour=2)
        for number in range(5):
            record(f"host-{number}")
            drain(row.pk)
            clock.shift(timedelta(minutes=1))
        assert len(receiver.received) == 2
        assert set(Delivery.objects.filter(status=Status.PENDING).values_list("reason", flat=True)) == {Reason.RATE}

        clock.move_to(NOON + timedelta(minutes=60, seconds=1))
        drain(row.pk)

    assert len(receiver.received) == 3
    assert all(f"host-{number}".encode() in receiver.received[2].body for number in (2, 3, 4))
    assert not Delivery.objects.exclude(status=Status.SENT).exists()


def test_a_lane_is_taken_by_one_sender_at_a_time():
    with Receiver() as receiver:
        row = destination(receiver.url)
        record()
        assert Destination.objects.claim_lane(row.pk, timezone.now())

        assert drain(row.pk) == 0
        with time_machine.travel(timezone.now() + timedelta(seconds=31)):  # whoever took it died
            assert drain(row.pk) == 1


def test_mail_goes_through_djangos_backend():
    row = destination("ops@example.org", format="email")
    record()
    drain(row.pk)

    assert the_delivery().status == Status.SENT
    assert mail.outbox[0].to == ["ops@example.org"]
    assert "local" in mail.outbox[0].body or "web-1" in mail.outbox[0].body
