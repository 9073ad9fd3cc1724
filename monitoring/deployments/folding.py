"""Trouble of slots under verification belongs to the deployment: one message per incident."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from monitoring.deployments import judging
from monitoring.models import Deployment, Event, EventKind, Instance, Proxy
from monitoring.models.deployment import DeploymentStatus

LINGERS = timedelta(minutes=10)  # as long as the trouble that failed a deployment goes on, it is the same incident


def is_verifying(stage_id: int | None) -> bool:
    return stage_id is not None and Deployment.objects.filter(stage=stage_id, status=DeploymentStatus.STARTED).exists()


def absorb_instance(instance: Instance, finding: judging.Finding, at: datetime) -> bool:
    """Give trouble of a container to the deployment that put it there; False when it stands for itself.

    finding: cause (crash, oom, crash_loop, unhealthy) with exit_code, exit_class and the like. A death or a loop fails
    the deployment at once; an unhealthy container waits for the end of the window.
    """
    mine = Q(changes__instance=instance, changes__after__container_id=instance.container_id)
    deployment = _responsible(mine, at)
    if deployment is None:
        return False
    if finding["cause"] == "unhealthy" and deployment.status == DeploymentStatus.STARTED:
        return True
    return _attach(deployment, {"instance": instance.name, **finding}, at)


def absorb_route(proxy: Proxy, at: datetime) -> bool:
    """Give a route that was good before, and fails while its stage is being deployed, to the deployment."""
    if proxy.good_at is None or proxy.stage_id is None:
        return False
    deployment = _responsible(Q(stage=proxy.stage_id), at)
    if deployment is None or proxy.good_at < deployment.started_at - timedelta(days=1):
        return False
    return _attach(deployment, judging.route_failure(proxy), at)


def _responsible(mine: Q, at: datetime) -> Deployment | None:
    """Return the deployment under verification, or the failed one whose trouble has not ended."""
    verifying = Q(status=DeploymentStatus.STARTED, verify_until__gte=at)
    still_open = Q(events__kind=EventKind.DEPLOY_FAILED, events__resolved_at=None, events__last_at__gte=at - LINGERS)
    failed = Q(status=DeploymentStatus.FAILED) & (Q(verify_until__gte=at) | still_open)
    found = Deployment.objects.filter(mine).filter(verifying | failed, started_at__lte=at)
    return found.select_related("stage__project").order_by("-started_at", "-pk").first()


def _attach(deployment: Deployment, finding: judging.Finding, at: datetime) -> bool:
    if judging.fail(deployment, finding, at):
        return True
    with transaction.atomic():
        told = Event.objects.open().select_for_update(of=("self",))
        event = told.filter(kind=EventKind.DEPLOY_FAILED, deployment=deployment).first()
        if event is None:
            return False
        more = [*event.parameters.get("more", []), finding][-20:]
        Event.objects.record(
            EventKind.DEPLOY_FAILED, subject=event.subject, key=event.key, at=at, parameters={"more": more}
        )
    return True
