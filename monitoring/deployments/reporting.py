"""What the deploying tool says itself: for what leaves no trace in the engine, such as a failed pull or build."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from monitoring.deployments import judging
from monitoring.models import Deployment, Event, EventKind, Stage
from monitoring.models.deployment import DeploymentStatus, Source
from monitoring.untrusted import storable_text

MERGES_WITHIN = timedelta(minutes=15)
SILENT_AFTER = timedelta(hours=1)
REPORTABLE = (
    DeploymentStatus.STARTED,
    DeploymentStatus.SUCCEEDED,
    DeploymentStatus.FAILED,
    DeploymentStatus.ROLLED_BACK,
)
# what a later word of the tool may still correct: it may have tested what we only watched
CORRECTED_BY = {
    DeploymentStatus.SUCCEEDED: (DeploymentStatus.STARTED, DeploymentStatus.UNKNOWN, DeploymentStatus.SUPERSEDED),
    DeploymentStatus.FAILED: (DeploymentStatus.STARTED, DeploymentStatus.UNKNOWN, DeploymentStatus.SUCCEEDED),
    DeploymentStatus.ROLLED_BACK: (DeploymentStatus.STARTED, DeploymentStatus.UNKNOWN, DeploymentStatus.SUCCEEDED),
}


def report(
    project: str,
    stage: str,
    status: DeploymentStatus,
    *,
    service: str = "",
    version: str = "",
    message: str = "",
    key: str = "",
    at: datetime | None = None,
) -> Deployment:
    """Note what a deploying tool reports, and return the deployment it is about.

    project and stage are slugs (made if new). The same KEY is the same deployment, however often it is reported;
    without one, and for what we detected ourselves, the youngest of the stage of the last 15 minutes is meant.
    A reported success ends a deployment in which nothing changed; where containers are being verified, those decide.
    """
    at = at or timezone.now()
    with transaction.atomic():
        place = Stage.objects.place({(project, stage): project})[project, stage]
        Stage.objects.select_for_update().get(pk=place.pk)
        deployment = _known(place, key, status, at) or _new(place, key, at)
        _describe(deployment, service, version, message, key)
        _end(deployment, DeploymentStatus(status), at)
    deployment.refresh_from_db()
    return deployment


def _known(stage: Stage, key: str, status: str, at: datetime) -> Deployment | None:
    if key and (same := Deployment.objects.filter(stage=stage, key=key).first()):
        return same
    recent = Deployment.objects.filter(Q(key="") | Q(key=key), stage=stage, started_at__gte=at - MERGES_WITHIN)
    if status == DeploymentStatus.STARTED:
        recent = recent.filter(status=DeploymentStatus.STARTED)
    return recent.first()


def _new(stage: Stage, key: str, at: datetime) -> Deployment:
    try:
        with transaction.atomic():
            deployment = Deployment.objects.create(
                stage=stage,
                key=storable_text(key, 200),
                source=Source.REPORTED,
                started_at=at,
                changed_at=at,
                verify_until=at + SILENT_AFTER,
            )
    except IntegrityError:
        return Deployment.objects.get(stage=stage, key=storable_text(key, 200))
    Event.objects.record(EventKind.DEPLOY_STARTED, at=at, **judging.told(deployment))
    return deployment


def _describe(deployment: Deployment, service: str, version: str, message: str, key: str) -> None:
    said = {
        "version": storable_text(version, 200),
        "message": storable_text(f"{service}: {message}" if service and message else message or service),
        "key": storable_text(key, 200),
    }
    told: dict[str, Any] = {name: value for name, value in said.items() if value}
    for name, value in told.items():
        setattr(deployment, name, value)
    if told:
        Deployment.objects.filter(pk=deployment.pk).update(**told)


def _end(deployment: Deployment, status: DeploymentStatus, at: datetime) -> None:
    if status == DeploymentStatus.STARTED:
        return
    verifies = status == DeploymentStatus.SUCCEEDED and deployment.changes.exists()
    if verifies and deployment.status == DeploymentStatus.STARTED:
        return
    said = {} if status == DeploymentStatus.SUCCEEDED else {"cause": "reported", "message": deployment.message[:300]}
    judging.finish(deployment, status, [said] if said else [], at, instead_of=CORRECTED_BY[status])
