from __future__ import annotations

import secrets as randomness
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models import Event, EventKind, Severity
from monitoring.models.event import kind_choices
from notifications import quiet
from notifications.formats import FORMATS, Format, format_choices
from notifications.models.outcome import Reason, Status
from notifications.secrets import EncryptedText, masked

SECRET_GRACE = timedelta(days=1)
LANE_SECONDS = 30


def known_time_zone(name: str) -> None:
    """Refuse a NAME that is no time zone."""
    if name not in available_timezones():
        raise ValidationError(_("There is no time zone %(name)r. Write it such as Europe/Berlin.") % {"name": name})


def known_language(code: str) -> None:
    """Refuse a CODE that Pierwatch does not speak."""
    if code not in dict(settings.LANGUAGES):
        languages = ", ".join(code for code, _name in settings.LANGUAGES)
        raise ValidationError(_("Pierwatch does not speak %(code)r. Choose one of: %(languages)s.") % locals())


def default_language() -> str:
    return settings.LANGUAGE_CODE


def default_time_zone() -> str:
    return settings.TIME_ZONE


def new_signing_secret() -> str:
    """Return a fresh Standard Webhooks secret."""
    return "whsec_" + b64encode(randomness.token_bytes(32)).decode()


class Narrowing(models.Model):
    """Which events of a kind are wanted: of these projects, of these stages, from this severity on."""

    projects = models.JSONField(_("projects"), default=list, blank=True, help_text=_("Ids; empty: all."))
    stages = models.JSONField(_("stages"), default=list, blank=True, help_text=_("Ids; empty: all."))
    min_severity = models.CharField(_("from severity"), max_length=10, choices=Severity, default=Severity.INFO)

    class Meta:
        abstract = True

    def admits_place(self, event: Event) -> bool:
        """Say whether project and stage of EVENT are wanted; what belongs to none is wanted by the unnarrowed only."""
        project = event.stage.project.slug if event.stage else None
        stage = event.stage.slug if event.stage else None
        return (not self.projects or project in self.projects) and (not self.stages or stage in self.stages)

    def admits_severity(self, event: Event) -> bool:
        return Severity(event.severity).rank >= Severity(self.min_severity).rank


class DestinationQuerySet(models.QuerySet["Destination"]):
    def claim_lane(self, pk: int, now: datetime) -> Destination | None:
        """Return destination PK if this caller alone may send to it for the next LANE_SECONDS."""
        free = self.filter(Q(lane_until=None) | Q(lane_until__lte=now), pk=pk)
        claimed = free.update(lane_until=now + timedelta(seconds=LANE_SECONDS))
        return self.get(pk=pk) if claimed else None


class Destination(Narrowing):
    """Where notifications go."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    format = models.CharField(_("format"), max_length=20, choices=format_choices)
    address = EncryptedText(_("address"))
    secret = EncryptedText(_("secret"), blank=True)
    previous_secret = EncryptedText(blank=True, editable=False)
    previous_secret_until = models.DateTimeField(_("previous secret valid until"), null=True, editable=False)

    language = models.CharField(_("language"), max_length=10, default=default_language, validators=[known_language])
    time_zone = models.CharField(_("time zone"), max_length=60, default=default_time_zone, validators=[known_time_zone])
    quiet_start = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_end = models.TimeField(_("quiet until"), null=True, blank=True)
    cool_down_minutes = models.PositiveIntegerField(
        _("cool-down"), default=0, help_text=_("Minutes before the same about the same is told again. 0: none.")
    )
    messages_per_hour = models.PositiveIntegerField(
        _("messages an hour"), null=True, blank=True, help_text=_("More than that come as one digest. Empty: no limit.")
    )

    enabled = models.BooleanField(_("enabled"), default=True)
    disabled_reason = models.TextField(_("switched off because"), blank=True, editable=False)
    warning = models.TextField(_("warning"), blank=True, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, editable=False)
    added_at = models.DateTimeField(_("added"), auto_now_add=True)

    lane_until = models.DateTimeField(null=True, editable=False, help_text="Lease: one sender at a time.")
    slot_at = models.DateTimeField(null=True, editable=False, help_text="When its rate allows the next message.")

    objects = DestinationQuerySet.as_manager()

    class Meta:
        verbose_name = _("destination")
        verbose_name_plural = _("destinations")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if (self.quiet_start is None) != (self.quiet_end is None):
            raise ValidationError(_("Quiet hours need both a beginning and an end, or neither."))
        if self.quiet_start is not None and self.quiet_start == self.quiet_end:
            raise ValidationError(_("Quiet hours begin and end at the same time. Leave both empty for none."))

    @property
    def shape(self) -> Format:
        """The format itself."""
        return FORMATS[self.format]

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def masked_address(self) -> str:
        return masked(self.address)

    @property
    def kinds(self) -> list[str] | str:
        """The kinds subscribed to, or "all"."""
        wanted = {subscription.kind for subscription in self.subscriptions.all()}
        return "all" if wanted >= set(EventKind.values) else [kind for kind in EventKind.values if kind in wanted]

    def subscribe(self, kinds: Iterable[str] | str) -> None:
        """Make KINDS (or "all") the kinds subscribed to; the narrowing of those that stay is kept."""
        wanted = {EventKind(kind) for kind in (EventKind.values if kinds == "all" else kinds)}
        with transaction.atomic():
            self.subscriptions.exclude(kind__in=wanted).delete()
            rows = [Subscription(destination=self, kind=kind) for kind in wanted]
            Subscription.objects.bulk_create(rows, ignore_conflicts=True)

    def secrets(self, now: datetime) -> list[str]:
        """Return the secrets to sign with: two while a rotation's grace lasts."""
        grace = self.previous_secret_until is not None and now < self.previous_secret_until
        return [text for text in (self.secret, self.previous_secret if grace else "") if text]

    def rotate_secret(self, secret: str = "") -> str:
        """Take SECRET (default: a new one), sign with both for a day, and return it."""
        self.previous_secret, self.secret = self.secret, secret or new_signing_secret()
        self.previous_secret_until = timezone.now() + SECRET_GRACE
        self.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
        return self.secret

    def quiet_until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours under way at NOW end, None outside of them."""
        if self.quiet_start is None or self.quiet_end is None:
            return None
        return quiet.ends_at(now, self.quiet_start, self.quiet_end, self.zone)

    def switch_on(self) -> None:
        """Enable it again, with a clean slate."""
        self.enabled, self.disabled_reason, self.failing_since = True, "", None
        self.save(update_fields=["enabled", "disabled_reason", "failing_since"])

    def switch_off(self, reason: str) -> bool:
        """Disable it for good because of REASON and tell so everywhere else; False when it was off already."""
        with transaction.atomic():
            was_on = Destination.objects.filter(pk=self.pk, enabled=True).update(enabled=False, disabled_reason=reason)
            if was_on:
                self.deliveries.all().finish(Status.FAILED, Reason.SWITCHED_OFF, timezone.now())
                Event.objects.record(
                    EventKind.DESTINATION_DISABLED, subject=self.name, parameters={"reason": reason, "id": self.pk}
                )
        self.enabled, self.disabled_reason = False, reason
        return bool(was_on)


class Subscription(Narrowing):
    """A destination hears of an event kind: the row exists. It may narrow further than its destination."""

    destination = models.ForeignKey(Destination, models.CASCADE, related_name="subscriptions")
    kind = models.CharField(_("kind"), max_length=40, choices=kind_choices)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ["destination", "kind"]
        constraints = [models.UniqueConstraint(fields=["destination", "kind"], name="one_subscription_per_kind")]

    def __str__(self) -> str:
        return f"{self.destination}: {self.kind}"
