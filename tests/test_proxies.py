"""Proxied routes on real rows: found, checked, and told once when they fail and recover."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from threading import Barrier, Thread
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django_celery_beat.models import PeriodicTask

from config.celery import app
from monitoring import proxies
from monitoring.models import Event, EventKind, Host, Instance, Project, Proxy, Stage, State
from monitoring.models.proxy import ProxySource, ProxyState
from monitoring.probe import Verdict
from monitoring.routes import Route

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db
GOOD, BAD = Verdict(True, 200, latency_ms=5), Verdict(False, 502, "bad_gateway", "app")


@pytest.fixture
def web(db: None) -> Instance:
    stage = Stage.objects.create(project=Project.objects.create(slug="shop", name="shop"), slug="prod")
    return Instance.objects.create(
        host=Host.objects.create(name="local", url="unix:///x"),
        stage=stage,
        slot="web-1",
        name="web-1",
        state=State.RUNNING,
        addresses={"none": "", "front": "172.18.0.2"},
    )


@pytest.fixture
def shop(web: Instance) -> Proxy:
    Proxy.objects.reconcile(web, [Route("http://shop.example.org", 8080, "traefik")])
    return Proxy.objects.get()


def check(proxy: Proxy, *verdicts: Verdict, start: int = 0) -> None:
    for minute, verdict in enumerate(verdicts, start):
        seen = Proxy.objects.select_related("instance__host", "host").get(pk=proxy.pk)
        proxies.note(seen, verdict, NOON + minute * MINUTE)
    proxy.refresh_from_db()


def told() -> list[str]:
    return list(Event.objects.order_by("pk").values_list("kind", flat=True))


def test_three_bad_checks_are_one_event_and_two_good_ones_the_recovery(shop: Proxy) -> None:
    check(shop, GOOD, BAD, BAD)
    assert (shop.state, told()) == (ProxyState.HEALTHY, [])
    check(shop, BAD, BAD, BAD, start=3)
    assert (shop.state, shop.since, told()) == (ProxyState.UNHEALTHY, NOON + 3 * MINUTE, ["proxy.unhealthy"])
    check(shop, GOOD, start=6)
    assert told() == ["proxy.unhealthy"]
    check(shop, GOOD, GOOD, start=7)

    assert told() == ["proxy.unhealthy", "proxy.recovered"]
    failure, recovery = Event.objects.order_by("pk")
    expected = {"cause": "bad_gateway", "fault": "app", "status": 502, "checks": 3, "instance": "web-1"}
    assert failure.parameters == expected
    assert recovery.parameters == {"seconds": 240, "latency_ms": 5}
    assert (failure.proxy, failure.stage, failure.resolved_at) == (shop, shop.stage, NOON + 7 * MINUTE)
    assert (shop.state, shop.cause, shop.fault) == (ProxyState.HEALTHY, "", "")


def test_a_route_that_flaps_is_not_told(shop: Proxy) -> None:
    check(shop, *[GOOD, BAD, BAD] * 5)

    assert told() == []


def test_the_first_good_check_makes_an_unknown_route_healthy_without_a_word(shop: Proxy) -> None:
    assert shop.state == ProxyState.UNKNOWN
    check(shop, GOOD)

    assert (shop.state, told()) == (ProxyState.HEALTHY, [])


def test_while_its_host_is_unreachable_a_route_is_quiet(shop: Proxy, web: Instance) -> None:
    check(shop, GOOD)
    Host.objects.update(unreachable_since=NOON)
    check(shop, *[BAD] * 9, start=1)

    assert (shop.state, told()) == (ProxyState.HEALTHY, [])
    Host.objects.update(unreachable_since=None)
    check(shop, *[BAD] * 3, start=10)
    assert told() == ["proxy.unhealthy"]


def test_a_container_that_does_not_run_is_at_fault(shop: Proxy, web: Instance) -> None:
    Instance.objects.update(state=State.EXITED)
    check(shop, *[Verdict(False, None, "timeout")] * 3)

    assert shop.fault == "app"


def test_two_containers_behind_one_address_fail_as_one(shop: Proxy, web: Instance) -> None:
    other = Instance.objects.create(host=web.host, stage=web.stage, slot="web-2", name="web-2", state=State.RUNNING)
    Proxy.objects.reconcile(other, [Route("http://shop.example.org", 8080, "traefik")])
    for proxy in Proxy.objects.all():
        check(proxy, BAD, BAD, BAD)
    for proxy in Proxy.objects.all():
        check(proxy, GOOD, GOOD, start=3)

    assert told() == ["proxy.unhealthy", "proxy.recovered"]


def certificate(days: float) -> Verdict:
    return Verdict(True, 200, certificate_expires_at=NOON + timedelta(days=days))


def test_a_certificate_is_warned_about_21_7_and_1_days_ahead_once_each(shop: Proxy) -> None:
    for day in range(40):
        seen = Proxy.objects.select_related("instance__host", "host").get()
        proxies.note(seen, certificate(30), NOON + timedelta(days=day))

    warned = Event.objects.filter(kind=EventKind.PROXY_CERTIFICATE_EXPIRING).order_by("pk")
    assert [event.parameters["days"] for event in warned] == [21, 7, 1]
    assert {event.subject for event in warned} == {"shop.example.org"}


def test_a_renewed_certificate_is_warned_about_anew(shop: Proxy) -> None:
    check(shop, certificate(5), certificate(5), certificate(90), certificate(90), certificate(90))
    proxies.note(shop, certificate(90), NOON + timedelta(days=88))

    assert told() == ["proxy.certificate_expiring"] * 2


def test_routes_that_share_a_name_share_the_warning(shop: Proxy, web: Instance) -> None:
    Proxy.objects.reconcile(web, [Route(f"http://shop.example.org{path}", 80, "traefik") for path in ("", "/a", "/b")])
    for proxy in Proxy.objects.all():
        check(proxy, certificate(5))

    assert told() == ["proxy.certificate_expiring"]


# --- rows -------------------------------------------------------------------------------------------------------


def test_routes_are_matched_and_what_an_administrator_added_stays(shop: Proxy, web: Instance) -> None:
    by_hand = Proxy.objects.create(address="http://by.hand", instance=web, source=ProxySource.ADMIN)
    check(shop, GOOD)
    Proxy.objects.reconcile(
        web, [Route("http://shop.example.org", 9090, "traefik"), Route("http://new.example.org", 80, "caddy")]
    )
    shop.refresh_from_db()

    assert (shop.port, shop.state) == (9090, ProxyState.HEALTHY)
    assert Proxy.objects.count() == 3
    Proxy.objects.reconcile(web, [])
    assert Proxy.objects.get() == by_hand


def test_matching_many_instances_takes_one_query_when_nothing_changed(
    web: Instance, django_assert_num_queries: Any
) -> None:
    others = [
        Instance.objects.create(host=web.host, stage=web.stage, slot=f"w{n}", name=f"w{n}", state=State.RUNNING)
        for n in range(20)
    ]
    found = [(row, [Route(f"http://{row.name}.example.org", 80, "traefik")]) for row in others]
    Proxy.objects.reconcile_all(found)

    with django_assert_num_queries(1):
        Proxy.objects.reconcile_all(found)
    assert Proxy.objects.count() == 20


def test_a_route_that_is_due_is_claimed_by_one(shop: Proxy) -> None:
    assert Proxy.objects.claim_due(NOON, MINUTE) == [shop.pk]
    assert Proxy.objects.claim_due(NOON, MINUTE) == []
    assert Proxy.objects.claim_due(NOON + MINUTE, MINUTE) == [shop.pk]


@pytest.mark.django_db(transaction=True)
def test_of_concurrent_claims_each_route_goes_to_one(web: Instance) -> None:
    Proxy.objects.reconcile(web, [Route(f"http://s{number}.example.org", 80, "traefik") for number in range(10)])
    start, claimed = Barrier(4), []

    def claim() -> None:
        start.wait()
        claimed.extend(Proxy.objects.claim_due(NOON, MINUTE))
        connection.close()

    threads = [Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(claimed) == len(set(claimed)) == 10


def test_switched_off_routes_and_those_of_removed_containers_are_left_alone(shop: Proxy, web: Instance) -> None:
    Instance.objects.update(state=State.REMOVED)
    by_hand = Proxy.objects.create(address="http://by.hand", instance=web, source=ProxySource.ADMIN)
    Proxy.objects.create(address="http://off", enabled=False)

    assert Proxy.objects.claim_due(NOON, MINUTE) == [by_hand.pk]
    assert proxies.check(shop.pk) is None


def test_the_schedules_name_tasks_that_exist() -> None:

    app.loader.import_default_modules()
    import_module("config.migrations.0003_judge_and_probe").install(apps, None)  # another test may have emptied all
    scheduled = set(PeriodicTask.objects.filter(task__startswith="monitoring.").values_list("task", flat=True))

    wanted = {"monitoring.judge_deployments", "monitoring.probe_proxies", "monitoring.close_incidents"}
    assert wanted <= scheduled <= set(app.tasks)


def test_routes_of_a_host_that_is_not_watched_any_more_are_left_alone(shop: Proxy) -> None:
    Host.objects.update(enabled=False)

    assert Proxy.objects.claim_due(NOON, MINUTE) == []


PORTS = [
    {"container": 8080, "host": 80, "address": "127.0.0.1"},
    {"container": 8080, "host": 8088, "address": "0.0.0.0"},
]


@pytest.mark.parametrize(
    ("host_url", "fields", "expected"),
    [
        ("unix:///x", {}, "http://172.18.0.2:8080/a?b=1"),
        ("unix:///x", {"state": State.EXITED}, None),
        ("unix:///x", {"addresses": {"host": ""}}, None),
        ("unix:///x", {"addresses": {"six": "fd00::2"}}, "http://[fd00::2]:8080/a?b=1"),
        ("tcp://10.0.0.7:2376", {}, None),
        ("tcp://10.0.0.7:2376", {"ports": PORTS}, "http://10.0.0.7:8088/a?b=1"),
        ("ssh://me@nas", {"ports": PORTS}, "http://nas:8088/a?b=1"),
    ],
)
def test_the_container_is_asked_directly_where_it_can_be(
    web: Instance, host_url: str, fields: dict[str, Any], expected: str | None
) -> None:
    web.host.url = host_url
    for name, value in fields.items():
        setattr(web, name, value)
    proxy = Proxy(address="https://shop.example.org/a?b=1", instance=web, port=8080)

    assert proxy.direct_address() == expected


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def httpd() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.server_close()


def test_a_server_that_stops_is_told_once_and_its_return_too(web: Instance, httpd: ThreadingHTTPServer) -> None:
    address = httpd.server_address
    Proxy.objects.reconcile(web, [Route(f"http://127.0.0.1:{address[1]}", None, "label")])
    proxy_id = Proxy.objects.get().pk
    proxies.check(proxy_id)
    httpd.shutdown()
    httpd.server_close()
    for _ in range(4):
        proxies.check(proxy_id)
    assert told() == ["proxy.unhealthy"]

    again = ThreadingHTTPServer(address, Shop)
    Thread(target=again.serve_forever, args=(0.05,), daemon=True).start()
    for _ in range(3):
        proxies.check(proxy_id)
    again.shutdown()
    again.server_close()

    assert told() == ["proxy.unhealthy", "proxy.recovered"]
    assert Event.objects.first().parameters["latency_ms"] is not None
