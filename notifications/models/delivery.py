from __future__ import annotations

import secrets as randomness
from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models import Event
from monitoring.models.event import kind_choices
from notifications.models.destination import Destination


class Status(models.TextChoices):
    PENDING = "pending", _("Waiting")
    SENT = "sent", _("Delivered")
    FAILED = "failed", _("Refused")
    DEAD = "dead", _("Gave up")
    SKIPPED = "skipped", _("Not sent")


class Reason(models.TextChoices):
    """Why a delivery waits or was not sent."""

    OFF = "off", _("this event kind is switched off for everybody")
    UNSUBSCRIBED = "unsubscribed", _("this destination does not receive this event kind")
    NARROWED = "narrowed", _("this destination is narrowed to other projects, stages or severities")
    MUTED = "muted", _("muted")
    QUIET = "quiet", _("quiet hours")
    COOL_DOWN = "cool_down", _("cool-down: the same was told shortly before")
    RATE = "rate", _("the destination's messages of this hour are used up")
    UNTOLD = "untold", _("the problem that it ends was not told here either")
    SWITCHED_OFF = "switched_off", _("the destination is switched off")


def new_webhook_id() -> str:
    return f"msg_{randomness.token_hex(12)}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime | None = None) -> DeliveryQuerySet:
        return self.filter(status=Status.PENDING, due_at__lte=now or timezone.now())

    def told(self) -> DeliveryQuerySet:
        """Return what went out or was meant to: the delivery log without what was never to be sent."""
        return self.exclude(status=Status.SKIPPED)


class Delivery(models.Model):
    """One event on its way to one destination: the outbox. Every destination has a row for every event since it
    exists, so that each event can say who was told and why others were not.
    """

    event = models.ForeignKey(Event, models.CASCADE, null=True, related_name="deliveries", verbose_name=_("event"))
    destination = models.ForeignKey(
        Destination, models.CASCADE, related_name="deliveries", verbose_name=_("destination")
    )
    kind = models.CharField(_("kind"), max_length=40, choices=kind_choices)
    test = models.BooleanField(_("test"), default=False, help_text=_("A test has no event of its own."))
    webhook_id = models.CharField(_("webhook id"), max_length=40, default=new_webhook_id, db_index=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    reason = models.CharField(_("reason"), max_length=20, blank=True, choices=Reason)
    made_at = models.DateTimeField(_("made"), default=timezone.now)
    due_at = models.DateTimeField(_("next try"), null=True, help_text="Doubles as the lease of the sender at work.")
    tries = models.PositiveIntegerField(_("tries"), default=0, help_text="Counted before the try.")
    finished_at = models.DateTimeField(_("finished"), null=True)
    digest = models.CharField(_("digest"), max_length=40, blank=True, help_text=_("Id of the message it shares."))
    redelivery_of = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="redeliveries", verbose_name=_("redelivery of")
    )

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "destination"],
                condition=Q(redelivery_of=None, test=False),
                name="one_delivery_per_event_and_destination",
            )
        ]
        indexes = [
            models.Index(fields=["destination", "due_at"], condition=Q(status="pending"), name="deliveries_due"),
            models.Index(fields=["status", "-id"], name="deliveries_by_status"),
            models.Index(fields=["destination", "-id"], name="deliveries_of_destination"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} → {self.destination}: {self.status}"
