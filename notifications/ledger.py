"""Write down what became of messages: many at once while all goes well, at once when something does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from notifications.judgement import Answer, Judgement, next_wait
from notifications.models import Attempt, Delivery, Destination, Status
from notifications.secrets import redacted
from notifications.signals import deliveries_changed

FLUSH_SECONDS = 0.2
FLUSH_ROWS = 50
PATIENCE = timedelta(days=5)


@dataclass
class Ledger:
    """What one sender has to write down about one DESTINATION."""

    destination: Destination
    attempts: list[Attempt] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    written_at: float = field(default_factory=monotonic)

    def note(self, rows: Sequence[Delivery], at: datetime, answer: Answer, judgement: Judgement) -> None:
        """Note how the message that carried ROWS fared."""
        private = [self.destination.address, self.destination.secret, self.destination.previous_secret]
        error, said = redacted(judgement.error, *private), redacted(answer.body, *private)
        told = {"at": at, "status": answer.status, "ms": answer.ms, "error": error, "answer": said}
        self.attempts += [Attempt(delivery=row, **told) for row in rows]
        if judgement.status == Status.SENT:
            self.sent += [row.pk for row in rows]
            if len(self.sent) >= FLUSH_ROWS or monotonic() - self.written_at >= FLUSH_SECONDS:
                self.write()
            return
        self.write(failed=rows, judgement=judgement)

    def write(self, failed: Sequence[Delivery] = (), judgement: Judgement | None = None) -> None:
        """Store everything noted so far, in one transaction."""
        if not self.attempts:
            return
        now = timezone.now()
        changed = [attempt.delivery_id for attempt in self.attempts]
        with transaction.atomic():
            kept = set(Delivery.objects.filter(pk__in=changed).values_list("pk", flat=True))  # pruned ones are gone
            Attempt.objects.bulk_create(attempt for attempt in self.attempts if attempt.delivery_id in kept)
            Delivery.objects.filter(pk__in=self.sent).finish(Status.SENT, "", now)
            if judgement:
                for row in failed:
                    postpone_or_end(row, judgement, now, alone=len(failed) == 1)
        succeeded = bool(self.sent)
        self.attempts, self.sent, self.written_at = [], [], monotonic()
        if any(not row.test for row in failed) or succeeded:
            note_health(self.destination, now, judgement, succeeded=succeeded)
        deliveries_changed.send_robust(sender=Delivery, delivery_ids=changed)


def postpone_or_end(row: Delivery, judgement: Judgement, now: datetime, *, alone: bool) -> None:
    """Store what follows from a failed try of ROW: the next one, or the end."""
    pending = Delivery.objects.filter(pk=row.pk, status=Status.PENDING)
    wait = next_wait(row.tries, settings.RETRY_SECONDS, judgement.wait)
    if row.test:
        pending.finish(Status.FAILED, "", now)
    elif judgement.status == Status.FAILED and not alone and not judgement.gone and wait is not None:
        pending.update(digest="", due_at=now)  # one event spoils the digest: from now on each goes alone
    elif judgement.status == Status.FAILED:
        pending.finish(Status.FAILED, "", now)
    elif wait is None:
        pending.finish(Status.DEAD, "", now)
    else:
        pending.update(due_at=now + timedelta(seconds=wait), reason="")


def note_health(destination: Destination, now: datetime, judgement: Judgement | None, *, succeeded: bool) -> None:
    """Remember since when DESTINATION only fails; switch it off when it is gone, or has failed for five days."""
    if judgement and judgement.gone:
        destination.switch_off(judgement.error)
        return
    since = destination.failing_since
    if judgement is None:
        since = None
    elif since is None or succeeded:
        since = now
    warning = "" if succeeded else destination.warning  # it does answer after all
    if (since, warning) != (destination.failing_since, destination.warning):
        destination.failing_since, destination.warning = since, warning
        destination.save(update_fields=["failing_since", "warning"])
    if since and now - since >= PATIENCE:
        error = judgement.error if judgement else ""
        destination.switch_off(_("Every message has failed for 5 days. The last time: %(error)s") % {"error": error})
