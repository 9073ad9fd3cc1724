from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models import Event, EventKind, Instance, Project, Stage
from monitoring.models.event import kind_choices


class KindSettingQuerySet(models.QuerySet["KindSetting"]):
    def switches(self) -> dict[str, bool]:
        """Return for every event kind whether it is told at all."""
        return {kind.value: kind.default_on for kind in EventKind} | dict(self.values_list("kind", "on"))

    def is_on(self, kind: str) -> bool:
        row = self.filter(kind=kind).first()
        return row.on if row else EventKind(kind).default_on

    def switch(self, kinds: Mapping[str, bool]) -> None:
        """Turn event kinds on or off for everybody; others stay as they are."""
        for kind, on in kinds.items():
            self.update_or_create(kind=EventKind(kind), defaults={"on": on})


class KindSetting(models.Model):
    """Whether an event kind is told at all. No row: as the kind itself says."""

    kind = models.CharField(_("kind"), max_length=40, choices=kind_choices, unique=True)
    on = models.BooleanField(_("on"))

    objects = KindSettingQuerySet.as_manager()

    class Meta:
        verbose_name = _("event kind")
        verbose_name_plural = _("event kinds")
        ordering = ["kind"]

    def __str__(self) -> str:
        return f"{self.kind} {'on' if self.on else 'off'}"


class MuteQuerySet(models.QuerySet["Mute"]):
    def in_force(self, now: datetime | None = None) -> MuteQuerySet:
        return self.filter(until__gt=now or timezone.now())

    def covering(self, event: Event, now: datetime) -> MuteQuerySet:
        """Return the mutes in force that EVENT falls under: everything that a mute names must fit."""
        project = event.stage.project_id if event.stage else None
        return self.in_force(now).filter(
            Q(project=None) | Q(project=project),
            Q(stage=None) | Q(stage=event.stage_id),
            Q(instance=None) | Q(instance=event.instance_id),
            Q(kind="") | Q(kind=event.kind),
        )


class Mute(models.Model):
    """Silence until a time for what it names: everything named must fit; a mute that names nothing covers all."""

    project = models.ForeignKey(Project, models.CASCADE, null=True, blank=True, verbose_name=_("project"))
    stage = models.ForeignKey(Stage, models.CASCADE, null=True, blank=True, verbose_name=_("stage"))
    instance = models.ForeignKey(Instance, models.CASCADE, null=True, blank=True, verbose_name=_("instance"))
    kind = models.CharField(_("kind"), max_length=40, blank=True, choices=kind_choices)
    until = models.DateTimeField(_("until"))
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, verbose_name=_("muted by"))
    made_at = models.DateTimeField(_("muted at"), auto_now_add=True)

    objects = MuteQuerySet.as_manager()

    class Meta:
        verbose_name = _("mute")
        verbose_name_plural = _("mutes")
        ordering = ["until"]

    def __str__(self) -> str:
        named = [str(part) for part in (self.project, self.stage, self.instance, self.kind) if part]
        return " · ".join(named) or str(_("everything"))
