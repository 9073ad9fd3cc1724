"""The stream over a real Redis that comes and goes."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard import live, tokens
from dashboard.live import hub as hubs
from dashboard.models import Scope
from tests.streaming import event_source, soon

pytestmark = pytest.mark.scaled


class Redis:
    """A Redis server on a port of its own that can be killed and started again."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._program = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        assert soon(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self._program.kill()
        self._program.wait()


@pytest.fixture
def redis(settings: Any) -> Iterator[Redis]:
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    server = Redis()
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": server.url, "socket_timeout": None}]},
        }
    }
    yield server
    server.kill()


@pytest.fixture
def token(transactional_db: None) -> str:
    return tokens.create("test", Scope.READ)[1]


def test_an_open_page_survives_a_lost_redis_and_is_told_to_read_anew(
    live_server_url: str, token: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    with event_source(live_server_url, "/api/stream?types=delivery", token=token) as source:
        source.next("hello")
        live.broadcast("delivery", {"id": 1})
        assert source.next("delivery").content == {"id": 1}
        redis.kill()
        live.broadcast("delivery", {"id": 2})
        assert "Open pages could not be told" in caplog.text
        redis.start()
        heard: list[str] = []

        def is_heard_again() -> bool:
            live.broadcast("delivery", {"id": 3})
            return bool(heard)

        thread = threading.Thread(target=lambda: heard.append(next(f.type for f in source.frames() if f.type)))
        thread.start()
        assert soon(is_heard_again)
        thread.join()
        assert heard == ["resync"]


def test_a_page_opens_without_redis_and_hears_again_when_it_is_back(
    live_server_url: str, token: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "SECONDS_TO_JOIN", 0.1)
    redis.kill()
    with event_source(live_server_url, token=token) as source:
        assert source.next("hello")
        redis.start()
        (hub,) = [hub for hub in list(hubs._hubs.values()) if hub.readers]
        assert soon(hub._ready.is_set)
        live.broadcast("delivery", {"id": 1})
        assert source.next("delivery").content == {"id": 1}
