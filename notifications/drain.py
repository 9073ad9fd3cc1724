"""Empty the outbox of one destination: one lane each, so that a slow one delays nobody else."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from time import monotonic

from django.db.models import Q
from django.utils import timezone

from notifications import messages
from notifications.judgement import Answer, seconds_in
from notifications.ledger import Ledger
from notifications.models import Delivery, Destination
from notifications.sender import send
from notifications.wire import Connection

DRAIN_SECONDS = 10.0  # plus one attempt: less than the lease of the lane
LONGEST_NAP = 2.0
TOO_MANY_REQUESTS = 429


def drain(destination_id: int) -> int:
    """Send DESTINATION_ID what is due; return how many messages were tried.

    Ends when nothing is due, when another sender is at it, or after DRAIN_SECONDS: the sweep goes on from there.
    """
    tried, stop_at = 0, monotonic() + DRAIN_SECONDS
    while destination := Destination.objects.claim_lane(destination_id, timezone.now()):
        with Connection() as connection:
            lane = Lane(destination, connection, stop_at)
            tried += lane.run()
        # what was planned while we were at it found the lane taken: look once more, now that it is free
        if lane.must_stop or not destination.deliveries.due().exists():
            break
    return tried


def waiting_destinations() -> list[int]:
    """Return the destinations that have something due, that nobody is at work on, and whose rate lets them be sent."""
    now = timezone.now()
    free = Q(lane_until=None) | Q(lane_until__lte=now)
    ready = Q(slot_at=None) | Q(slot_at__lte=now + timedelta(seconds=LONGEST_NAP))
    due = Delivery.objects.due(now).values("destination")
    return list(Destination.objects.filter(free, ready, pk__in=due).values_list("pk", flat=True))


class Lane:
    """Sends to one DESTINATION, over one connection, until `stop_at` (monotonic)."""

    def __init__(self, destination: Destination, connection: Connection, stop_at: float) -> None:
        self.destination = destination
        self.connection = connection
        self.stop_at = stop_at
        self.ledger = Ledger(destination)
        self.waiting: list[messages.Message] = []
        self.must_stop = False

    def run(self) -> int:
        """Send batch after batch and return the number of messages; the lane is free afterwards, come what may."""
        tried = 0
        try:
            while self.nap() and (batch := messages.claim(self.destination, timezone.now())):
                self.waiting = batch
                while self.waiting and self.nap():
                    self.send(self.waiting.pop(0))
                    tried += 1
                self.ledger.write()
        finally:
            self.end()
        return tried

    def nap(self) -> bool:
        """Wait until the rate allows the next message; False when that is too long, or the time is up."""
        slot_at = self.destination.slot_at
        seconds = max(0.0, (slot_at - timezone.now()).total_seconds()) if slot_at else 0.0
        self.must_stop = seconds > LONGEST_NAP or monotonic() + seconds >= self.stop_at
        if seconds and not self.must_stop:
            self.ledger.write()
            time.sleep(seconds)
        return not self.must_stop

    def send(self, message: messages.Message) -> None:
        answer, judgement = send(self.destination, message, self.connection, self.ledger)
        self.destination.slot_at = self._next_slot(answer, judgement.wait, timezone.now())

    def _next_slot(self, answer: Answer, asked: float | None, now: datetime) -> datetime | None:
        """Return when the receiver takes the next message: as it says in its answer, else by its format's rate."""
        headers = answer.headers or {}
        pause = 1 / self.destination.shape.per_second if self.destination.shape.per_second else 0.0
        if answer.status == TOO_MANY_REQUESTS and asked is not None:
            pause = asked
        elif headers.get("x-ratelimit-remaining") == "0":  # Discord's: how long until the bucket is full again
            pause = max(pause, seconds_in(headers.get("x-ratelimit-reset-after", "")) or 0.0)
        return now + timedelta(seconds=pause) if pause else None

    def end(self) -> None:
        """Write down what was sent, give back what was not, and free the lane."""
        self.ledger.write()
        if self.waiting:
            messages.release(self.waiting, self.destination, timezone.now())
        mine = Destination.objects.filter(pk=self.destination.pk, lane_until=self.destination.lane_until)
        mine.update(lane_until=None, slot_at=self.destination.slot_at)
