from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.host import Stage
from monitoring.models.instance import Instance


class DeploymentStatus(models.TextChoices):
    STARTED = "started", _("In progress")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    ROLLED_BACK = "rolled_back", _("Rolled back")
    SUPERSEDED = "superseded", _("Superseded")
    UNKNOWN = "unknown", _("Unknown")


class Source(models.TextChoices):
    DETECTED = "detected", _("Detected")
    REPORTED = "reported", _("Reported")


class Deployment(models.Model):
    """A change of container or image in the slots of one stage, and what came of it."""

    stage = models.ForeignKey(Stage, models.CASCADE, related_name="deployments", verbose_name=_("stage"))
    status = models.CharField(_("status"), max_length=12, choices=DeploymentStatus, default=DeploymentStatus.STARTED)
    source = models.CharField(_("source"), max_length=10, choices=Source, default=Source.DETECTED)
    key = models.CharField(_("key of the report"), max_length=200, blank=True)
    version = models.CharField(_("version"), max_length=200, blank=True)
    message = models.TextField(_("message"), blank=True)
    cause = models.CharField(_("cause"), max_length=40, blank=True)
    cause_details = models.JSONField(_("details of the cause"), default=dict, blank=True)
    started_at = models.DateTimeField(_("started"))
    changed_at = models.DateTimeField(_("last change"), help_text="60 s after it nothing more joins this deployment")
    verify_until = models.DateTimeField(_("judged at"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)

    class Meta:
        verbose_name = _("deployment")
        verbose_name_plural = _("deployments")
        ordering = ["-started_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["stage", "key"], condition=~models.Q(key=""), name="one_deployment_per_key")
        ]
        indexes = [models.Index(fields=["status", "verify_until"])]

    def __str__(self) -> str:
        return f"{self.stage} {self.started_at:%Y-%m-%d %H:%M}"


class ChangeKind(models.TextChoices):
    INITIAL = "initial", _("First start")
    IMAGE = "image", _("Image")
    CONFIG = "config", _("Configuration")
    RECREATE = "recreate", _("Recreated")
    SCALE = "scale", _("Scale")


class Change(models.Model):
    """What one deployment did to one slot."""

    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="changes")
    instance = models.ForeignKey(Instance, models.SET_NULL, null=True, related_name="changes")
    subject = models.CharField(_("instance"), max_length=255)
    kind = models.CharField(_("kind"), max_length=10, choices=ChangeKind)
    before = models.JSONField(_("before"), default=dict, help_text="image, image_id, fingerprint, container_id")
    after = models.JSONField(_("after"), default=dict)
    details = models.JSONField(_("what changed"), default=dict)
    way_back = models.CharField(_("way back"), max_length=40, blank=True, help_text="Why this is a rollback, if it is.")

    class Meta:
        verbose_name = _("change")
        verbose_name_plural = _("changes")
        ordering = ["subject"]

    def __str__(self) -> str:
        return f"{self.subject}: {self.kind}"
