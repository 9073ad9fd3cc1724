from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Host(models.Model):
    """A Docker engine that we watch."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    url = models.CharField(
        _("address"), max_length=500, help_text=_("unix:///var/run/docker.sock, tcp://10.0.0.7:2376 or ssh://user@nas")
    )
    certificates = models.CharField(
        _("certificates"),
        max_length=500,
        blank=True,
        help_text=_("Folder with ca.pem, cert.pem and key.pem, for tcp with TLS."),
    )
    default_stage = models.CharField(_("default stage"), max_length=60, blank=True)
    enabled = models.BooleanField(_("watched"), default=True)
    added_at = models.DateTimeField(_("added"), auto_now_add=True)

    engine_id = models.CharField(_("engine id"), max_length=100, blank=True, editable=False)
    engine_version = models.CharField(_("engine version"), max_length=60, blank=True, editable=False)
    api_version = models.CharField(_("API version"), max_length=20, blank=True, editable=False)
    operating_system = models.CharField(_("operating system"), max_length=100, blank=True, editable=False)
    cgroup_version = models.CharField(_("cgroup version"), max_length=5, blank=True, editable=False)
    cpus = models.PositiveIntegerField(_("CPUs"), null=True, editable=False)
    memory_bytes = models.BigIntegerField(_("memory"), null=True, editable=False)

    reachable_since = models.DateTimeField(_("reachable since"), null=True, editable=False)
    unreachable_since = models.DateTimeField(_("unreachable since"), null=True, editable=False)
    unreachable_reason = models.TextField(_("reason"), blank=True, editable=False)
    checked_at = models.DateTimeField(_("checked"), null=True, editable=False)
    sampled_at = models.DateTimeField(_("last sample"), null=True, editable=False)
    sweep_until = models.DateTimeField(
        null=True, editable=False, help_text="Lease of the sweep under way: never two sweeps of one host at once."
    )

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Project(models.Model):
    """What the user runs."""

    slug = models.SlugField(_("id"), max_length=100, unique=True, allow_unicode=True)
    name = models.CharField(_("name"), max_length=200)

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class Stage(models.Model):
    """An environment of a project."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="stages", verbose_name=_("project"))
    slug = models.SlugField(_("id"), max_length=60, allow_unicode=True)

    class Meta:
        verbose_name = _("stage")
        verbose_name_plural = _("stages")
        ordering = ["project__slug", "slug"]
        constraints = [models.UniqueConstraint(fields=["project", "slug"], name="one_stage_per_slug")]

    def __str__(self) -> str:
        return f"{self.project} / {self.slug}"


class StageMapping(models.Model):
    """The administrator's word on where the containers of one compose project or stack belong."""

    found_project = models.CharField(_("project as found"), max_length=200, unique=True)
    project = models.SlugField(_("project"), max_length=100, allow_unicode=True)
    stage = models.SlugField(_("stage"), max_length=60, allow_unicode=True)

    class Meta:
        verbose_name = _("stage mapping")
        verbose_name_plural = _("stage mappings")
        ordering = ["found_project"]

    def __str__(self) -> str:
        return f"{self.found_project} → {self.project} / {self.stage}"
