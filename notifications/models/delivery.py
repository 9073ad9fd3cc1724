from __future__ import annotations

import secrets as randomness
from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import Prefetch, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models import Event
from monitoring.models.event import kind_choices
from notifications.models.audience import Audience
from notifications.models.destination import Destination, Subscription
from notifications.models.outcome import Reason, Status


def new_webhook_id() -> str:
    return f"msg_{randomness.token_hex(12)}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one destination heard of an event, in words: `outcome` is a Status, or "unknown" to it."""

    destination: Destination
    outcome: str
    reason: str
    delivery: Delivery | None


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def plan(self, event: Event) -> list[Delivery]:
        """Store for every destination what is to become of EVENT there: a pending row, or why there is none to send."""
        now = timezone.now()
        audience = Audience(event, now)
        destinations = Destination.objects.defer("address", "secret", "previous_secret")
        wanted = Prefetch("subscriptions", Subscription.objects.filter(kind=event.kind))
        rows = []
        for destination in destinations.prefetch_related(wanted):
            verdict = audience.verdict(destination)
            row = Delivery(event=event, destination=destination, kind=event.kind, made_at=now, reason=verdict.reason)
            row.status, row.due_at = (Status.PENDING, verdict.due_at) if verdict.due_at else (Status.SKIPPED, None)
            row.finished_at = None if verdict.due_at else now
            rows.append(row)
        return self.bulk_create(rows)

    def explain_event(self, event: Event) -> list[Explanation]:
        """Return for every destination whether EVENT was told there and, if not, why."""
        known = {row.destination_id: row for row in self.filter(event=event, redelivery_of=None)}
        return [_explanation(place, known.get(place.pk)) for place in Destination.objects.all()]

    def finish(self, status: Status, reason: str, now: datetime) -> int:
        """End these deliveries, pending until now, with STATUS because of REASON; return how many they were."""
        pending = self.filter(status=Status.PENDING)
        return pending.update(status=status, reason=reason, due_at=None, finished_at=now)

    def hurry(self) -> int:
        """Let those that wait for a later try or the end of quiet hours go at once."""
        now = timezone.now()
        return self.filter(status=Status.PENDING, due_at__gt=now).update(due_at=now, reason="")

    def hold(self, until: datetime, reason: Reason) -> int:
        return self.filter(status=Status.PENDING).update(due_at=until, reason=reason)

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

    @property
    def message_id(self) -> str:
        """The webhook-id of the message that carries it: its own, or that of the digest."""
        return self.digest or self.webhook_id

    @property
    def is_fresh(self) -> bool:
        """Whether it was never tried, and may share a message with others."""
        return not (self.tries or self.digest or self.test or self.redelivery_of_id)

    def why(self) -> str:
        """Return in words why it waits or was not sent; empty when there is nothing to explain."""
        return str(Reason(self.reason).label) if self.reason else ""

    def again(self) -> Delivery:
        """Return a new delivery, due now, that repeats this one under the same webhook-id; this one stays as it is."""
        return Delivery.objects.create(
            event=self.event,
            destination=self.destination,
            kind=self.kind,
            test=self.test,
            webhook_id=self.webhook_id,
            redelivery_of=self,
            due_at=timezone.now(),
        )


def _explanation(destination: Destination, row: Delivery | None) -> Explanation:
    if row is None:
        return Explanation(destination, "unknown", str(_("the destination was made later")), None)
    return Explanation(destination, row.status, row.why(), row)
