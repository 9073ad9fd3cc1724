"""REST: what is answered, to whom, and in what words when it is not."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from dashboard import tokens
from dashboard.api.root import api
from dashboard.models import ApiToken, Scope
from monitoring.models import (
    Change,
    Deployment,
    Event,
    EventKind,
    Health,
    Host,
    Instance,
    Latest,
    Preferences,
    Project,
    Proxy,
    Stage,
    State,
)
from tests import world
from tests.simulated_engine import SimulatedEngine

pytestmark = pytest.mark.django_db

FIGURES = {
    "cpu_percent": 100.19,
    "cpu_share_percent": 50.1,
    "memory_used_bytes": 561152,
    "memory_limit_bytes": 25276514304,
    "memory_percent": 0.0,
    "memory_cache_bytes": 0,
    "network_rx_bytes": 1112,
    "network_tx_bytes": 0,
    "block_read_bytes": 0,
    "block_write_bytes": 0,
    "pids": 1,
}


class Caller:
    """A program with a token."""

    def __init__(self, scope: Scope = Scope.READ) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {tokens.create('test', scope)[1]}"})

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = self.client.get(path, query)
        assert answer.status_code == status, answer.content
        return answer.json()

    def refusal(self, path: str, status: int, **query: Any) -> str:
        return str(self.get(path, status, **query)["detail"])


@pytest.fixture
def call() -> Caller:
    cache.clear()
    return Caller()


@pytest.fixture
def host() -> Host:
    now = timezone.now()
    return Host.objects.create(name="local", url="unix:///x", reachable_since=now, sampled_at=now, checked_at=now)


@pytest.fixture
def stage() -> Stage:
    return Stage.objects.create(project=Project.objects.create(slug="shop", name="Shop"), slug="production")


@pytest.fixture
def web(host: Host, stage: Stage) -> Instance:
    return instance(host, stage, "shop-web-1")


def instance(host: Host, stage: Stage, name: str, container_id: str = "1a4e6f99a0bf" + "0" * 52, **fields: Any) -> Any:
    given = {"state": State.RUNNING, "health": Health.HEALTHY, "cpu_limit_cores": 2.0} | fields
    row = Instance.objects.create(host=host, stage=stage, slot=name, name=name, container_id=container_id, **given)
    Latest.objects.create(instance=row, container_id=container_id, sampled_at=timezone.now(), **FIGURES)
    return row


WEB = "/api/projects/shop/stages/production/instances/shop-web-1"


# --- figures -------------------------------------------------------------------------------------------------------
def test_stats_have_the_promised_shape(call: Caller, web: Instance) -> None:
    stats = call.get(f"{WEB}/stats")
    promised = FIGURES | {
        "instance": web.pk,
        "name": "shop-web-1",
        "host": "local",
        "project": "shop",
        "stage": "production",
        "container_id": "1a4e6f99a0bf",
        "state": "running",
        "health": "healthy",
        "cpu_limit_cores": 2.0,
        "restarts": 0,
        "stale": False,
    }
    assert {name: stats[name] for name in promised} == promised
    assert stats["sampled_at"].endswith("Z")
    assert len(stats["sampled_at"]) == len("2026-11-23T21:42:41.455Z")


def test_a_stopped_instance_has_null_figures_and_tells_when_it_ran(call: Caller, web: Instance) -> None:
    ran = timezone.now() - timedelta(hours=1)
    Instance.objects.update(state=State.EXITED, exit_code=137, seen_running_at=ran)
    stats = call.get(f"{WEB}/stats")
    assert {stats[name] for name in FIGURES} == {None}
    assert (stats["state"], stats["exit_code"]) == ("exited", 137)
    assert stats["seen_running_at"].startswith(f"{ran:%Y-%m-%dT%H:%M}")


def test_figures_that_are_too_old_to_be_current_are_null(call: Caller, web: Instance) -> None:
    then = timezone.now() - timedelta(seconds=91)
    Latest.objects.update(sampled_at=then)
    stats = call.get(f"{WEB}/stats")
    assert {stats[name] for name in FIGURES} == {None}
    assert stats["sampled_at"].startswith(f"{then:%Y-%m-%dT%H:%M:%S}")
    Preferences(sample_seconds=60).save()
    assert call.get(f"{WEB}/stats")["cpu_percent"] == FIGURES["cpu_percent"]


def test_figures_of_a_host_that_does_not_answer_are_null(call: Caller, web: Instance) -> None:
    Host.objects.update(unreachable_since=timezone.now())
    stats = call.get(f"{WEB}/stats")
    assert (stats["state"], stats["cpu_percent"], stats["sampled_at"] is not None) == ("unknown", None, True)


def test_figures_of_the_container_before_are_not_shown_for_its_successor(call: Caller, web: Instance) -> None:
    Instance.objects.update(container_id="f" * 64)
    assert call.get(f"{WEB}/stats")["cpu_percent"] is None


def test_an_instance_is_found_by_id_name_and_container_id(call: Caller, web: Instance) -> None:
    place = "/api/projects/shop/stages/production/instances/"
    for iid in (str(web.pk), "shop-web-1", "1a4e6f99a0bf", web.container_id):
        assert call.get(f"{place}{iid}")["instance"] == web.pk
    call.refusal(f"{place}1a4e6f99a0b", 404)  # 11 characters


def test_an_id_wins_over_a_container_that_is_named_like_it(call: Caller, web: Instance) -> None:
    instance(web.host, web.stage, str(web.pk), "2" * 64)
    assert call.get(f"/api/projects/shop/stages/production/instances/{web.pk}")["name"] == "shop-web-1"


def test_a_name_on_two_hosts_is_answered_with_the_candidates(call: Caller, web: Instance) -> None:
    twin = instance(Host.objects.create(name="nas", url="tcp://x"), web.stage, "shop-web-1", "2" * 64)
    detail = call.refusal(WEB, 409)
    assert f"{web.pk} (local)" in detail
    assert f"{twin.pk} (nas)" in detail


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/projects/nope", ["project", "nope"]),
        ("/api/projects/nope/stages/production/instances/shop-web-1/stats", ["project", "nope"]),
        ("/api/projects/shop/stages/nope/instances", ["stage", "nope", "shop"]),
        ("/api/projects/shop/stages/nope/instances/shop-web-1", ["stage", "nope", "shop"]),
        ("/api/projects/shop/stages/production/instances/nope/stats", ["instance", "nope", "shop/production"]),
        ("/api/nope", ["/api/docs"]),
    ],
)
def test_what_does_not_exist_is_named(call: Caller, web: Instance, path: str, words: list[str]) -> None:
    detail = call.refusal(path, 404)
    assert all(word in detail for word in words), detail


def test_fresh_figures_come_from_the_engine_now(call: Caller, web: Instance, simulated_engine: SimulatedEngine) -> None:
    made = simulated_engine.add("shop-web-1", cpu_cores=0.5)
    Host.objects.update(url=simulated_engine.url)
    Instance.objects.update(container_id=made.id)
    Latest.objects.all().delete()
    assert call.get(f"{WEB}/stats")["memory_used_bytes"] is None
    before = timezone.now()
    stats = call.get(f"{WEB}/stats", fresh=1)
    assert stats["memory_used_bytes"] > 0
    assert datetime.fromisoformat(stats["sampled_at"]) >= before - timedelta(milliseconds=1)
    Instance.objects.update(state=State.EXITED)
    assert call.get(f"{WEB}/stats", fresh=1)["memory_used_bytes"] is None


def test_fresh_figures_of_an_absent_engine_are_refused_with_the_fix(call: Caller, web: Instance) -> None:
    Host.objects.update(url="unix:///nowhere/docker.sock")
    assert "/nowhere/docker.sock" in call.refusal(f"{WEB}/stats", 503, fresh=1)


# --- lists ---------------------------------------------------------------------------------------------------------
def test_a_list_asks_each_table_once_whatever_the_number(call: Caller, django_assert_num_queries: Any) -> None:
    world.build(300)
    call.get("/api/hosts")  # notes the use of the token
    with django_assert_num_queries(1 + 2):  # token; instances with all relations, preferences
        assert len(call.get("/api/instances", limit=500)["items"]) == 300
    with django_assert_num_queries(1 + 2):  # token; projects, stages
        call.get("/api/projects")


def test_pages_neither_skip_nor_repeat(call: Caller) -> None:
    world.build(57)
    seen: list[int] = []
    cursor = ""
    while cursor is not None:
        part = call.get("/api/instances", limit=10, cursor=cursor)
        assert len(part["items"]) <= 10
        seen += [item["instance"] for item in part["items"]]
        cursor = part["next"]
    assert seen == [row["instance"] for row in call.get("/api/instances", limit=500)["items"]]
    assert len(set(seen)) == 57


def test_events_of_the_same_moment_are_paged_without_loss(call: Caller) -> None:
    now = timezone.now()
    made = [Event.objects.record(EventKind.DEPLOY_STARTED, subject=str(n), at=now).pk for n in range(7)]
    first = call.get("/api/events", limit=4)
    second = call.get("/api/events", limit=4, cursor=first["next"])
    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "WyJhIiwiYiIsImMiLCJkIl0"}, "cursor"),
        ({"cursor": "eyJhIjoxfQ"}, "cursor"),
        ({"state": "sleeping"}, "state"),
        ({"stale": "perhaps"}, "stale"),
    ],
)
def test_a_wrong_parameter_is_named(call: Caller, query: dict[str, Any], word: str) -> None:
    world.build(3)
    assert call.refusal("/api/instances", 422, **query).startswith(word)


def test_instances_are_filtered(call: Caller, web: Instance) -> None:
    nas = Host.objects.create(name="nas", url="tcp://x", reachable_since=timezone.now())
    other = instance(
        nas, web.stage, "db-1", "2" * 64, state=State.EXITED, image="postgres:16", stale_reasons=["stopped"]
    )
    cases: list[tuple[dict[str, Any], list[Instance]]] = [
        ({"state": "running"}, [web]),
        ({"state": "stopped"}, [other]),
        ({"host": "nas"}, [other]),
        ({"project": "shop", "stage": "production"}, [other, web]),
        ({"project": "nope"}, []),
        ({"q": "postgres"}, [other]),
        ({"stale": "true"}, [other]),
        ({"stale": "false"}, [web]),
    ]
    for query, expected in cases:
        found = [item["instance"] for item in call.get("/api/instances", **query)["items"]]
        assert found == [row.pk for row in expected], query


def test_removed_instances_are_not_listed_but_found_by_address(call: Caller, web: Instance) -> None:
    Instance.objects.update(state=State.REMOVED)
    assert call.get("/api/instances")["items"] == []
    assert call.get(WEB)["state"] == "removed"


def test_projects_and_hosts_are_listed(call: Caller, web: Instance) -> None:
    (project,) = call.get("/api/projects")["items"]
    assert (project["id"], project["name"], project["stages"]) == ("shop", "Shop", ["production"])
    assert call.get("/api/projects/shop") == project
    (host,) = call.get("/api/hosts")["items"]
    assert (host["name"], host["online"]) == ("local", True)
    assert "url" not in host


def test_proxies_are_listed(call: Caller, web: Instance) -> None:
    Proxy.objects.create(address="https://shop.example", instance=web, stage=web.stage, state="unhealthy", cause="dns")
    (proxy,) = call.get("/api/proxies")["items"]
    assert (proxy["address"], proxy["instance"], proxy["state"], proxy["cause"]) == (
        "https://shop.example",
        web.pk,
        "unhealthy",
        "dns",
    )


def test_deployments_are_listed_newest_first_with_their_changes(
    call: Caller, web: Instance, django_assert_num_queries: Any
) -> None:
    for hours in (2, 1):
        at = timezone.now() - timedelta(hours=hours)
        row = Deployment.objects.create(stage=web.stage, started_at=at, changed_at=at)
        Change.objects.create(deployment=row, instance=web, subject="shop-web-1", kind="image", before={"image": "a"})
    call.get("/api/hosts")  # notes the use of the token
    with django_assert_num_queries(1 + 2):
        newest, _older = call.get("/api/deployments", project="shop")["items"]
    assert newest["id"] == row.pk
    assert newest["changes"][0]["from"] == {"image": "a"}
    assert call.get("/api/deployments", stage="other")["items"] == []


# --- events --------------------------------------------------------------------------------------------------------
def test_events_are_filtered(call: Caller, stage: Stage, host: Host) -> None:
    now = timezone.now()
    old = Event.objects.record(EventKind.DEPLOY_STARTED, subject="v1", stage=stage, at=now - timedelta(days=2))
    crash = Event.objects.record(EventKind.CONTAINER_CRASHED, subject="web-1", stage=stage, host=host, at=now)
    cases: list[tuple[dict[str, Any], list[Event]]] = [
        ({"kind": "deploy.started"}, [old]),
        ({"kind": "deploy.started,container.crashed"}, [crash, old]),
        ({"severity": "error"}, [crash]),
        ({"project": "shop"}, [crash, old]),
        ({"stage": "nope"}, []),
        ({"since": (now - timedelta(hours=1)).isoformat()}, [crash]),
        ({"until": (now - timedelta(hours=1)).isoformat()}, [old]),
        ({"q": "web"}, [crash]),
    ]
    for query, expected in cases:
        assert [item["id"] for item in call.get("/api/events", **query)["items"]] == [row.pk for row in expected], query


def test_an_event_has_the_promised_shape(call: Caller, stage: Stage, host: Host) -> None:
    Event.objects.record(
        EventKind.CONTAINER_CRASHED, subject="web-1", stage=stage, host=host, parameters={"exit_code": 3}
    )
    (event,) = call.get("/api/events")["items"]
    names = "id kind severity at last_at count resolved_at host project stage subject title message details url"
    assert set(event) == set(names.split())
    assert (event["kind"], event["project"], event["details"]) == ("container.crashed", "shop", {"exit_code": 3})
    assert event["url"].startswith("http://127.0.0.1:8000/")


@pytest.mark.parametrize(
    ("query", "word"),
    [({"kind": "nope"}, "kind"), ({"severity": "nope"}, "severity"), ({"since": "yesterday"}, "since")],
)
def test_a_wrong_filter_of_events_is_named(call: Caller, query: dict[str, str], word: str) -> None:
    assert call.refusal("/api/events", 422, **query).startswith(word)


def test_events_as_csv_run_no_formula(call: Caller, stage: Stage) -> None:
    for subject in ('=HYPERLINK("http://evil")', "+1", "-1", "@x", "\t=1", "plain"):
        Event.objects.record(EventKind.DEPLOY_STARTED, subject=subject, stage=stage)
    answer = call.client.get("/api/events?format=csv")
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert len(rows) == 6
    assert not [value for row in rows for value in row.values() if value.startswith(("=", "+", "-", "@", "\t"))]
    assert rows[0]["subject"] == "plain"


# --- who may ------------------------------------------------------------------------------------------------------
def test_nobody_gets_in_without_a_word(client: Client) -> None:
    answer = client.get("/api/instances")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert "Authorization: Bearer TOKEN" in answer.json()["detail"]


def test_a_wrong_or_expired_token_is_refused(call: Caller, client: Client) -> None:
    answer = client.get("/api/instances", headers={"Authorization": "Bearer pw_wrong"})
    assert (answer.status_code, "expired" in answer.json()["detail"]) == (401, True)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    call.refusal("/api/instances", 401)


def test_a_session_opens_the_api_too(client: Client) -> None:
    client.force_login(User.objects.create_user("anna"))
    assert client.get("/api/instances").status_code == 200


def test_a_wrong_token_is_refused_although_there_is_a_session(client: Client) -> None:
    client.force_login(User.objects.create_user("anna"))
    assert client.get("/api/instances", headers={"Authorization": "Bearer pw_wrong"}).status_code == 401


def test_a_wrong_method_is_answered_with_the_right_one(call: Caller) -> None:
    answer = call.client.delete("/api/instances")
    assert (answer.status_code, answer["Allow"]) == (405, "GET")
    assert "GET" in answer.json()["detail"]


def test_a_fault_of_ours_is_answered_without_a_traceback(call: Caller, web: Instance, settings: Any) -> None:
    settings.DATABASE_ROUTERS = ["tests.test_api.Breaking"]
    answer = call.client.get("/api/instances")
    assert answer.status_code == 500
    assert "error id" in answer.json()["detail"]
    assert "Traceback" not in answer.content.decode()
    assert "boom" not in answer.content.decode()


class Breaking:
    """A database router that fails for instances."""

    def db_for_read(self, model: Any, **hints: Any) -> None:
        if model is Instance:
            raise RuntimeError("boom")


# --- descriptions --------------------------------------------------------------------------------------------------
def test_the_description_is_openapi_3_1_and_names_every_address(client: Client) -> None:
    schema = client.get("/api/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    assert "/api/projects/{project}/stages/{stage}/instances/{iid}/stats" in schema["paths"]
    stats = schema["components"]["schemas"]["Stats"]["properties"]
    assert {"cpu_percent", "cpu_share_percent", "memory_used_bytes"} <= set(stats)
    assert set(schema["components"]["securitySchemes"]) == {"Bearer", "Session"}


def test_the_docs_load_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs").content.decode()
    assert "https://" not in page
    assert "/static/ninja/swagger-ui-bundle.js" in page


def test_healthz_asks_nobody(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").json()["status"] == "ok"


def test_every_answer_matches_its_description(call: Caller, web: Instance) -> None:
    world.build(10)
    Event.objects.record(EventKind.CONTAINER_CRASHED, subject="x", stage=web.stage)
    for path in ("system-health", "hosts", "projects", "instances", "events", "deployments", "proxies"):
        assert json.dumps(call.get(f"/api/{path}"))
    assert api.get_openapi_schema()["info"]["title"] == "Pierwatch"
