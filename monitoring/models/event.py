from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models.deployment import Deployment
from monitoring.models.host import Host, Stage
from monitoring.models.instance import Instance
from monitoring.models.proxy import Proxy
from monitoring.signals import event_recorded


class Severity(models.TextChoices):
    INFO = "info", _("Info")
    SUCCESS = "success", _("Success")
    WARNING = "warning", _("Warning")
    ERROR = "error", _("Error")

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class EventKind(models.TextChoices):
    """Every fact that may concern somebody: value, severity, on by default, the kind that resolves it, label."""

    severity: Severity
    default_on: bool
    resolved_by: str

    def __new__(
        cls, value: str, severity: Severity = Severity.INFO, default_on: bool = False, resolved_by: str = ""
    ) -> EventKind:
        member = str.__new__(cls, value)
        member._value_ = value
        member.severity, member.default_on, member.resolved_by = severity, default_on, resolved_by
        return member

    CONTAINER_STALE = "container.stale", Severity.WARNING, True, "", _("Stale container")
    CONTAINER_CRASHED = "container.crashed", Severity.ERROR, False, "container.recovered", _("Container crashed")
    CONTAINER_OOM_KILLED = "container.oom_killed", Severity.ERROR, True, "container.recovered", _("Out of memory")
    CONTAINER_CRASH_LOOP = "container.crash_loop", Severity.ERROR, True, "container.recovered", _("Crash loop")
    CONTAINER_UNHEALTHY = "container.unhealthy", Severity.ERROR, False, "container.recovered", _("Container unhealthy")
    CONTAINER_RECOVERED = "container.recovered", Severity.SUCCESS, False, "", _("Container recovered")
    PROXY_UNHEALTHY = "proxy.unhealthy", Severity.ERROR, True, "proxy.recovered", _("Proxy became unhealthy")
    PROXY_RECOVERED = "proxy.recovered", Severity.SUCCESS, True, "", _("Proxy recovered")
    PROXY_CERTIFICATE_EXPIRING = (
        "proxy.certificate_expiring",
        Severity.WARNING,
        True,
        "",
        _("Certificate expires soon"),
    )
    DEPLOY_STARTED = "deploy.started", Severity.INFO, False, "", _("Deploy started")
    DEPLOY_SUCCEEDED = "deploy.succeeded", Severity.SUCCESS, False, "", _("Deploy succeeded")
    DEPLOY_FAILED = "deploy.failed", Severity.ERROR, True, "deploy.succeeded", _("Deploy failed")
    DEPLOY_ROLLED_BACK = "deploy.rolled_back", Severity.WARNING, True, "", _("Deploy rolled back")
    USAGE_HIGH = "usage.high", Severity.WARNING, False, "usage.recovered", _("High usage")
    USAGE_RECOVERED = "usage.recovered", Severity.SUCCESS, False, "", _("Usage back to normal")
    HOST_UNREACHABLE = "host.unreachable", Severity.ERROR, True, "host.recovered", _("Host unreachable")
    HOST_RECOVERED = "host.recovered", Severity.SUCCESS, True, "", _("Host recovered")


def kind_choices() -> list[tuple[str, str]]:
    """Return the kinds as choices; a callable, so that a new kind needs no migration."""
    return [(kind.value, str(kind.label)) for kind in EventKind]


class EventQuerySet(models.QuerySet["Event"]):
    def open(self) -> EventQuerySet:
        return self.filter(resolved_at=None)

    def errors(self) -> EventQuerySet:
        return self.filter(severity=Severity.ERROR)

    def record(
        self,
        kind: EventKind,
        *,
        subject: str,
        key: str = "",
        at: datetime | None = None,
        parameters: dict[str, Any] | None = None,
        lasting: bool = False,
        **links: Any,
    ) -> Event:
        """Store that KIND happened to SUBJECT, and announce it in the same transaction: the only way in.

        key: names the incident. While an event of this kind and key is open, the same again only grows its count
        and `last_at`, and is not announced. lasting: the event stays open until `resolve`; others are closed at once.
        links: any of host, stage, instance, deployment, proxy.
        """
        at = at or timezone.now()
        with transaction.atomic():
            if key and (grown := self._grow(kind, key, at, parameters)):
                return grown
            event = self.create(
                kind=kind,
                severity=kind.severity,
                key=key,
                subject=subject[:300],
                at=at,
                last_at=at,
                resolved_at=None if lasting else at,
                parameters=parameters or {},
                **links,
            )
            event_recorded.send_robust(sender=Event, event=event)
        return event

    def _grow(self, kind: EventKind, key: str, at: datetime, parameters: dict[str, Any] | None) -> Event | None:
        known = self.open().filter(kind=kind, key=key).first()
        if known:
            known.count, known.last_at = F("count") + 1, at
            known.parameters |= parameters or {}
            known.save(update_fields=["count", "last_at", "parameters"])
            known.refresh_from_db()
        return known

    def resolve(self, kinds: list[EventKind], key: str, at: datetime | None = None) -> int:
        """Close the open events of these KINDS and this KEY; return how many were open."""
        return self.open().filter(kind__in=kinds, key=key).update(resolved_at=at or timezone.now())


class Event(models.Model):
    """A fact that may concern somebody. It carries its subject as text, so the log outlives the container."""

    kind = models.CharField(_("kind"), max_length=40, choices=kind_choices)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity)
    key = models.CharField(_("incident"), max_length=400, blank=True)
    subject = models.CharField(_("subject"), max_length=300)
    at = models.DateTimeField(_("at"))
    last_at = models.DateTimeField(_("last at"))
    count = models.PositiveIntegerField(_("count"), default=1)
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    parameters = models.JSONField(_("parameters"), default=dict)

    host = models.ForeignKey(Host, models.SET_NULL, null=True, blank=True, related_name="events")
    stage = models.ForeignKey(Stage, models.SET_NULL, null=True, blank=True, related_name="events")
    instance = models.ForeignKey(Instance, models.SET_NULL, null=True, blank=True, related_name="events")
    deployment = models.ForeignKey(Deployment, models.SET_NULL, null=True, blank=True, related_name="events")
    proxy = models.ForeignKey(Proxy, models.SET_NULL, null=True, blank=True, related_name="events")

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "key"],
                condition=Q(resolved_at=None) & ~Q(key=""),
                name="one_open_event_per_incident",
            )
        ]
        indexes = [
            models.Index(fields=["-at", "-id"], name="events_newest_first"),
            models.Index(fields=["at"], condition=Q(severity="error"), name="errors_by_time"),
            models.Index(fields=["kind", "-at"], name="events_of_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
