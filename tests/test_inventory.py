"""Our rows match what the engine reports: one list call, few inspections, one short transaction."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from monitoring import deployments
from monitoring.engine import Engine, EngineError, connect
from monitoring.inventory import Changes, reconcile
from monitoring.models import Deployment, Event, EventKind, Health, Host, Instance, Proxy, StageMapping, State
from monitoring.signals import instances_changed
from tests.engines import RealEngine
from tests.simulated_engine import HANG, Fault, SimulatedEngine

pytestmark = pytest.mark.django_db
SHOP = {"com.docker.compose.project": "shop-prod", "com.docker.compose.service": "web"}


@pytest.fixture
def engine(simulated_engine: SimulatedEngine) -> Engine:
    return connect(simulated_engine.url)


@pytest.fixture
def host(simulated_engine: SimulatedEngine) -> Host:
    return Host.objects.create(name="local", url=simulated_engine.url)


@pytest.fixture
def reconciled(host: Host, engine: Engine, django_capture_on_commit_callbacks: Any) -> Callable[..., Changes]:
    """Return a function that reconciles the host as it is stored, and lets what follows the commit happen."""

    def run(**options: Any) -> Changes:
        with django_capture_on_commit_callbacks(execute=True):
            return reconcile(Host.objects.get(pk=host.pk), engine, **options)

    return run


@contextmanager
def heard() -> Iterator[list[list[int]]]:
    """Collect what `instances_changed` says."""
    said: list[list[int]] = []

    def hear(instance_ids: list[int], **_: Any) -> None:
        said.append(instance_ids)

    instances_changed.connect(hear)
    try:
        yield said
    finally:
        instances_changed.disconnect(hear)


def asked(engine: SimulatedEngine) -> Counter[str]:
    """Count what the engine was asked for since the last time: list, inspect or other."""
    paths = [path.split("?")[0] for path in engine.requests]
    engine.requests.clear()
    kinds = {"/containers/json": "list"}
    return Counter(next((kind for end, kind in kinds.items() if p.endswith(end)), _kind(p)) for p in paths)


def _kind(path: str) -> str:
    return "inspect" if "/containers/" in path and path.endswith("/json") else "other"


def only() -> Instance:
    return Instance.objects.select_related("stage__project", "host").get()


def test_a_container_becomes_an_instance_of_its_project_and_stage(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    simulated_engine.add(
        "shop-prod-web-1", labels=SHOP, memory_limit=64 * 2**20, env=["PASSWORD=hunter2"], health="healthy", restarts=2
    )
    reconciled()
    found = only()
    assert (found.stage.project.slug, found.stage.slug, found.name, found.service) == (
        "shop",
        "prod",
        "shop-prod-web-1",
        "web",
    )
    assert (found.state, found.health, found.restarts, found.image) == (
        State.RUNNING,
        Health.HEALTHY,
        2,
        "local/busybox:test",
    )
    assert found.memory_limit_bytes == 64 * 2**20
    assert found.labels == SHOP
    assert found.started_at is not None
    assert found.seen_running_at is not None
    assert found.fingerprint


def test_values_of_environment_variables_are_stored_as_keyed_hashes_only(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    web = simulated_engine.add("web", env=["PASSWORD=hunter2", "MODE=fast"])
    reconciled()
    before = only().shape["environment"]
    assert set(before) == {"PASSWORD", "MODE"}
    assert "hunter2" not in str(Instance.objects.values().get())
    simulated_engine.remove(web)
    simulated_engine.add("web", env=["PASSWORD=other", "MODE=fast"], number=9)
    reconciled()
    after = only().shape["environment"]
    assert (after["MODE"] == before["MODE"], after["PASSWORD"] == before["PASSWORD"]) == (True, False)


def test_unchanged_containers_cost_one_list_call_and_the_same_queries_however_many_there_are(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes], django_assert_num_queries: Any
) -> None:
    for number in range(40):
        simulated_engine.add(f"web-{number}", labels={"pierwatch.project": f"p{number % 7}"})
    assert len(reconciled().added) == 40
    asked(simulated_engine)
    with heard() as said, django_assert_num_queries(9):  # two of them are a savepoint and its release
        assert reconciled() == Changes()
    assert asked(simulated_engine) == {"list": 1}
    assert said == []


def test_a_first_contact_inspects_each_container_once_and_writes_in_bulk(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes], django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        container = simulated_engine.add(f"web-{number}", labels={"pierwatch.project": f"p{number}"})
        container.created_ns -= 10**12  # it was there before the host was added: no deployment
    with heard() as said, django_assert_max_num_queries(36):
        added = reconciled().added
    assert asked(simulated_engine)["inspect"] == 60
    assert said == [added]


def test_only_what_changed_is_inspected_written_and_announced(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    simulated_engine.add("api")
    web = simulated_engine.add("web")
    reconciled()
    asked(simulated_engine)
    web.state, web.exit_code, web.finished_ns = "exited", 137, simulated_engine.now_ns
    with heard() as said:
        changes = reconciled()
    row = Instance.objects.get(name="web")
    assert (row.state, row.exit_code, row.finished_at == row.seen_running_at) == (State.EXITED, 137, True)
    assert (changes.changed, said) == ([row.pk], [[row.pk]])
    assert asked(simulated_engine)["inspect"] == 1


def test_a_vanished_container_leaves_its_slot_marked_and_its_return_revives_it(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    web = simulated_engine.add("web", labels={"version": "1"})
    first = reconciled().added
    simulated_engine.remove(web)
    assert reconciled().removed == first
    gone = only()
    assert (gone.state, gone.health) == (State.REMOVED, Health.NONE)
    assert gone.removed_at is not None
    assert gone.seen_running_at is not None
    new = simulated_engine.add("web", number=77, labels={"version": "2"}, image_id="sha256:" + "b" * 64)
    assert reconciled().changed == first
    back = only()
    assert (back.state, back.removed_at, back.labels) == (State.RUNNING, None, {"version": "2"})
    assert back.container_id == new.id


def test_a_new_container_in_a_slot_keeps_the_row_and_forgets_what_the_old_one_left(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    web = simulated_engine.add("web", state="exited", exit_code=137, finished_ns=1, restarts=5)
    pk = reconciled().added[0]
    simulated_engine.remove(web)
    new = simulated_engine.add("web", number=77)
    simulated_engine.faults[f"/containers/{new.id}/json"] = Fault(status=500)
    reconciled()
    row = only()
    assert (row.pk, row.container_id, row.state) == (pk, new.id, State.RUNNING)
    assert (row.exit_code, row.restarts, row.finished_at, row.inspected_at) == (None, 0, None, None)
    simulated_engine.faults.clear()
    new.restarts = 1
    reconciled()
    assert (only().restarts, only().inspected_at is not None) == (1, True)


def test_a_restart_between_two_lists_shows_by_its_age(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    web = simulated_engine.add("web")
    reconciled()
    before = only().started_at
    web.started_ns, web.restarts, web.status = simulated_engine.now_ns, 1, "Up 3 seconds"
    assert reconciled().changed
    assert only().restarts == 1
    assert only().started_at != before


def test_a_suspect_is_inspected_though_the_list_shows_no_change(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    web = simulated_engine.add("web", memory_limit=2**20)
    reconciled()
    web.memory_limit = 2**21
    assert not reconciled().changed
    assert reconciled(suspects=[web.id]).changed
    assert only().memory_limit_bytes == 2**21


def test_a_container_that_cannot_be_inspected_harms_no_other(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    bad = [simulated_engine.add(f"bad-{number}") for number in range(3)]
    simulated_engine.add("good", restarts=4)
    for container, fault in zip(bad, (Fault(status=404), Fault(body=b"null"), Fault(status=500)), strict=True):
        simulated_engine.faults[f"/containers/{container.id}/json"] = fault
    assert len(reconciled().added) == 4
    assert Instance.objects.get(name="good").restarts == 4
    assert set(Instance.objects.filter(inspected_at=None).values_list("name", flat=True)) == {"bad-0", "bad-1", "bad-2"}


def test_ignored_and_one_off_containers_are_no_instances_and_leave_when_they_become_so(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    web = simulated_engine.add("web")
    simulated_engine.add("run", labels=SHOP | {"com.docker.compose.oneoff": "True"})
    assert len(reconciled().added) == 1
    simulated_engine.remove(web)
    simulated_engine.add("web", number=9, labels={"pierwatch.ignore": "true"})
    assert len(reconciled().removed) == 1
    assert not Instance.objects.present().exists()


def test_a_mapping_of_the_administrator_moves_instances_at_the_next_look(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    simulated_engine.add("shop-prod-web-1", labels=SHOP)
    reconciled()
    StageMapping.objects.create(found_project="shop-prod", project="webshop", stage="live")
    assert reconciled().changed
    assert (only().stage.project.slug, only().stage.slug) == ("webshop", "live")
    assert not reconciled().ids


def test_a_compose_recreate_keeps_the_slot_through_all_its_steps(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    old = simulated_engine.add("shop-prod-web-1", labels=SHOP)
    pk = reconciled().added[0]
    new = simulated_engine.add("1eb8cd360e7a_shop-prod-web-1", labels=SHOP, state="created", number=50)
    assert not reconciled().ids
    simulated_engine.remove(old)
    reconciled()
    assert (only().pk, only().container_id, only().name) == (pk, new.id, "shop-prod-web-1")
    new.name, new.state, new.started_ns = "shop-prod-web-1", "running", simulated_engine.now_ns
    reconciled()
    assert (only().pk, only().state) == (pk, State.RUNNING)


def test_of_two_containers_in_a_slot_the_running_one_has_it_and_the_other_its_own(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    simulated_engine.add("shop-prod-web-1", labels=SHOP)
    simulated_engine.add("1eb8cd360e7a_shop-prod-web-1", labels=SHOP, state="exited").created_ns = 10**18
    reconciled()
    rows = {row.slot: row.state for row in Instance.objects.all()}
    assert rows == {"shop-prod-web-1": State.RUNNING, "1eb8cd360e7a_shop-prod-web-1": State.EXITED}
    assert not reconciled().ids


def test_earlier_tasks_of_a_swarm_slot_are_memory_and_no_instances(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    labels = {"com.docker.swarm.service.name": "shop_web", "com.docker.stack.namespace": "shop"}
    for number, state in enumerate(("exited", "exited", "running"), start=1):
        task = f"shop_web.1.task{number}"
        simulated_engine.add(task, labels=labels | {"com.docker.swarm.task.name": task}, state=state)
    reconciled()
    assert (only().slot, only().state, only().container_id[:12]) == ("shop_web.1", State.RUNNING, "000000000003")


def test_hostile_labels_and_names_are_stored_harmless(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    evil = "<b onload=x>\n\0\ud800" + "x" * 10_000
    labels = {"pierwatch.project": evil, "pierwatch.name": evil, evil: evil, **SHOP}
    simulated_engine.add("web\0\n", labels=labels, inspected={"State": {"Error": evil}, "Config": {"StopSignal": evil}})
    assert reconciled().added
    row = only()
    assert "\0" not in f"{row.labels}{row.name}{row.error}{row.slot}"
    assert len(row.name) <= 255
    assert not reconciled().ids


@pytest.mark.parametrize(
    ("inspected", "expected"),
    [
        ({"RestartCount": 2**40}, {"restarts": 0}),
        ({"State": {"ExitCode": 2**70, "FinishedAt": "2026-01-01T00:00:00Z"}}, {"exit_code": None}),
        ({"HostConfig": {"Memory": 2**70}}, {"memory_limit_bytes": None}),
        ({"Config": {"StopTimeout": -5}}, {"stop_timeout": 0}),
        ({"State": {"Health": {"Status": "splendid"}}}, {"health": Health.NONE}),
    ],
)
def test_numbers_and_words_that_no_column_holds_are_unknown(
    simulated_engine: SimulatedEngine,
    reconciled: Callable[..., Changes],
    inspected: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    simulated_engine.add("web", inspected=inspected)
    reconciled()
    assert {name: getattr(only(), name) for name in expected} == expected


def test_facts_of_the_host_are_asked_for_at_first_contact_and_every_few_minutes(
    simulated_engine: SimulatedEngine, host: Host, reconciled: Callable[..., Changes]
) -> None:
    reconciled()
    host.refresh_from_db()
    assert (host.engine_version, host.cpus, host.memory_bytes, host.cgroup_version) == ("28.5.2", 2, 8 * 2**30, "2")
    simulated_engine.cpus = 8
    reconciled()
    host.refresh_from_db()
    assert host.cpus == 2
    Host.objects.update(facts_at=timezone.now() - timedelta(minutes=6))
    reconciled()
    host.refresh_from_db()
    assert host.cpus == 8


def test_an_engine_that_does_not_describe_itself_is_watched_all_the_same(
    simulated_engine: SimulatedEngine, host: Host, reconciled: Callable[..., Changes]
) -> None:
    simulated_engine.faults["/info"] = Fault(status=403, body=b'{"message":"no"}')
    simulated_engine.add("web")
    assert reconciled().added
    host.refresh_from_db()
    assert (host.cpus, host.is_reachable) == (None, True)


def test_an_outage_is_one_event_after_two_checks_and_its_end_tells_how_long_it_was(
    simulated_engine: SimulatedEngine, host: Host, reconciled: Callable[..., Changes], time_machine: Any
) -> None:
    time_machine.move_to("2026-11-24T10:00:00Z", tick=False)
    for number in range(5):
        simulated_engine.add(f"web-{number}")
    reconciled()
    simulated_engine.shut()
    for seconds in (30, 60, 90, 120):
        time_machine.move_to(f"2026-11-24T10:{seconds // 60:02}:{seconds % 60:02}Z", tick=False)
        with pytest.raises(EngineError):
            reconciled()
        expected = 0 if seconds == 30 else 1
        assert Event.objects.filter(kind=EventKind.HOST_UNREACHABLE).count() == expected
        assert Instance.objects.present().counts()["unknown"] == 5
    host.refresh_from_db()
    assert (host.unreachable_since.isoformat(), host.unreachable_code) == ("2026-11-24T10:00:30+00:00", "no_socket")
    simulated_engine.open()
    time_machine.move_to("2026-11-24T10:03:00Z", tick=False)
    reconciled()
    of_the_host = Event.objects.filter(kind__startswith="host.").order_by("at")
    assert [event.kind for event in of_the_host] == ["host.unreachable", "host.recovered"]
    assert Event.objects.get(kind=EventKind.HOST_RECOVERED).parameters["seconds"] == 120
    assert not Event.objects.open().exists()
    assert Instance.objects.present().counts()["running"] == 5


def test_a_blip_between_two_checks_is_no_event(
    simulated_engine: SimulatedEngine, reconciled: Callable[..., Changes]
) -> None:
    reconciled()
    simulated_engine.shut()
    with pytest.raises(EngineError):
        reconciled()
    simulated_engine.open()
    reconciled()
    assert not Event.objects.exists()


def test_no_engine_is_asked_anything_while_a_transaction_is_open(
    simulated_engine: SimulatedEngine, host: Host, engine: Engine, transactional_db: None
) -> None:
    class Watchful(Engine):
        def containers(self) -> Any:
            assert not connection.in_atomic_block
            return super().containers()

        def inspect(self, container_id: str) -> Any:
            assert not connection.in_atomic_block
            return super().inspect(container_id)

    simulated_engine.add("web")
    assert reconcile(host, Watchful(engine.address)).added


def test_of_two_that_see_the_same_change_one_writes_and_tells_it(
    simulated_engine: SimulatedEngine, host: Host, engine: Engine, transactional_db: None
) -> None:
    simulated_engine.add("web")
    barrier = threading.Barrier(2)

    class Together(Engine):
        """Both have listed before either writes."""

        first = True

        def containers(self) -> Any:
            listed = super().containers()
            if self.first:
                self.first = False
                barrier.wait(10)
            return listed

    def run() -> None:
        try:
            results.append(reconcile(host, Together(engine.address)))
        finally:
            connection.close()

    results: list[Changes] = []
    with heard() as said:
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert sorted(len(changes.added) for changes in results) == [0, 1]
    assert len(said) == 1
    assert Instance.objects.count() == 1


def test_a_list_that_hangs_ends_as_an_outage(
    simulated_engine: SimulatedEngine, host: Host, reconciled: Callable[..., Changes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.engine.agreement.PATIENCE_SECONDS", 0.3)
    simulated_engine.faults["/containers/json"] = HANG
    with pytest.raises(EngineError) as caught:
        reconciled()
    host.refresh_from_db()
    assert (caught.value.code, host.unreachable_code, host.is_reachable) == ("timeout", "timeout", False)


def test_what_a_change_means_is_committed_with_it(
    simulated_engine: SimulatedEngine, host: Host, reconciled: Callable[..., Changes]
) -> None:
    Host.objects.update(added_at=datetime(2020, 1, 1, tzinfo=UTC))
    labels = {"traefik.http.routers.shop.rule": "Host(`shop.example.org`)", "traefik.http.routers.bad.rule": "Host("}
    web = simulated_engine.add("web", labels=labels, env=["VIRTUAL_HOST=other.example.org", "PASSWORD=hunter2"])
    reconciled()
    web.health = "unhealthy"
    reconciled()
    row = Instance.objects.get()
    assert sorted(Proxy.objects.values_list("address", flat=True)) == [
        "http://other.example.org",
        "http://shop.example.org",
    ]
    assert [warning["problem"] for warning in row.warnings] == ["rule"]
    assert Deployment.objects.get().changes.get().instance == row
    assert "hunter2" not in str(Instance.objects.values())
    assert Event.objects.get().kind == EventKind.DEPLOY_STARTED  # being unhealthy is the deployment's matter


@pytest.mark.engine
def test_a_real_deployment_that_exits_and_the_way_back_are_judged(real_engine: RealEngine) -> None:
    host = Host.objects.create(name="real", url=real_engine.url)
    engine = connect(host.url)

    def deploy(*command: str) -> None:
        if Instance.objects.filter(stage__project__slug="judge").exists():
            real_engine.docker("rm", "-f", "judge-web")
        real_engine.docker("run", "-d", "--name", "judge-web", "--label", "pierwatch.project=judge",
                           "local/busybox:test", *command)  # fmt: skip
        deadline = time.monotonic() + 10
        while command[0] != "sleep" and time.monotonic() < deadline:
            if real_engine.docker("inspect", "-f", "{{.State.Status}}", "judge-web").strip() == "exited":
                break
            time.sleep(0.05)
        reconcile(Host.objects.get(pk=host.pk), engine)
        deployments.judge_due(timezone.now() + timedelta(seconds=95))

    deploy("sleep", "1000")
    deploy("sh", "-c", "exit 3")
    deploy("sleep", "1000")
    real_engine.docker("rm", "-f", "judge-web")

    mine = Event.objects.filter(stage__project__slug="judge").exclude(kind=EventKind.DEPLOY_STARTED).order_by("pk")
    assert [event.kind for event in mine] == ["deploy.succeeded", "deploy.failed", "deploy.rolled_back"]
    assert (mine[1].parameters["cause"], mine[1].parameters["exit_code"]) == ("crash", 3)
    assert mine[1].resolved_at is not None
    assert mine[2].parameters["cause"] == "former_configuration"


@pytest.mark.engine
def test_a_real_containers_life_is_followed_in_one_slot(
    real_engine: RealEngine, django_capture_on_commit_callbacks: Any
) -> None:
    host = Host.objects.create(name="real", url=real_engine.url)
    engine = connect(host.url)
    container_id = real_engine.run("life", memory="64m", label="pierwatch.project=life")

    def mine() -> Instance:
        reconcile(Host.objects.get(pk=host.pk), engine)
        return Instance.objects.select_related("stage__project").get(stage__project__slug="life")

    first = mine()
    assert (first.state, first.container_id, first.memory_limit_bytes) == (State.RUNNING, container_id, 64 * 2**20)
    real_engine.docker("stop", "-t", "0", container_id)
    stopped = mine()
    assert (stopped.pk, stopped.state, stopped.exit_code) == (first.pk, State.EXITED, 137)
    real_engine.docker("start", container_id)
    assert mine().state == State.RUNNING
    real_engine.docker("rm", "-f", container_id)
    removed = mine()
    assert (removed.pk, removed.state) == (first.pk, State.REMOVED)


@pytest.mark.engine
def test_docker_compose_recreates_a_real_container_in_its_slot(real_engine: RealEngine, tmp_path: Any) -> None:

    if not shutil.which("docker-compose"):
        pytest.skip("docker-compose is not installed")
    host = Host.objects.create(name="real", url=real_engine.url)
    engine = connect(host.url)

    def compose(*words: str, version: int = 1) -> None:
        (tmp_path / "compose.yaml").write_text(
            "services:\n  web:\n    image: local/busybox:test\n    command: sleep 1000\n    network_mode: none\n"
            f"    environment:\n      VERSION: '{version}'\n",
            encoding="utf-8",
        )
        command = ["docker-compose", "-p", "invent-staging", "-f", str(tmp_path / "compose.yaml"), *words]
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            env={"DOCKER_HOST": real_engine.url, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        )

    def mine() -> Instance:
        reconcile(Host.objects.get(pk=host.pk), engine)
        return Instance.objects.select_related("stage").get(stage__project__slug="invent")

    try:
        compose("up", "-d")
        first = mine()
        compose("up", "-d", version=2)
        second = mine()
    finally:
        compose("down", "-t", "0")
    assert (first.stage.slug, second.pk, second.slot) == ("staging", first.pk, first.slot)
    assert second.container_id != first.container_id
    assert second.fingerprint != first.fingerprint
    assert second.shape["environment"] != first.shape["environment"]
