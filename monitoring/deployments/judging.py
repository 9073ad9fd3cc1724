"""Did a deployment hold? The transitions from `started` to an end: each a conditional UPDATE, each told once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from monitoring.models import Change, Deployment, Event, EventKind, Health, Instance, Proxy, State
from monitoring.models.deployment import ChangeKind, DeploymentStatus
from monitoring.models.proxy import ProxyState
from monitoring.untrusted import storable, storable_text

SHORTEST_WINDOW, LONGEST_WINDOW = 90, 600  # seconds
REPLACEMENT_WINDOW = timedelta(minutes=5)
CANNOT_START = range(125, 129)
STOPPED_BY_SIGNAL = {130, 131, 137, 143}  # INT, QUIT, KILL, TERM: without an event nobody knows who sent it
KIND_OF = {
    DeploymentStatus.SUCCEEDED: EventKind.DEPLOY_SUCCEEDED,
    DeploymentStatus.FAILED: EventKind.DEPLOY_FAILED,
    DeploymentStatus.ROLLED_BACK: EventKind.DEPLOY_ROLLED_BACK,
}
Finding = dict[str, Any]
"""Why a change did not hold: `cause` (causes.py), `instance`, and what proves it."""


def window(health_window: int | None) -> timedelta:
    """Return how long a container is watched: what its health check needs, within 90 s and 10 min; else 90 s."""
    return timedelta(seconds=min(max(health_window or 0, SHORTEST_WINDOW), LONGEST_WINDOW))


def judge_due(now: datetime | None = None) -> list[Deployment]:
    """Judge what has verified for long enough; return those that came to an end by this call."""
    now = now or timezone.now()
    due = Deployment.objects.filter(status=DeploymentStatus.STARTED, verify_until__lte=now)
    return [deployment for deployment in due.select_related("stage__project") if judge(deployment, now)]


def judge(deployment: Deployment, now: datetime) -> bool:
    """Judge one deployment by what its slots hold now; False while a removed container may still be replaced."""
    changes = list(deployment.changes.select_related("instance__host"))
    waiting = [change for change in changes if _may_be_replaced(change, now)]
    if waiting:
        latest = max(change.instance.removed_at for change in waiting if change.instance and change.instance.removed_at)
        Deployment.objects.filter(pk=deployment.pk).update(verify_until=latest + REPLACEMENT_WINDOW)
        return False
    if not changes:
        return finish(deployment, DeploymentStatus.UNKNOWN, [{"cause": "silent"}], now)
    failures = [*filter(None, map(failure_of, changes)), *route_failures(deployment)]
    if failures:
        return finish(deployment, DeploymentStatus.FAILED, failures, now)
    doubts = [*filter(None, map(doubt_of, changes))]
    if doubts:
        return finish(deployment, DeploymentStatus.UNKNOWN, doubts, now)
    back = way_back(changes)
    if back:
        return finish(deployment, DeploymentStatus.ROLLED_BACK, [{"cause": back}], now)
    return finish(deployment, DeploymentStatus.SUCCEEDED, [], now)


def way_back(changes: list[Change]) -> str:
    """Return why the deployment as a whole is a rollback: each real change of it is a way back; "" otherwise."""
    real = [change for change in changes if change.kind in (ChangeKind.IMAGE, ChangeKind.CONFIG)]
    return real[0].way_back if real and all(change.way_back for change in real) else ""


def _may_be_replaced(change: Change, now: datetime) -> bool:
    row = change.instance
    return bool(row and row.state == State.REMOVED and row.removed_at and now - row.removed_at < REPLACEMENT_WINDOW)


def _sits(change: Change) -> Instance | None:
    """Return the slot if the container that this change put there still is what it is about."""
    row = change.instance
    return row if row and row.container_id == change.after.get("container_id") else None


def failure_of(change: Change) -> Finding | None:
    """Return why the new container of a slot failed, by its row; None when nothing speaks against it."""
    row = _sits(change)
    if row is None or row.host.unreachable_since:
        return None
    cause = _cause(row)
    if not cause:
        return None
    ended = row.state in (State.EXITED, State.DEAD, State.CREATED)
    found: Finding = {"cause": cause, "instance": row.name}
    if ended and row.exit_code is not None:
        found["exit_code"] = row.exit_code
    if row.error:
        found["error"] = storable_text(row.error, 300)
    return found


def _cause(row: Instance) -> str:
    if row.state == State.REMOVED:
        return "not_replaced"
    if row.state == State.CREATED or (row.state == State.EXITED and row.exit_code in CANNOT_START and row.error):
        return "never_started"
    if row.state == State.EXITED:
        return _cause_of_end(row)
    if row.state == State.DEAD:
        return "crash"
    if row.restarts or row.state == State.RESTARTING:
        return "oom" if row.oom_killed else ("crash_loop" if row.restarts >= 3 else "crash")
    return "unhealthy" if row.health == Health.UNHEALTHY else ""


def _cause_of_end(row: Instance) -> str:
    if row.oom_killed:
        return "oom"
    return "" if row.exit_code == 0 or row.exit_code in STOPPED_BY_SIGNAL else "crash"


def route_failures(deployment: Deployment) -> list[Finding]:
    """Return the routes of the stage that were good before and fail since."""
    failing = Proxy.objects.watched().filter(stage=deployment.stage_id, state=ProxyState.UNHEALTHY)
    failing = failing.filter(since__gte=deployment.started_at, good_at__lte=F("since"))
    return [route_failure(proxy) for proxy in failing]


def route_failure(proxy: Proxy) -> Finding:
    return {"cause": "route", "address": proxy.address, "status": proxy.status, "fault": proxy.fault}


def doubt_of(change: Change) -> Finding | None:
    """Return why nobody can say whether the new container holds; None when it does."""
    row = _sits(change)
    if row is None:
        return None
    if row.host.unreachable_since:
        return {"cause": "unobserved", "instance": row.name}
    if row.health == Health.STARTING:
        return {"cause": "still_starting", "instance": row.name}
    completed = row.exit_code == 0 and row.restart_policy in ("", "no", "on-failure")
    stopped = row.state == State.EXITED and not completed
    return {"cause": "stopped", "instance": row.name, "exit_code": row.exit_code} if stopped else None


def fail(deployment: Deployment, finding: Finding, at: datetime) -> bool:
    return finish(deployment, DeploymentStatus.FAILED, [finding], at)


def finish(
    deployment: Deployment,
    status: DeploymentStatus,
    findings: list[Finding],
    at: datetime,
    *,
    instead_of: tuple[str, ...] = (DeploymentStatus.STARTED,),
) -> bool:
    """End a deployment and tell it, unless somebody did before; the first finding is the cause, the rest attached."""
    first, *more = storable(findings) or [{}]
    details = {name: value for name, value in first.items() if name != "cause"} | ({"more": more[:20]} if more else {})
    with transaction.atomic():
        unfinished = Deployment.objects.filter(Q(status__in=instead_of), pk=deployment.pk)
        ended = {"status": status, "cause": first.get("cause", ""), "cause_details": details, "finished_at": at}
        if not unfinished.update(**ended):
            return False
        for name, value in ended.items():
            setattr(deployment, name, value)
        _tell(deployment, at)
    return True


def _tell(deployment: Deployment, at: datetime) -> None:
    """A success or a way back ends the failure before it; a new failure takes its place without a word."""
    if deployment.status not in KIND_OF:
        return
    open_failures = Event.objects.open().filter(kind=EventKind.DEPLOY_FAILED, stage=deployment.stage_id)
    open_failures.update(resolved_at=at)
    cause = {"cause": deployment.cause, **deployment.cause_details} if deployment.cause else {}
    event = told(deployment)
    event["parameters"] |= cause
    Event.objects.record(KIND_OF[DeploymentStatus(deployment.status)], at=at, **event)


def told(deployment: Deployment) -> dict[str, Any]:
    """Return what every event about a deployment carries: subject, key, parameters (wording.py) and links."""
    changes = list(deployment.changes.select_related("instance__host"))
    images = [change for change in changes if change.kind == ChangeKind.IMAGE][:1]
    ended = deployment.finished_at
    parameters = {
        "version": deployment.version,
        "from": _image(images[0].before) if images else "",
        "to": _image(images[0].after) if images else deployment.version,
        "changes": len(changes),
        "instances": [change.subject for change in changes[:20]],
        "source": deployment.source,
        "message": deployment.message[:300],
    } | ({"seconds": max(0, round((ended - deployment.started_at).total_seconds()))} if ended else {})
    hosts = {change.instance.host for change in changes if change.instance}
    return {
        "subject": str(deployment.stage),
        "key": Event.key_of(deployment),
        "parameters": {name: value for name, value in parameters.items() if value not in ("", None)},
        "deployment": deployment,
        "stage": deployment.stage,
        "host": hosts.pop() if len(hosts) == 1 else None,
    }


def _image(who: dict[str, Any]) -> str:
    return str(who.get("image", "")) or str(who.get("image_id", ""))[:19]
