"""The stream as its readers see it, through a real Daphne."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from dashboard import live, tokens
from dashboard.live import announcements
from dashboard.live import hub as hubs
from dashboard.models import ApiToken, Scope
from monitoring.models import Event, EventKind, Host, Instance, Latest, State
from monitoring.signals import instances_changed, samples_taken
from tests import world
from tests.streaming import Daphne, event_source, soon


@pytest.fixture
def token(transactional_db: None) -> str:
    return tokens.create("test", Scope.READ)[1]


@pytest.fixture
def fleet(transactional_db: None) -> list[Instance]:
    return world.build(12, hosts=("nas",))


@pytest.fixture(autouse=True)
def _nobody_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test ends with an empty hub: a reader that left is gone."""
    yield
    assert soon(lambda: not readers()), "a reader stayed in the hub"


def readers() -> list[hubs.Reader]:
    return [reader for hub in list(hubs._hubs.values()) for reader in list(hub.readers)]


def sweep(host: Host, cpu: float = 50.0) -> None:
    """Announce a sweep of HOST as the sampler does, from another thread than the server's."""
    rows = list(Latest.objects.filter(instance__host=host))
    for row in rows:
        row.cpu_percent = cpu
    samples_taken.send(sender=None, host_id=host.pk, sampled_at=timezone.now(), latest=rows)


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def test_a_reader_gets_hello_and_the_newest_snapshot_at_once(
    live_server_url: str, token: str, fleet: list[Instance]
) -> None:
    with event_source(live_server_url, token=token) as source:
        frames = source.frames()
        assert next(frames) == {"retry": "3000"}
        assert next(frames).content == {"version": settings.VERSION, "interval": 30}
        stats = next(frames)
        assert stats.type == "container_stats"
        assert stats.content["host"] == "nas"
        live_ones = {row.pk for row in fleet if row.state == State.RUNNING}
        assert {record["instance"] for record in stats.content["stats"]} == live_ones
        assert set(stats.content["stats"][0]) == {
            "instance",
            "cpu_percent",
            "cpu_share_percent",
            "memory_used_bytes",
            "memory_percent",
        }
        assert next(frames).type == "system_health"


def test_the_answer_is_neither_buffered_nor_compressed_nor_stored(live_server_url: str, token: str) -> None:
    with event_source(live_server_url, token=token, Accept_Encoding="gzip, br") as source:
        assert source.headers["Content-Type"].startswith("text/event-stream")
        assert source.headers["X-Accel-Buffering"] == "no"
        assert "no-cache" in source.headers["Cache-Control"]
        assert source.headers["Content-Encoding"] is None


def test_a_sweep_in_another_thread_reaches_an_open_page(
    live_server_url: str, token: str, fleet: list[Instance]
) -> None:
    with event_source(live_server_url, token=token) as source:
        source.next("container_stats")
        thread = threading.Thread(target=sweep, args=(fleet[0].host, 87.5))
        thread.start()
        assert {record["cpu_percent"] for record in source.next("container_stats").content["stats"]} == {87.5}
        thread.join()
        assert source.next("system_health").content["hosts_total"] == 1


def test_a_reader_may_ask_for_the_whole_shape(live_server_url: str, token: str, fleet: list[Instance]) -> None:
    with event_source(live_server_url, "/api/stream?full=1&types=container_stats", token=token) as source:
        assert source.next("container_stats").content["stats"][0]["name"]
        Latest.objects.update(cpu_percent=12.5, sampled_at=timezone.now())
        sweep(fleet[0].host)
        record = source.next("container_stats").content["stats"][0]
        assert record["cpu_percent"] == 12.5
        assert record["project"]


def test_filters_narrow_the_stream(live_server_url: str, token: str, fleet: list[Instance]) -> None:
    wanted = fleet[0].stage
    path = f"/api/stream?project={wanted.project.slug}&stage={wanted.slug}&types=container_stats,event"
    with event_source(live_server_url, path, token=token) as source:
        frames = source.frames()
        assert [next(frames).type for _ in range(3)] == ["", "hello", "container_stats"]
        sweep(fleet[0].host)
        in_stage = {row.pk for row in fleet if row.stage_id == wanted.pk}
        assert {record["instance"] for record in next(frames).content["stats"]} <= in_stage
        other = next(row.stage for row in fleet if row.stage_id != wanted.pk)
        Event.objects.record(EventKind.DEPLOY_STARTED, subject="elsewhere", stage=other)
        Event.objects.record(EventKind.DEPLOY_STARTED, subject="here", stage=wanted)
        assert next(frames).content["subject"] == "here"


def test_a_changed_instance_is_told_in_the_shape_of_rest(
    live_server_url: str, token: str, fleet: list[Instance], client: Client
) -> None:
    row = next(row for row in fleet if row.state == State.RUNNING)
    with event_source(live_server_url, token=token) as source:
        source.next("hello")
        Instance.objects.filter(pk=row.pk).update(state=State.EXITED, exit_code=137)
        instances_changed.send(sender=None, host_id=row.host_id, instance_ids=[row.pk])
        told = source.next("instance").content
    address = f"/api/projects/{row.stage.project.slug}/stages/{row.stage.slug}/instances/{row.pk}"
    assert told == client.get(address, headers={"Authorization": f"Bearer {token}"}).json()
    assert (told["state"], told["exit_code"], told["cpu_percent"]) == ("exited", 137, None)


def test_very_many_changes_ask_readers_to_read_anew(live_server_url: str, token: str) -> None:
    with event_source(live_server_url, token=token) as source:
        source.next("hello")
        instances_changed.send(sender=None, host_id=1, instance_ids=list(range(1000)))
        assert source.next("resync").content == {}


def test_an_event_is_told_once_it_is_committed_and_replayed_to_who_missed_it(
    live_server_url: str, token: str, fleet: list[Instance]
) -> None:
    stage = fleet[0].stage
    with event_source(live_server_url, token=token) as source:
        source.next("hello")
        first = Event.objects.record(EventKind.CONTAINER_CRASHED, subject="web-1", stage=stage)
        frame = source.next("event")
        assert (frame["id"], frame.content["subject"]) == (str(first.pk), "web-1")
        assert frame.content["title"]
    missed = [Event.objects.record(EventKind.DEPLOY_STARTED, subject=f"v{n}", stage=stage).pk for n in range(3)]
    with event_source(live_server_url, token=token, Last_Event_ID=frame["id"]) as source:
        assert [int(source.next("event")["id"]) for _ in missed] == missed


def test_more_missed_events_than_can_be_replayed_ask_to_read_anew(
    live_server_url: str, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.live.snapshot.MOST_REPLAYED", 2)
    for number in range(3):
        Event.objects.record(EventKind.DEPLOY_STARTED, subject=f"v{number}")
    with event_source(live_server_url, "/api/stream?last_event_id=0", token=token) as source:
        assert source.next("resync")


def test_a_quiet_stream_shows_that_it_lives(live_server_url: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "BEAT_SECONDS", 0.05)
    with event_source(live_server_url, token=token) as source:
        assert next(frame for frame in source.frames() if "comment" in frame)


def test_a_stream_ends_soon_after_its_session(
    live_server_url: str, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "BEAT_SECONDS", 0.05)
    user = User.objects.create_user("anna", password="x")
    with event_source(live_server_url, Cookie=session_of(user)) as source:
        source.next("hello")
        User.objects.update(is_active=False)
        assert all(frame.type != "event" for frame in source.frames())  # comes to its end


def test_a_stream_ends_soon_after_its_token(live_server_url: str, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "BEAT_SECONDS", 0.05)
    with event_source(live_server_url, token=token) as source:
        source.next("hello")
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert list(source.frames())[-1].get("comment") is not None


@pytest.mark.parametrize(
    ("headers", "path", "status", "word"),
    [
        ({}, "/api/stream", 401, "token"),
        ({"Authorization": "Bearer pw_wrong"}, "/api/stream", 401, "expired"),
        ({"Cookie": "pierwatch_session=nonsense"}, "/api/stream", 401, "Sign in"),
        ({"Accept": "application/json"}, "/api/stream", 406, "text/event-stream"),
        ({"Origin": "https://evil.example"}, "/api/stream", 403, "evil.example"),
    ],
)
def test_who_may_not_listen_is_told_why(
    live_server_url: str, headers: dict[str, str], path: str, status: int, word: str
) -> None:
    with event_source(live_server_url, path, **headers) as source:
        assert source.status == status
        assert word in json.loads(source.response.read())["detail"]


def test_wrong_types_are_named(live_server_url: str, token: str) -> None:
    with event_source(live_server_url, "/api/stream?types=event,nonsense", token=token) as source:
        assert source.status == 422
        assert "nonsense" in json.loads(source.response.read())["detail"]


def test_only_get_is_possible(live_server_url: str) -> None:
    answer = requests.post(f"{live_server_url}/api/stream", timeout=5)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert "GET" in answer.json()["detail"]


def test_too_many_readers_are_told_so(live_server_url: str, token: str, settings: object) -> None:
    settings.STREAM_CLIENTS = 1
    with event_source(live_server_url, token=token) as first, event_source(live_server_url, token=token) as second:
        assert (first.status, second.status) == (200, 503)
        assert "PIERWATCH_STREAM_CLIENTS" in json.loads(second.response.read())["detail"]


def test_a_hundred_open_streams_hold_no_threads(live_server_url: str, token: str) -> None:
    with ExitStack() as stack:
        stack.enter_context(event_source(live_server_url, token=token)).next("system_health")
        before = threading.active_count()
        for _ in range(100):
            stack.enter_context(event_source(live_server_url, token=token))
        assert soon(lambda: len(readers()) == 101)
        assert threading.active_count() - before <= 2


def test_a_slow_reader_loses_old_snapshots_and_slows_nobody(live_server_url: str, token: str, daphne: Daphne) -> None:
    padding = "x" * 100_000
    with (
        event_source(live_server_url, "/api/stream?types=container_stats", token=token, receive_buffer=4096) as slow,
        event_source(live_server_url, "/api/stream?types=container_stats", token=token) as quick,
    ):
        slow.next("hello")
        quick.next("hello")
        for number in range(200):
            live.broadcast("container_stats", {"host": "nas", "number": number, "padding": padding})
            assert quick.next("container_stats").content["number"] == number
        started = time.monotonic()
        numbers = [slow.next("container_stats").content["number"]]
        while numbers[-1] != 199:
            numbers.append(slow.next("container_stats").content["number"])
        assert numbers == sorted(numbers)
        assert len(numbers) < 150, "everything was buffered"
        assert time.monotonic() - started < 10


def test_a_reader_that_loses_events_is_told_to_read_anew() -> None:
    async def overflow() -> list[bytes]:
        reader = hubs.Reader(hubs.Wishes())
        for number in range(hubs.MOST_WAITING + 5):
            reader.offer(f"event:{number}", b"event\n\n")
        return await reader.take()

    frames = asyncio.run(overflow())
    assert len(frames) == 6
    assert b"event: resync" in frames[0]


def test_a_lost_message_is_noticed_by_the_gap_it_leaves(live_server_url: str, token: str) -> None:
    with event_source(live_server_url, token=token) as source:
        source.next("system_health")
        live.broadcast("delivery", {"id": 1})
        assert source.next("delivery").content == {"id": 1}
        announcements._sender.stamp()  # a message that never arrives
        live.broadcast("delivery", {"id": 2})
        frames = source.frames()
        assert [next(frames).type for _ in range(2)] == ["resync", "delivery"]


def test_a_websocket_hears_the_same(live_server_url: str, token: str, fleet: list[Instance]) -> None:
    address = live_server_url.replace("http", "ws") + "/ws/stream"
    with connect(address, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        received = [json.loads(socket.recv(5)) for _ in range(3)]
        assert [message["type"] for message in received] == ["hello", "container_stats", "system_health"]
        sweep(fleet[0].host, 33.0)
        message = json.loads(socket.recv(5))
        assert message["type"] == "container_stats"
        assert message["data"]["stats"][0]["cpu_percent"] == 33.0


def test_a_websocket_of_our_own_page_opens_by_session(live_server_url: str, transactional_db: None) -> None:
    cookie = session_of(User.objects.create_user("anna", password="x"))
    address = live_server_url.replace("http", "ws") + "/ws/stream"
    with connect(address, origin=live_server_url, additional_headers={"Cookie": cookie}) as socket:
        assert json.loads(socket.recv(5))["type"] == "hello"


def test_a_websocket_of_another_site_is_not_opened(live_server_url: str, transactional_db: None) -> None:
    cookie = session_of(User.objects.create_user("anna", password="x"))
    address = live_server_url.replace("http", "ws") + "/ws/stream"
    with (
        pytest.raises(InvalidStatus),
        connect(address, origin="https://evil.example", additional_headers={"Cookie": cookie}),
    ):
        pass


def test_a_websocket_without_a_right_is_closed_with_the_reason(live_server_url: str) -> None:
    address = live_server_url.replace("http", "ws") + "/ws/stream"
    with connect(address, additional_headers={"Authorization": "Bearer pw_wrong"}) as socket:
        assert "expired" in json.loads(socket.recv(5))["data"]["detail"]
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(5)
    assert closed.value.rcvd.code == 4401


def test_nothing_reaches_the_sampler_when_the_layer_is_down(settings: object, caplog: pytest.LogCaptureFixture) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
        }
    }
    live.broadcast("delivery", {})
    assert "Open pages could not be told" in caplog.text


def test_a_table_of_events_is_streamed_in_pieces(live_server_url: str, token: str) -> None:
    for number in range(3):
        Event.objects.record(EventKind.DEPLOY_STARTED, subject=f"v{number}")
    address = f"{live_server_url}/api/events?format=csv"
    answer = requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=5)
    assert [line.split(",")[6] for line in answer.text.splitlines()] == ["subject", "v2", "v1", "v0"]
