from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models.deployment import Deployment
from monitoring.models.host import Host, Stage
from monitoring.models.instance import Instance
from monitoring.models.proxy import Proxy
from monitoring.signals import event_recorded
from monitoring.untrusted import storable, storable_text

RACES = 5  # how often another writer may open or close the same incident before we give up


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
    DESTINATION_DISABLED = "destination.disabled", Severity.ERROR, True, "", _("Notifications switched off")

    @property
    def lasts(self) -> bool:
        """Whether it goes on until another kind resolves it."""
        return bool(self.resolved_by)

    @property
    def resolves(self) -> list[EventKind]:
        """The kinds that this one brings to their end."""
        return [kind for kind in EventKind if kind.resolved_by == self.value]


def kind_choices() -> list[tuple[str, str]]:
    """Return the kinds as choices; a callable, so that a new kind needs no migration."""
    return [(kind.value, str(kind.label)) for kind in EventKind]


class EventQuerySet(models.QuerySet["Event"]):
    def open(self) -> EventQuerySet:
        return self.filter(resolved_at=None)

    def errors(self) -> EventQuerySet:
        return self.filter(severity=Severity.ERROR)

    def errors_since(self, since: datetime) -> int:
        """Count the incidents, not their repetitions, that began at or after SINCE."""
        return self.errors().filter(at__gte=since).count()

    def matching(
        self,
        *,
        kinds: Collection[str] = (),
        severities: Collection[str] = (),
        hosts: Collection[str] = (),
        projects: Collection[str] = (),
        stages: Collection[str] = (),
        instance: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        text: str = "",
    ) -> EventQuerySet:
        """Return the events that fit every filter given. hosts are names, projects and stages slugs.

        since and until (exclusive) compare with the last time an incident grew, so a loop under way is found.
        """
        wanted = {
            "kind__in": kinds,
            "severity__in": severities,
            "host__name__in": hosts,
            "stage__project__slug__in": projects,
            "stage__slug__in": stages,
            "instance_id": instance,
            "last_at__gte": since,
            "at__lt": until,
        }
        found = self.filter(**{name: value for name, value in wanted.items() if value})
        return found.filter(_mentions(text)) if text else found

    def record(
        self,
        kind: EventKind,
        *,
        subject: str,
        key: str = "",
        at: datetime | None = None,
        parameters: dict[str, Any] | None = None,
        lasting: bool | None = None,
        times: int = 1,
        **links: Any,
    ) -> Event:
        """Store that KIND happened to SUBJECT, and announce it in the same transaction: the only way in.

        key: names the incident. While an event of this kind and key is open, the same again only grows its count by
        `times`, its `last_at` and its parameters, and is not announced.
        lasting: stays open until `recover` or `resolve`; by default when another kind resolves this one.
        links: any of host, stage, instance, deployment, proxy.
        """
        fields = {
            "kind": kind,
            "severity": kind.severity,
            "key": storable_text(key, 400),
            "subject": storable_text(subject, 300),
            "at": at or timezone.now(),
            "count": times,
            "parameters": storable(parameters or {}),
            **links,
        }
        lasts = kind.lasts if lasting is None else lasting
        fields |= {"last_at": fields["at"], "resolved_at": None if lasts else fields["at"]}
        return self._grow_or_announce(fields)

    def _grow_or_announce(self, fields: dict[str, Any]) -> Event:
        for _race in range(RACES):
            with transaction.atomic():
                if grown := self._grow(fields):
                    return grown
                if announced := self._announce(fields):
                    return announced
        raise IntegrityError(f"{fields['kind']} of {fields['key']} is opened and closed by others all the time")

    def _grow(self, fields: dict[str, Any]) -> Event | None:
        same = self.open().filter(kind=fields["kind"], key=fields["key"])
        known = same.select_for_update(of=("self",)).first() if fields["key"] else None
        if known:
            known.count += fields["count"]
            known.last_at = max(known.last_at, fields["at"])
            known.parameters = {**known.parameters, **fields["parameters"]}
            known.save(update_fields=["count", "last_at", "parameters"])
        return known

    def _announce(self, fields: dict[str, Any]) -> Event | None:
        """Create the event, unless another writer opened the same incident a moment ago."""
        try:
            with transaction.atomic():
                event = self.create(**fields)
        except IntegrityError:
            if self.open().filter(kind=fields["kind"], key=fields["key"]).exists():
                return None
            raise
        event_recorded.send_robust(sender=Event, event=event)
        return event

    def recover(
        self,
        kind: EventKind,
        *,
        subject: str,
        key: str,
        at: datetime | None = None,
        parameters: dict[str, Any] | None = None,
        **links: Any,
    ) -> Event | None:
        """Close the open events of this KEY that KIND resolves, and record KIND with how long they lasted (seconds).

        Return None, and record nothing, when none was open: whoever comes second has nothing to tell.
        """
        at = at or timezone.now()
        with transaction.atomic():
            closed = self._close(kind.resolves, key, at)
            if not closed:
                return None
            seconds = max(0, round((at - min(event.at for event in closed)).total_seconds()))
            told = {"seconds": seconds, **(parameters or {})}
            return self.record(kind, subject=subject, key=key, at=at, parameters=told, **links)

    def resolve(self, kinds: Collection[EventKind], key: str, at: datetime | None = None) -> int:
        """Close the open events of these KINDS and this KEY without a word; return how many were open."""
        with transaction.atomic():
            return len(self._close(kinds, key, at or timezone.now()))

    def _close(self, kinds: Collection[EventKind], key: str, at: datetime) -> list[Event]:
        opened = self.open().filter(kind__in=kinds, key=storable_text(key, 400)).order_by("at", "id")
        found = list(opened.select_for_update(of=("self",)))
        self.filter(pk__in=[event.pk for event in found]).update(resolved_at=at)
        return found


def _mentions(text: str) -> Q:
    """Match TEXT in what an event stores, and in the labels of kinds as the reader sees them."""
    needle = storable_text(text, 300)
    labelled = [kind.value for kind in EventKind if needle.lower() in str(kind.label).lower()]
    named = Q(subject__icontains=needle) | Q(kind__icontains=needle) | Q(kind__in=labelled)
    placed = Q(stage__project__slug__icontains=needle) | Q(stage__slug__icontains=needle)
    return named | placed | Q(host__name__icontains=needle)


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

    @staticmethod
    def key_of(row: models.Model) -> str:
        """Name the incidents of one row, such as "instance:17"."""
        return f"{type(row).__name__.lower()}:{row.pk}"
