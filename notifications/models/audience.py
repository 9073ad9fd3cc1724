"""Who is told of an event, and why others are not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from django.db.models import Max

from monitoring.models import Event, EventKind, Severity
from monitoring.models.event import EventQuerySet
from notifications.models.destination import Destination, Subscription
from notifications.models.outcome import HELD, KEPT_FROM, Reason, Status
from notifications.models.switches import KindSetting, Mute

if TYPE_CHECKING:
    from notifications.models.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Verdict:
    """due_at None: not sent, because of `reason`. Both: held until then, and sent only if it still matters."""

    due_at: datetime | None
    reason: str = ""


class Audience:
    """Judges for one EVENT, destination by destination, in a fixed number of queries."""

    def __init__(self, event: Event, now: datetime) -> None:
        self.event = event
        self.now = now
        self.ours = event.kind == EventKind.DESTINATION_DISABLED  # concerns every other destination
        self.on = KindSetting.objects.is_on(event.kind)
        self.muted = Mute.objects.covering(event, now).exists()

    def verdict(self, destination: Destination) -> Verdict:
        reason = self._objection(destination)
        return Verdict(None, reason) if reason else self._hold(destination) or Verdict(self.now)

    def _objection(self, destination: Destination) -> str:
        problem = self.problem_outcomes.get(destination.pk)
        if not self.on:
            return Reason.OFF
        if not destination.enabled:
            return Reason.SWITCHED_OFF
        if not self.ours and (reason := self._unwanted(destination, problem)):
            return reason
        if self.muted:
            return Reason.MUTED
        return Reason.UNTOLD if problem and problem.status == Status.SKIPPED and problem.reason in KEPT_FROM else ""

    def _unwanted(self, destination: Destination, problem: Delivery | None) -> str:
        wanted = next((row for row in destination.subscriptions.all() if row.kind == self.event.kind), None)
        if wanted is None:
            return Reason.UNSUBSCRIBED
        return "" if self._admitted(destination, wanted, problem) else Reason.NARROWED

    def _admitted(self, destination: Destination, wanted: Subscription, problem: Delivery | None) -> bool:
        """Say whether both admit the event. The end of a problem that was told counts as severe as the problem."""
        told = problem is not None and problem.status != Status.SKIPPED
        both = (destination, wanted)
        return all(one.admits_place(self.event) and (told or one.admits_severity(self.event)) for one in both)

    def _hold(self, destination: Destination) -> Verdict | None:
        problem = self.problem_outcomes.get(destination.pk)
        if problem and problem.status == Status.PENDING and problem.reason in HELD:
            return Verdict(problem.due_at, problem.reason)
        if end := destination.quiet_until(self.now):
            return Verdict(end, Reason.QUIET)
        told_at = self.told_at.get(destination.pk) if destination.cool_down_minutes else None
        end = told_at + timedelta(minutes=destination.cool_down_minutes) if told_at else self.now
        return Verdict(end, Reason.COOL_DOWN) if end > self.now else None

    @cached_property
    def problem_outcomes(self) -> dict[int, Delivery]:
        """What became, by destination, of the problem that this event ends."""
        problem = problem_ended_by(self.event)
        rows = problem.deliveries.filter(redelivery_of=None) if problem else ()
        return {row.destination_id: row for row in rows}

    @cached_property
    def told_at(self) -> dict[int, datetime]:
        """When, by destination, the same kind about the same subject was told last."""
        same = Event.objects.filter(
            kind=self.event.kind, subject=self.event.subject, host=self.event.host_id, stage=self.event.stage_id
        )
        told = same.filter(deliveries__reason="", deliveries__redelivery_of=None).exclude(pk=self.event.pk)
        return dict(told.values_list("deliveries__destination").annotate(Max("deliveries__made_at")))


def problem_ended_by(event: Event) -> Event | None:
    """Return the problem that EVENT is the end of: what was said last in its incident, unless that was an end."""
    problems = EventKind(event.kind).resolves
    if not problems:
        return None
    last = _of_the_incident(event).filter(kind__in=[*problems, event.kind], pk__lt=event.pk).order_by("-pk").first()
    return last if last and last.kind in problems else None


def _of_the_incident(event: Event) -> EventQuerySet:
    """Return the events of the same incident: the same key, or without one the same subject in the same place."""
    if event.key:
        return Event.objects.filter(key=event.key)
    return Event.objects.filter(key="", subject=event.subject, host=event.host_id, stage=event.stage_id)


def still_matters(event: Event, destination: Destination) -> bool:
    """Say, once a held delivery may go, whether there is still something to tell.

    Yes: a problem that lasts; the end of a problem that was told here before; a momentary error or warning that
    nothing has ended since. No: problems that are over, and news that nobody needs the morning after.
    """
    if event.resolved_at is None:
        return True
    if problem := problem_ended_by(event):
        return problem.deliveries.filter(destination=destination, status=Status.SENT).exists()
    momentary = event.resolved_at == event.at and Severity(event.severity).rank >= Severity.WARNING.rank
    end = EventKind(event.kind).resolved_by
    return momentary and not (end and _of_the_incident(event).filter(kind=end, pk__gt=event.pk).exists())
