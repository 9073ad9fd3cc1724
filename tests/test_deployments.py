"""Deployments on real rows: what counts as one, how it is judged, and that it is told once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring.deployments import absorb_instance, absorb_route, judge_due, observe, report
from monitoring.deployments.comparing import compare, tag_of, version_change, way_back
from monitoring.deployments.judging import window
from monitoring.deployments.observing import observe_missing
from monitoring.models import Change, Deployment, Event, EventKind, Health, Host, Instance, Project, Proxy, Stage, State
from monitoring.models.deployment import ChangeKind, DeploymentStatus
from monitoring.wording import message

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def stage(clock: time_machine.Traveller) -> Stage:
    return Stage.objects.create(project=Project.objects.create(slug="shop", name="shop"), slug="prod")


@pytest.fixture
def host(clock: time_machine.Traveller) -> Host:
    host = Host.objects.create(name="local", url="unix:///x")
    Host.objects.update(added_at=NOON - timedelta(days=30))
    return host


class Slots:
    """Plays the inventory: writes rows as it does, then lets the deployments look."""

    def __init__(self, host: Host, stage: Stage, clock: time_machine.Traveller) -> None:
        self.host, self.stage, self.clock, self.ids = host, stage, clock, 0

    def wait(self, seconds: float) -> list[Deployment]:
        self.clock.shift(timedelta(seconds=seconds))
        return judge_due()

    @property
    def now(self) -> datetime:
        return NOON.now(UTC)

    def start(self, *names: str, image: str = "app:1", config: str = "c1", **fields: Any) -> list[Deployment]:
        rows = [self._put(name, image, config, **fields) for name in names]
        return observe([row.pk for row in rows])

    def _put(self, name: str, image: str, config: str, **fields: Any) -> Instance:
        self.ids += 1
        row = Instance.objects.filter(host=self.host, slot=name).first() or Instance(host=self.host, slot=name)
        values = {
            "stage": self.stage,
            "name": name,
            "service": name.partition("-")[0],
            "container_id": f"container{self.ids}",
            "image": image,
            "image_id": f"sha256:{image}",
            "fingerprint": config,
            "shape": {"environment": {"MODE": config}},
            "state": State.RUNNING,
            "health": Health.NONE,
            "created_at": self.now,
            "started_at": self.now,
            "inspected_at": self.now,
            "exit_code": None,
            "error": "",
            "restarts": 0,
            "oom_killed": False,
            "removed_at": None,
        }
        for field, value in (values | fields).items():
            setattr(row, field, value)
        row.save()
        return row

    def set(self, name: str, **fields: Any) -> Instance:
        Instance.objects.filter(slot=name).update(**fields)
        row = Instance.objects.get(slot=name)
        observe([row.pk])
        return row

    def proven(self, *names: str, **kwargs: Any) -> Deployment:
        """Start and let the verification pass."""
        [deployment] = self.start(*names, **kwargs)
        self.wait(91)
        deployment.refresh_from_db()
        assert deployment.status in (DeploymentStatus.SUCCEEDED, DeploymentStatus.ROLLED_BACK)
        return deployment


@pytest.fixture
def slots(host: Host, stage: Stage, clock: time_machine.Traveller) -> Slots:
    return Slots(host, stage, clock)


def told() -> list[str]:
    return [kind for kind in Event.objects.order_by("pk").values_list("kind", flat=True) if kind != "deploy.started"]


def only() -> Deployment:
    return Deployment.objects.get()


# --- what counts as a deployment, and what belongs together -----------------------------------------------------


def test_a_first_start_that_holds_is_one_success(slots: Slots) -> None:
    slots.start("web-1")
    slots.wait(89)
    assert only().status == DeploymentStatus.STARTED
    slots.wait(2)

    assert (only().status, only().changes.get().kind) == (DeploymentStatus.SUCCEEDED, ChangeKind.INITIAL)
    assert list(Event.objects.order_by("pk").values_list("kind", flat=True)) == ["deploy.started", "deploy.succeeded"]
    assert Event.objects.get(kind=EventKind.DEPLOY_SUCCEEDED).parameters["seconds"] == 91


def test_a_restart_of_the_same_container_is_no_deployment(slots: Slots) -> None:
    slots.proven("web-1")

    slots.set("web-1", started_at=slots.now, restarts=1)
    slots.set("web-1", state=State.EXITED)
    slots.set("web-1", state=State.RUNNING, started_at=slots.now)

    assert Deployment.objects.count() == 1


def test_the_same_container_started_with_another_configuration_is_a_change(slots: Slots) -> None:
    slots.proven("web-1")

    slots.set("web-1", fingerprint="c2", state=State.EXITED)
    assert Deployment.objects.count() == 1
    slots.set("web-1", state=State.RUNNING, started_at=slots.now)

    assert Change.objects.order_by("pk").last().kind == ChangeKind.CONFIG


def test_looking_twice_finds_it_once(slots: Slots) -> None:
    slots.start("web-1")
    observe(list(Instance.objects.values_list("pk", flat=True)))

    assert Change.objects.count() == 1


def test_what_ran_before_the_host_was_added_is_no_deployment(slots: Slots) -> None:
    slots.start("web-1", created_at=NOON - timedelta(days=60), started_at=NOON - timedelta(days=60))
    assert not Deployment.objects.exists()

    slots.start("web-1", image="app:2")
    assert only().changes.get().kind == ChangeKind.IMAGE


def test_a_created_container_is_no_deployment_until_it_starts(slots: Slots) -> None:
    slots.proven("web-1")
    slots.start("web-1", image="app:2", state=State.CREATED, started_at=None)
    assert Deployment.objects.count() == 1

    slots.set("web-1", state=State.RUNNING, started_at=slots.now)

    change = Change.objects.order_by("pk").last()
    assert change.kind == ChangeKind.IMAGE
    assert (change.before["image"], change.after["image"]) == ("app:1", "app:2")
    assert change.details["image"] == {"from": "app:1", "to": "app:2"}


def test_changes_of_one_stage_within_a_minute_are_one_deployment(slots: Slots) -> None:
    slots.start("web-1")
    slots.wait(50)
    slots.start("db-1")
    slots.wait(50)
    slots.start("worker-1")
    slots.wait(100)

    assert only().changes.count() == 3
    assert told() == ["deploy.succeeded"]


def test_a_change_after_the_window_is_another_deployment(slots: Slots) -> None:
    slots.start("web-1")
    slots.wait(61)
    slots.start("db-1")

    assert Deployment.objects.count() == 2
    assert not Deployment.objects.filter(status=DeploymentStatus.SUPERSEDED).exists()


def test_a_group_never_grows_for_longer_than_15_minutes(slots: Slots) -> None:
    for number in range(20):
        slots.start(f"web-{number}", health_window=600)
        slots.wait(50)

    assert Deployment.objects.count() == 2


def test_the_same_slot_changed_again_supersedes_without_a_word(slots: Slots) -> None:
    slots.start("web-1")
    slots.wait(20)
    slots.start("web-1", image="app:2")
    slots.wait(100)

    assert [deployment.status for deployment in Deployment.objects.order_by("pk")] == ["superseded", "succeeded"]
    assert told() == ["deploy.succeeded"]


def test_further_slots_of_a_service_are_a_scaling(slots: Slots) -> None:
    slots.proven("web-1")
    slots.start("web-2", "web-3")

    assert {change.kind for change in Change.objects.exclude(subject="web-1")} == {ChangeKind.SCALE}


def test_a_swarm_task_that_is_replaced_by_its_like_is_a_restart(slots: Slots) -> None:
    labels = {"com.docker.swarm.task.name": "shop_web.1.x"}
    slots.start("web.1", labels=labels)
    slots.start("web.1", labels=labels)

    assert only().changes.get().after["container_id"] == "container2"


def test_a_deployment_found_after_an_absence_is_judged_by_what_became_of_it(slots: Slots) -> None:
    slots.start("web-1", started_at=NOON - timedelta(hours=3), created_at=NOON - timedelta(hours=3))
    judge_due()

    assert (only().status, only().started_at) == (DeploymentStatus.SUCCEEDED, NOON - timedelta(hours=3))


def test_when_nothing_started_one_query_is_enough(slots: Slots) -> None:
    slots.proven("web-1", "web-2", "web-3")
    ids = list(Instance.objects.values_list("pk", flat=True))

    with CaptureQueriesContext(
        connection,
    ) as queries:
        observe(ids)

    assert len([query for query in queries if "SAVEPOINT" not in query["sql"]]) == 1


def test_two_hosts_of_one_stage_deploy_together(slots: Slots, stage: Stage, clock: time_machine.Traveller) -> None:
    slots.start("web-1")
    other = Host.objects.create(name="nas", url="unix:///y")
    Host.objects.update(added_at=NOON - timedelta(days=30))
    Slots(other, stage, clock)._put("web-1", "app:1", "c1")
    observe(list(Instance.objects.filter(host=other).values_list("pk", flat=True)))

    assert only().changes.count() == 2


# --- how it is judged -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "expected"), [(None, 90), (10, 90), (300, 300), (9000, 600)])
def test_the_window_follows_the_health_check_within_bounds(seconds: int | None, expected: int) -> None:
    assert window(seconds) == timedelta(seconds=expected)


@pytest.mark.parametrize(
    ("fields", "cause", "proof"),
    [
        ({"state": State.CREATED, "started_at": None, "exit_code": 127, "error": "exec: no such file"}, "never_started",
         {"exit_code": 127, "error": "exec: no such file"}),
        ({"state": State.EXITED, "exit_code": 126, "error": "denied"}, "never_started", {"exit_code": 126}),
        ({"state": State.EXITED, "exit_code": 1}, "crash", {"exit_code": 1}),
        ({"state": State.EXITED, "exit_code": 137, "oom_killed": True}, "oom", {"exit_code": 137}),
        ({"state": State.RESTARTING, "restarts": 5, "exit_code": 3}, "crash_loop", {}),
        ({"state": State.RUNNING, "restarts": 1}, "crash", {}),
        ({"state": State.RUNNING, "health": Health.UNHEALTHY}, "unhealthy", {}),
        ({"state": State.DEAD}, "crash", {}),
    ],
)  # fmt: skip
def test_a_container_that_does_not_hold_fails_it(slots: Slots, fields: Any, cause: str, proof: Any) -> None:
    slots.start("web-1", "web-2")
    slots.set("web-2", **fields)
    slots.wait(91)

    assert (only().status, only().cause) == (DeploymentStatus.FAILED, cause)
    event = Event.objects.get(kind=EventKind.DEPLOY_FAILED)
    assert event.parameters["instance"] == "web-2"
    assert proof.items() <= event.parameters.items()
    assert event.resolved_at is None


@pytest.mark.parametrize(
    ("fields", "status", "cause"),
    [
        ({"state": State.RUNNING, "health": Health.STARTING}, "unknown", "still_starting"),
        ({"state": State.EXITED, "exit_code": 143, "restart_policy": "always"}, "unknown", "stopped"),
        ({"state": State.EXITED, "exit_code": 0, "restart_policy": "always"}, "unknown", "stopped"),
        ({"state": State.EXITED, "exit_code": 0, "restart_policy": "no"}, "succeeded", ""),
        ({"state": State.RUNNING, "health": Health.HEALTHY}, "succeeded", ""),
    ],
)
def test_what_nobody_can_know_is_unknown(slots: Slots, fields: Any, status: str, cause: str) -> None:
    slots.start("web-1")
    slots.set("web-1", **fields)
    slots.wait(91)

    assert (only().status, only().cause) == (status, cause)


def test_a_host_that_went_away_leaves_it_unknown(slots: Slots, host: Host) -> None:
    slots.start("web-1")
    Host.objects.filter(pk=host.pk).update(unreachable_since=NOON)
    slots.wait(91)

    assert (only().status, only().cause) == (DeploymentStatus.UNKNOWN, "unobserved")
    assert told() == []


def test_the_first_cause_wins_and_the_rest_is_attached(slots: Slots) -> None:
    slots.start("a", "b", "c")
    slots.set("b", state=State.EXITED, exit_code=1)
    slots.set("c", health=Health.UNHEALTHY)
    slots.wait(91)

    assert only().cause == "crash"
    assert [finding["cause"] for finding in only().cause_details["more"]] == ["unhealthy"]
    assert told() == ["deploy.failed"]


def test_judging_twice_is_harmless(slots: Slots) -> None:
    slots.start("web-1")
    slots.wait(91)
    judge_due()
    judge_due()

    assert told() == ["deploy.succeeded"]


def test_a_removed_container_may_be_replaced_for_five_minutes(slots: Slots) -> None:
    slots.start("web-1")
    slots.wait(30)
    slots.set("web-1", state=State.REMOVED, removed_at=slots.now)
    slots.wait(100)
    assert only().status == DeploymentStatus.STARTED
    slots.wait(201)

    assert (only().status, only().cause) == (DeploymentStatus.FAILED, "not_replaced")


def test_an_old_container_removed_and_a_new_one_never_started_is_a_failure(slots: Slots) -> None:
    slots.proven("web-1")
    slots.start("web-1", image="app:2", state=State.CREATED, started_at=None)
    slots.wait(200)
    observe_missing()
    assert told() == ["deploy.succeeded"]
    slots.wait(101)
    observe_missing()
    observe_missing()

    assert told() == ["deploy.succeeded", "deploy.failed"]
    assert Deployment.objects.first().cause == "not_replaced"


# --- ways back --------------------------------------------------------------------------------------------------


def test_going_back_to_the_former_image_is_a_rollback_that_closes_the_failure(slots: Slots) -> None:
    slots.proven("web-1", image="app:one")
    slots.start("web-1", image="app:two")
    slots.set("web-1", state=State.EXITED, exit_code=1)
    slots.wait(91)
    assert Event.objects.open().get().kind == EventKind.DEPLOY_FAILED
    slots.start("web-1", image="app:one")
    slots.wait(91)

    assert told() == ["deploy.succeeded", "deploy.failed", "deploy.rolled_back"]
    assert not Event.objects.open().exists()
    rolled_back = Event.objects.get(kind=EventKind.DEPLOY_ROLLED_BACK)
    assert rolled_back.parameters["cause"] == "former_image"
    assert message(rolled_back) == "From app:two to app:one. The former image runs again."


def test_the_image_of_before_we_watched_is_a_way_back_too(slots: Slots) -> None:
    slots.start("web-1", image="app:one", created_at=NOON - timedelta(days=60))
    slots.proven("web-1", image="app:two")

    assert slots.proven("web-1", image="app:one").status == DeploymentStatus.ROLLED_BACK


def test_a_failed_image_is_nothing_to_go_back_to(slots: Slots) -> None:
    slots.proven("web-1", image="app:one")
    slots.start("web-1", image="app:bad")
    slots.set("web-1", state=State.EXITED, exit_code=1)
    slots.wait(91)
    slots.proven("web-1", image="app:three")

    assert slots.proven("web-1", image="app:bad").status == DeploymentStatus.SUCCEEDED


def test_a_first_start_that_failed_is_nothing_to_go_back_to(slots: Slots) -> None:
    slots.start("web-1", image="app:bad")
    slots.set("web-1", state=State.EXITED, exit_code=1)
    slots.wait(91)
    slots.proven("web-1", image="app:good")

    assert slots.proven("web-1", image="app:bad").status == DeploymentStatus.SUCCEEDED


def test_a_success_closes_the_failure_before_it(slots: Slots) -> None:
    slots.start("web-1")
    slots.set("web-1", state=State.EXITED, exit_code=1)
    slots.wait(91)
    slots.proven("web-1", image="app:2")

    assert not Event.objects.open().exists()


def test_a_second_failure_is_told_again_and_replaces_the_first(slots: Slots) -> None:
    for image in ("app:x", "app:y"):
        slots.start("web-1", image=image)
        slots.set("web-1", state=State.EXITED, exit_code=1)
        slots.wait(91)

    assert told() == ["deploy.failed", "deploy.failed"]
    assert Event.objects.open().count() == 1


# --- one message per incident -----------------------------------------------------------------------------------

CRASH = {"cause": "crash", "exit_code": 1, "exit_class": "crash"}


def test_a_crash_fails_the_deployment_at_once_and_further_ones_are_attached(slots: Slots) -> None:
    slots.start("web-1")
    row = Instance.objects.get()
    for _ in range(5):
        slots.wait(20)
        assert absorb_instance(row, CRASH, slots.now)

    event = Event.objects.get(kind=EventKind.DEPLOY_FAILED)
    assert (only().status, event.parameters["exit_code"], event.count) == (DeploymentStatus.FAILED, 1, 5)
    assert told() == ["deploy.failed"]


def test_a_loop_that_goes_on_after_the_window_is_still_the_same_incident(slots: Slots) -> None:
    slots.start("web-1")
    row = Instance.objects.get()
    for _ in range(10):
        slots.wait(300)
        absorbed = absorb_instance(row, CRASH, slots.now) if only().status == "failed" else None
        if absorbed is None:
            break
    assert only().status == DeploymentStatus.SUCCEEDED

    assert not absorb_instance(row, CRASH, slots.now)


def test_trouble_long_after_a_failed_deployment_stands_for_itself(slots: Slots) -> None:
    slots.start("web-1")
    row = Instance.objects.get()
    absorb_instance(row, CRASH, slots.now)
    slots.wait(700)

    assert not absorb_instance(row, CRASH, slots.now)


def test_trouble_of_another_slot_or_of_the_container_before_stands_for_itself(slots: Slots) -> None:
    slots.proven("web-1", "db-1")
    before = Instance.objects.get(slot="web-1")
    slots.start("web-1", image="app:2")

    assert not absorb_instance(Instance.objects.get(slot="db-1"), CRASH, slots.now)
    assert not absorb_instance(before, CRASH, slots.now)


def test_an_unhealthy_container_waits_for_the_end_of_the_window(slots: Slots) -> None:
    slots.start("web-1")

    assert absorb_instance(Instance.objects.get(), {"cause": "unhealthy"}, slots.now)
    assert only().status == DeploymentStatus.STARTED


def test_a_good_route_that_fails_during_a_deployment_fails_it(slots: Slots, stage: Stage) -> None:
    slots.start("web-1")
    proxy = Proxy.objects.create(address="http://shop", stage=stage, good_at=NOON, status=502, fault="app")

    assert absorb_route(proxy, slots.now)
    assert (only().cause, only().cause_details["address"]) == ("route", "http://shop")
    assert told() == ["deploy.failed"]


def test_a_route_that_never_worked_is_not_the_deployments_fault(slots: Slots, stage: Stage) -> None:
    slots.start("web-1")

    assert not absorb_route(Proxy.objects.create(address="http://shop", stage=stage), slots.now)


def test_a_deployment_has_its_routes_checked_at_once(slots: Slots, stage: Stage) -> None:
    Proxy.objects.create(address="http://shop", stage=stage, due_at=NOON + timedelta(hours=1))
    slots.start("web-1")

    assert Proxy.objects.get().due_at is None


# --- reports ----------------------------------------------------------------------------------------------------


def test_a_failed_build_is_told_though_the_engine_saw_nothing(stage: Stage) -> None:
    report("shop", "prod", DeploymentStatus.FAILED, version="1.4", message="pull access denied", key="ci-1")

    event = Event.objects.get(kind=EventKind.DEPLOY_FAILED)
    assert message(event) == "Reported by the deploying tool (pull access denied). Version 1.4."
    assert only().source == "reported"


def test_a_report_is_idempotent_by_its_key(stage: Stage) -> None:
    for status in (
        DeploymentStatus.STARTED,
        DeploymentStatus.STARTED,
        DeploymentStatus.FAILED,
        DeploymentStatus.FAILED,
    ):
        report("shop", "prod", status, key="ci-1")

    assert told() == ["deploy.failed"]
    assert only().status == DeploymentStatus.FAILED


def test_a_report_makes_project_and_stage(clock: time_machine.Traveller) -> None:
    deployment = report("new", "qa", DeploymentStatus.SUCCEEDED)

    assert (deployment.stage.project.slug, deployment.stage.slug, deployment.status) == ("new", "qa", "succeeded")


def test_what_is_detected_joins_what_was_reported(slots: Slots) -> None:
    report("shop", "prod", DeploymentStatus.STARTED, version="1.4", key="ci-1")
    slots.wait(300)
    slots.start("web-1")
    report("shop", "prod", DeploymentStatus.SUCCEEDED, key="ci-1")
    assert only().status == DeploymentStatus.STARTED
    slots.wait(91)

    assert (only().status, only().version, only().changes.count()) == (DeploymentStatus.SUCCEEDED, "1.4", 1)
    assert told() == ["deploy.succeeded"]


def test_a_report_joins_what_was_detected(slots: Slots) -> None:
    slots.start("web-1")
    slots.wait(91)
    report("shop", "prod", DeploymentStatus.SUCCEEDED, version="1.4", key="ci-1")

    assert (only().key, only().version) == ("ci-1", "1.4")
    assert told() == ["deploy.succeeded"]


def test_a_tool_that_tested_more_than_we_watched_has_the_last_word(slots: Slots) -> None:
    slots.start("web-1")
    slots.wait(91)
    report("shop", "prod", DeploymentStatus.ROLLED_BACK, message="smoke test failed")

    assert told() == ["deploy.succeeded", "deploy.rolled_back"]


def test_a_deployment_after_a_reported_failure_is_judged_by_itself(slots: Slots) -> None:
    report("shop", "prod", DeploymentStatus.FAILED, message="pull failed", key="ci-1")
    slots.wait(30)
    slots.start("web-1")
    slots.wait(91)

    assert told() == ["deploy.failed", "deploy.succeeded"]
    assert not Event.objects.open().exists()


def test_the_other_containers_of_a_run_that_failed_belong_to_it(slots: Slots) -> None:
    slots.start("web-1")
    absorb_instance(Instance.objects.get(), CRASH, slots.now)
    slots.wait(5)
    slots.start("worker-1")

    assert only().changes.count() == 2


def test_a_reported_start_that_nothing_follows_ends_unknown(slots: Slots) -> None:
    report("shop", "prod", DeploymentStatus.STARTED, key="ci-1")
    slots.wait(3599)
    assert only().status == DeploymentStatus.STARTED
    slots.wait(2)

    assert (only().status, only().cause) == (DeploymentStatus.UNKNOWN, "silent")


def test_hostile_reports_are_stored_bounded(stage: Stage) -> None:
    deployment = report(
        "shop", "prod", DeploymentStatus.FAILED, version="\x00v" * 900, message="m\x00" * 9000, key="k" * 900
    )

    assert "\x00" not in deployment.version + deployment.message
    assert len(deployment.version) <= 200


# --- comparing (pure) -------------------------------------------------------------------------------------------


def who(image: str = "app:1", config: str = "c", **shape: Any) -> dict[str, Any]:
    return {"image": image, "image_id": f"id-{image}", "fingerprint": config, "container_id": "x", "shape": shape}


@pytest.mark.parametrize(
    ("before", "after", "kind", "details"),
    [
        ({}, who(), ChangeKind.INITIAL, {}),
        (who(), who(), ChangeKind.RECREATE, {}),
        (who(), who(config="d"), ChangeKind.CONFIG, {"config_hash": {"from": "c", "to": "d"}}),
        (who(), who("app:2"), ChangeKind.IMAGE,
         {"image": {"from": "app:1", "to": "app:2"}, "image_id": {"from": "id-app:1", "to": "id-app:2"}}),
        (who(environment={"A": "1", "B": "2"}), who(config="d", environment={"B": "3", "C": "4"}), ChangeKind.CONFIG,
         {"config_hash": {"from": "c", "to": "d"},
          "environment": {"added": ["C"], "removed": ["A"], "changed": ["B"]}}),
        (who(ports=[{"container": 80, "protocol": "tcp", "host": 8080}]),
         who(ports=[{"container": 80, "protocol": "tcp", "host": 9090}]), ChangeKind.RECREATE,
         {"ports": {"added": ["9090:80/tcp"], "removed": ["8080:80/tcp"]}}),
        (who(ports=[{"container": 80, "protocol": "tcp", "host": 49153}]),
         who(ports=[{"container": 80, "protocol": "tcp", "host": 49154}]), ChangeKind.RECREATE, {}),
        (who(mounts=[{"target": "/d", "source": "a"}]), who(mounts=[{"target": "/d", "source": "b"}]),
         ChangeKind.RECREATE, {"mounts": {"changed": ["/d"]}}),
        (who(memory_limit_bytes=None), who(memory_limit_bytes=1 << 20), ChangeKind.RECREATE,
         {"memory_limit_bytes": {"from": None, "to": 1 << 20}}),
    ],
)  # fmt: skip
def test_a_comparison_names_what_differs(before: Any, after: Any, kind: ChangeKind, details: Any) -> None:
    assert compare(before, after) == (kind, details)


def test_a_comparison_never_shows_what_stands_in_the_environment() -> None:
    found = compare(who(environment={"PASSWORD": "old-hash"}), who(environment={"PASSWORD": "new-hash"}))

    assert "hash" not in json.dumps(found[1]["environment"])


@pytest.mark.parametrize(
    ("image", "tag"),
    [("app:1.4", "1.4"), ("app", "latest"), ("registry:5000/app", "latest"), ("registry:5000/a/app:v2", "v2"),
     ("app:1@sha256:abc", "1"), ("app@sha256:abc", ""), ("sha256:abc", ""), ("", ""), (None, "")],
)  # fmt: skip
def test_the_tag_of_an_image(image: Any, tag: str) -> None:
    assert tag_of(image) == tag


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [("a:1.2.3", "a:1.2.4", 1), ("a:v1.10.0", "a:v1.9.9", -1), ("a:1.2", "a:1.2.0", 0), ("a:1.0.0-rc.1", "a:1.0.0", 1),
     ("a:1.0.0-rc.2", "a:1.0.0-rc.10", 1), ("a:latest", "a:1.0.0", None), ("a:1.0.0+b1", "a:1.0.0+b2", 0),
     ("a:1.0.0-1", "a:1.0.0-alpha", 1)],
)  # fmt: skip
def test_semantic_versions_are_ordered(before: str, after: str, direction: int | None) -> None:
    assert version_change(before, after) == direction


@pytest.mark.parametrize(
    ("before", "after", "proven", "cause"),
    [
        (who("a:2.0.0"), who("a:1.0.0"), [], "lower_version"),
        (who("a:1.0.0"), who("a:2.0.0"), [who("a:2.0.0")], ""),
        (who("a:x"), who("a:y"), [who("a:y")], "former_image"),
        (who("a:x"), who("a:y"), [who("a:z")], ""),
        (who("a:x", "c2"), who("a:x", "c1"), [who("a:x", "c1")], "former_configuration"),
        (who("a:x", "c1"), who("a:x", "c1"), [who("a:x", "c1")], ""),
        ({}, who("a:x"), [who("a:x")], ""),
    ],
)
def test_a_way_back_is_told_from_a_way_forward(before: Any, after: Any, proven: Any, cause: str) -> None:
    assert way_back(before, after, proven) == cause
