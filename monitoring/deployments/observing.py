"""What started in which slot, and which deployment that belongs to.

Level-triggered: a slot remembers who last started in it (`Instance.deployed`); whoever differs from that is a change,
however often and from wherever this is called, and whatever events were missed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from monitoring.deployments import judging
from monitoring.deployments.comparing import compare, tag_of, way_back
from monitoring.models import Change, Deployment, Event, EventKind, Instance, Proxy, Stage, State
from monitoring.models.deployment import ChangeKind, DeploymentStatus, Source
from monitoring.models.writing import update

GROUP_WINDOW, GROUP_AT_MOST = timedelta(seconds=60), timedelta(minutes=15)
REPORTED_AT_MOST = timedelta(hours=1)
NO_REPLACEMENT_AFTER = timedelta(minutes=5)
SWARM_TASK = "com.docker.swarm.task.name"
_HOLDS = (DeploymentStatus.SUCCEEDED, DeploymentStatus.ROLLED_BACK)


def observe(instance_ids: Collection[int], at: datetime | None = None) -> list[Deployment]:
    """Group what started anew in these slots into deployments, and return those. Harmless when nothing did.

    Call it after the rows were written, in the same transaction; one query when nothing started.
    """
    at = at or timezone.now()
    with transaction.atomic():
        rows = Instance.objects.filter(pk__in=instance_ids).exclude(inspected_at=None).exclude(state=State.REMOVED)
        begun = [row for row in rows.select_related("host", "stage__project") if _has_begun(row) and _is_other(row)]
        changed = [row for row in begun if not _was_there_before_us(row) and not _is_restarted_task(row)]
        found = _grouped(changed, at)
        _remember(begun)
    return found


def observe_missing(now: datetime | None = None) -> list[Deployment]:
    """Fail what removed the old container of a slot and never started the new one."""
    now = now or timezone.now()
    waiting = Instance.objects.filter(state=State.CREATED, created_at__lte=now - NO_REPLACEMENT_AFTER)
    rows = waiting.exclude(inspected_at=None).exclude(deployed={}).select_related("host", "stage__project")
    with transaction.atomic():
        stuck = [row for row in rows.select_for_update(of=("self",)) if _is_other(row)]
        found = _grouped(stuck, now)
        _remember(stuck)
        for deployment in found:
            names = [row.name for row in stuck if row.stage_id == deployment.stage_id]
            judging.fail(deployment, {"cause": "not_replaced", "instance": names[0]}, now)
    return found


def _remember(rows: Sequence[Instance]) -> None:
    field = Instance._meta.get_field("deployed")
    values = [(field.get_db_prep_save(sitting(row), connection), row.pk) for row in rows]
    if values:
        update(Instance, ["deployed"], values)


def sitting(row: Instance) -> dict[str, Any]:
    """Return who sits in the slot now, as `deployed` keeps it."""
    return {
        "container_id": row.container_id,
        "image": row.image,
        "image_id": row.image_id,
        "fingerprint": row.fingerprint,
        "shape": row.shape,
        "started_at": row.started_at.isoformat() if row.started_at else None,
    }


def _has_begun(row: Instance) -> bool:
    """A container that was only created is no deployment yet; one that could not start is."""
    return row.started_at is not None or bool(row.error)


def _is_other(row: Instance) -> bool:
    """Tell whether another container sits there, or the same one started again with another configuration."""
    known = row.deployed
    if known.get("container_id") != row.container_id:
        return True
    started_at = row.started_at.isoformat() if row.started_at else None
    return bool(known.get("fingerprint") != row.fingerprint and known.get("started_at") != started_at)


def _was_there_before_us(row: Instance) -> bool:
    """What ran when the host was added was deployed before anybody watched."""
    return not row.deployed and row.created_at is not None and row.created_at < row.host.added_at


def _is_restarted_task(row: Instance) -> bool:
    """Swarm replaces a task that ended by a new container: a restart, unless it runs something else."""
    same = all(row.deployed.get(name) == getattr(row, name) for name in ("image_id", "fingerprint"))
    if not same or SWARM_TASK not in row.labels:
        return False
    for change in Change.objects.filter(instance=row, deployment__status=DeploymentStatus.STARTED):
        change.after = {**change.after, "container_id": row.container_id}
        change.save(update_fields=["after"])
    return True


def _grouped(rows: Iterable[Instance], at: datetime) -> list[Deployment]:
    by_stage = groupby(sorted(rows, key=lambda row: (row.stage_id, row.name)), key=lambda row: row.stage_id)
    return [_deploy(list(group), at) for _stage_id, group in by_stage]


def _deploy(rows: Sequence[Instance], at: datetime) -> Deployment:
    """Put the changes of one stage into the deployment under way, or into a new one."""
    stage = Stage.objects.select_for_update().get(pk=rows[0].stage_id)  # hosts that share a stage take turns
    began = max(_began(row, at) for row in rows)
    deployment = _under_way(stage, rows, began)
    is_new = deployment is None
    deployment = deployment or _new(stage, rows, began)
    _note_changes(deployment, rows)
    _extend(deployment, rows, began)
    _supersede(deployment, rows, began)
    Proxy.objects.filter(stage=stage).update(due_at=None)
    if is_new:
        _announce(deployment, at)
    return deployment


def _began(row: Instance, at: datetime) -> datetime:
    """Return when the change happened: now, but for what we find after having been away."""
    started = row.started_at or row.created_at or at
    return started if at - started > GROUP_AT_MOST else at


def _under_way(stage: Stage, rows: Sequence[Instance], began: datetime) -> Deployment | None:
    """Return the deployment that these changes belong to: the last of the stage, if it is young and knows none of them.

    A failed one still takes the other containers of the same run; a reported one takes a slot twice.
    """
    fresh = Q(changed_at__gte=began - GROUP_WINDOW, started_at__gte=began - GROUP_AT_MOST)
    reported = Q(source=Source.REPORTED, status=DeploymentStatus.STARTED, started_at__gte=began - REPORTED_AT_MOST)
    open_ones = (DeploymentStatus.STARTED, DeploymentStatus.FAILED)
    last = Deployment.objects.filter(fresh | reported, stage=stage, status__in=open_ones).first()
    if last is None or (last.source == Source.REPORTED and last.status == DeploymentStatus.STARTED):
        return last
    slots = set(last.changes.values_list("instance_id", flat=True))
    return last if slots and slots.isdisjoint(row.pk for row in rows) else None


def _new(stage: Stage, rows: Sequence[Instance], began: datetime) -> Deployment:
    tags = {tag_of(row.image) for row in rows}
    version = tags.pop() if len(tags) == 1 else ""
    return Deployment.objects.create(stage=stage, version=version[:200], started_at=began, changed_at=began)


def _neighbours(rows: Sequence[Instance]) -> set[tuple[str, str, str]]:
    """Return (service, image id, fingerprint) of what ran in the stage already: another slot of it is a scaling."""
    others = (
        Instance.objects.filter(stage=rows[0].stage_id).exclude(pk__in=[row.pk for row in rows]).exclude(service="")
    )
    return set(others.exclude(state=State.REMOVED).values_list("service", "image_id", "fingerprint"))


def _note_changes(deployment: Deployment, rows: Sequence[Instance]) -> None:
    """Note what happened to each slot; a second change of one in the same deployment keeps where it came from."""
    neighbours, proven = _neighbours(rows), _proven(rows)
    known = {change.instance_id: change for change in deployment.changes.filter(instance__in=rows)}
    new = []
    for row in rows:
        change = known.get(row.pk) or Change(deployment=deployment, instance=row, before=_short(row.deployed))
        _describe(change, row, neighbours, proven[row.pk])
        if change.pk:
            change.save()
        else:
            new.append(change)
    Change.objects.bulk_create(new, batch_size=200)


def _describe(
    change: Change, row: Instance, neighbours: set[tuple[str, str, str]], proven: Sequence[dict[str, Any]]
) -> None:
    before, after = row.deployed, sitting(row)
    kind, details = compare(before, after)
    if kind == ChangeKind.INITIAL and (row.service, row.image_id, row.fingerprint) in neighbours:
        kind = ChangeKind.SCALE
    change.subject, change.kind, change.details, change.after = row.name, kind, details, _short(after)
    change.way_back = way_back(before, after, proven)


def _short(who: dict[str, Any]) -> dict[str, Any]:
    return {name: who[name] for name in ("image", "image_id", "fingerprint", "container_id") if name in who}


def _proven(rows: Sequence[Instance]) -> dict[int, list[dict[str, Any]]]:
    """Return who held in each slot: what succeeded there, and what was there before the first deployment we know."""
    found: dict[int, list[dict[str, Any]]] = {row.pk: [] for row in rows}
    history = Change.objects.filter(instance__in=rows).order_by("deployment__started_at", "pk")
    firsts: set[int | None] = set()
    for pk, status, before, after in history.values_list("instance_id", "deployment__status", "before", "after"):
        held = found[pk or 0]
        if pk not in firsts and before:
            held.append(before)
        if status in _HOLDS:
            held.append(after)
        firsts.add(pk)
    return found


def _extend(deployment: Deployment, rows: Sequence[Instance], began: datetime) -> None:
    until = max(began + judging.window(row.health_window) for row in rows)
    is_reported_only = deployment.source == Source.REPORTED and not deployment.changed_at > deployment.started_at
    known = None if is_reported_only else deployment.verify_until
    deployment.verify_until = max(until, known or until)
    deployment.changed_at = max(deployment.changed_at, began)
    Deployment.objects.filter(pk=deployment.pk).update(
        verify_until=deployment.verify_until, changed_at=deployment.changed_at
    )


def _supersede(deployment: Deployment, rows: Sequence[Instance], at: datetime) -> None:
    """End what verified these slots before: nobody will know whether it would have held."""
    former = Deployment.objects.filter(status=DeploymentStatus.STARTED, changes__instance__in=rows)
    former.exclude(pk=deployment.pk).update(status=DeploymentStatus.SUPERSEDED, finished_at=at)


def _announce(deployment: Deployment, at: datetime) -> None:
    told = judging.told(deployment)
    Event.objects.record(EventKind.DEPLOY_STARTED, at=at, **told)
