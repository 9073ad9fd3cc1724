from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.host import Host, Stage


class State(models.TextChoices):
    """The engine's word for what a container does; `removed` is ours: the slot is empty now."""

    CREATED = "created", _("Created")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    RESTARTING = "restarting", _("Restarting")
    EXITED = "exited", _("Stopped")
    DEAD = "dead", _("Dead")
    REMOVED = "removed", _("Removed")


class Health(models.TextChoices):
    NONE = "none", _("No health check")
    STARTING = "starting", _("Starting")
    HEALTHY = "healthy", _("Healthy")
    UNHEALTHY = "unhealthy", _("Unhealthy")


class Instance(models.Model):
    """A slot that holds a container: it survives redeploys, and so does its history."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="instances", verbose_name=_("host"))
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="instances", verbose_name=_("stage"))
    slot = models.CharField(
        _("slot"), max_length=300, help_text=_("Container name, or service and task slot in Swarm.")
    )
    name = models.CharField(_("name"), max_length=255)
    service = models.CharField(_("service"), max_length=200, blank=True)

    container_id = models.CharField(_("container id"), max_length=64, db_index=True)
    image = models.CharField(_("image"), max_length=500, blank=True)
    image_id = models.CharField(_("image id"), max_length=100, blank=True)
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    ports = models.JSONField(_("ports"), default=list, blank=True)
    addresses = models.JSONField(_("addresses"), default=dict, blank=True, help_text="network name -> IP address")
    fingerprint = models.CharField(_("fingerprint"), max_length=100, blank=True)
    shape = models.JSONField(
        _("shape"),
        default=dict,
        blank=True,
        help_text="What a deployment compares; environment by name and keyed hash only.",
    )

    state = models.CharField(_("state"), max_length=12, choices=State, default=State.CREATED)
    health = models.CharField(_("health"), max_length=10, choices=Health, default=Health.NONE)
    created_at = models.DateTimeField(_("created"), null=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    seen_running_at = models.DateTimeField(_("last seen running"), null=True)
    removed_at = models.DateTimeField(_("removed"), null=True)
    exit_code = models.IntegerField(_("exit code"), null=True)
    oom_killed = models.BooleanField(_("out of memory"), default=False)
    error = models.TextField(_("error of the engine"), blank=True)
    restarts = models.PositiveIntegerField(_("restarts"), default=0)
    restart_policy = models.CharField(_("restart policy"), max_length=20, blank=True)
    stop_signal = models.CharField(_("stop signal"), max_length=20, blank=True)
    stop_timeout = models.PositiveIntegerField(_("stop timeout"), default=10)
    health_window = models.PositiveIntegerField(
        null=True,
        help_text="Seconds a health check needs for its verdict: start period + 2 x retries x (interval + timeout).",
    )
    cpu_limit_cores = models.FloatField(_("CPU limit"), null=True)
    memory_limit_bytes = models.BigIntegerField(_("memory limit"), null=True)

    stale_reasons = models.JSONField(_("stale because"), default=list, blank=True)
    warnings = models.JSONField(
        _("warnings"), default=list, blank=True, help_text="Label values that could not be used."
    )

    class Meta:
        verbose_name = _("instance")
        verbose_name_plural = _("instances")
        ordering = ["stage__project__slug", "stage__slug", "name"]
        constraints = [models.UniqueConstraint(fields=["host", "slot"], name="one_instance_per_slot")]
        indexes = [models.Index(fields=["state"]), models.Index(fields=["stage", "name"])]

    def __str__(self) -> str:
        return self.name

    @property
    def stale(self) -> bool:
        return bool(self.stale_reasons)
