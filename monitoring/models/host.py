from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

UNREACHABLE_AFTER = timedelta(seconds=5)
"""A check that fails this long after the first failed one makes an outage; a blip between two checks is none."""


class HostQuerySet(models.QuerySet["Host"]):
    def watched(self) -> HostQuerySet:
        return self.filter(enabled=True)

    def online(self) -> HostQuerySet:
        return self.watched().filter(reachable_since__isnull=False, unreachable_since=None)

    def install_from_environment(self) -> list[Host]:
        """Add the hosts that the environment names and that are not known yet; return the new ones.

        DOCKER_HOST makes the row `local` only while there is no host at all. A row that exists is the
        administrator's: it is never changed, and a deleted `local` does not come back beside other hosts.
        """
        wanted = dict(settings.EXTRA_HOSTS)
        if not self.exists():
            wanted.setdefault("local", settings.DOCKER_HOST)
        made = [self.get_or_create(name=name, defaults={"url": url}) for name, url in wanted.items()]
        return [host for host, new in made if new]

    def mark_reachable(self, pk: int, at: datetime | None = None) -> bool:
        """Note that the engine answered; return True if it did not before, to exactly one caller."""
        at = at or timezone.now()
        self.filter(pk=pk).update(checked_at=at)
        away = self.filter(pk=pk).exclude(reachable_since__isnull=False, unreachable_since=None)
        now_here = {"reachable_since": at, "unreachable_since": None, "outage_told_at": None}
        return bool(away.update(**now_here, unreachable_code="", unreachable_reason=""))

    def mark_unreachable(self, pk: int, code: str, reason: str, at: datetime | None = None) -> bool:
        """Note that the engine did not answer; return True once per outage, when it has lasted for two checks."""
        at = at or timezone.now()
        self.filter(pk=pk).update(
            unreachable_since=Coalesce("unreachable_since", models.Value(at, models.DateTimeField())),
            unreachable_code=code[:40],
            unreachable_reason=reason,
            reachable_since=None,
            checked_at=at,
        )
        lasting = self.filter(pk=pk, outage_told_at=None, unreachable_since__lte=at - UNREACHABLE_AFTER)
        return bool(lasting.update(outage_told_at=at))

    def claim_sweep(self, pk: int, seconds: float, at: datetime | None = None) -> datetime | None:
        """Lease the sweep of a watched host for SECONDS; None while another one holds it. Answers the lease's end."""
        at = at or timezone.now()
        until = at + timedelta(seconds=seconds)
        free = self.watched().filter(Q(sweep_until=None) | Q(sweep_until__lte=at), pk=pk)
        return until if free.update(sweep_until=until) else None

    def claim_inventory(self, pk: int, version: int) -> bool:
        """Take the right to write what was seen since VERSION; False when another wrote in the meantime."""
        return bool(self.filter(pk=pk, inventory_version=version).update(inventory_version=version + 1))

    def release_all_sweeps(self) -> None:
        """Forget all leases: for the start of the one process of embedded mode, which may have been killed."""
        self.exclude(sweep_until=None).update(sweep_until=None)

    def release_sweep(self, pk: int, until: datetime) -> None:
        """Give the lease that ends at UNTIL back; another's lease is left alone."""
        self.filter(pk=pk, sweep_until=until).update(sweep_until=None)


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

    facts_at = models.DateTimeField(null=True, editable=False, help_text="When the engine described itself last.")

    reachable_since = models.DateTimeField(_("reachable since"), null=True, editable=False)
    unreachable_since = models.DateTimeField(_("unreachable since"), null=True, editable=False)
    unreachable_code = models.CharField(_("cause"), max_length=40, blank=True, editable=False)
    unreachable_reason = models.TextField(_("reason"), blank=True, editable=False)
    outage_told_at = models.DateTimeField(
        null=True, editable=False, help_text="When this outage was recorded as an event: once per outage."
    )
    checked_at = models.DateTimeField(_("checked"), null=True, editable=False)
    sampled_at = models.DateTimeField(_("last sample"), null=True, editable=False)
    sweep_until = models.DateTimeField(
        null=True, editable=False, help_text="Lease of the sweep under way: never two sweeps of one host at once."
    )
    inventory_version = models.BigIntegerField(
        default=0, editable=False, help_text="Grows with each change of the host's instances: compare and set."
    )

    objects = HostQuerySet.as_manager()

    class Meta:
        verbose_name = _("host")
        verbose_name_plural = _("hosts")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_reachable(self) -> bool:
        return self.reachable_since is not None and self.unreachable_since is None


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


class StageQuerySet(models.QuerySet["Stage"]):
    def place(self, wanted: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], Stage]:
        """Return the stages by (project slug, stage slug), making what is missing; WANTED gives the project's name."""
        found = self._by_slugs(wanted)
        missing = [key for key in wanted if key not in found]
        if not missing:
            return found
        names = {project: wanted[project, stage] for project, stage in missing}
        Project.objects.bulk_create([Project(slug=s, name=n) for s, n in names.items()], ignore_conflicts=True)
        projects = {project.slug: project for project in Project.objects.filter(slug__in=names)}
        self.bulk_create([Stage(project=projects[p], slug=s) for p, s in missing], ignore_conflicts=True)
        return found | self._by_slugs(missing)

    def _by_slugs(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Stage]:
        stages = self.select_related("project").filter(project__slug__in={project for project, _stage in wanted})
        by_slugs = {(stage.project.slug, stage.slug): stage for stage in stages}
        return {key: by_slugs[key] for key in wanted if key in by_slugs}


class Stage(models.Model):
    """An environment of a project."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="stages", verbose_name=_("project"))
    slug = models.SlugField(_("id"), max_length=60, allow_unicode=True)

    objects = StageQuerySet.as_manager()

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
