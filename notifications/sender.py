"""Carry a message to its receiver: render it, send it through its format's channel, and say what came back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPResponseException
from time import monotonic

from django.conf import settings
from django.core.mail import get_connection
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from notifications import guard
from notifications.examples import example_event
from notifications.formats import Notice, Outgoing
from notifications.formats.email import letter
from notifications.judgement import Answer, Judgement, judge
from notifications.ledger import Ledger
from notifications.models import Delivery, Destination, Status
from notifications.notices import notice_of
from notifications.secrets import redacted
from notifications.wire import Connection, NoAnswerError, Reply

logger = logging.getLogger(__name__)
LARGEST_BODY = 20_000
LEASE = timedelta(seconds=30)  # longer than any attempt


@dataclass(frozen=True, slots=True)
class TestResult:
    """How a test message fared; `error` is a sentence for the operator, `answer` the beginning of what came back."""

    ok: bool
    status: int | None
    ms: int
    answer: str
    error: str
    delivery: Delivery


def send_test(destination: Destination, kind: str) -> TestResult:
    """Send an example of KIND the very way a real event goes, once, and return how it fared."""
    due_at = timezone.now() + LEASE  # ours alone, should a sweep look
    row = Delivery.objects.create(destination=destination, kind=kind, test=True, tries=1, due_at=due_at)
    ledger = Ledger(destination)
    with Connection() as connection:
        answer, judgement = send(destination, [row], connection, ledger)
    ledger.write()
    row.refresh_from_db()
    private = (destination.address, destination.secret)
    ok, error = judgement.status == Status.SENT, redacted(judgement.error, *private)
    return TestResult(ok, answer.status, answer.ms, redacted(answer.body, *private), error, row)


def send(
    destination: Destination, rows: Sequence[Delivery], connection: Connection, ledger: Ledger
) -> tuple[Answer, Judgement]:
    """Send ROWS as one message, note how it fared in LEDGER, and return that."""
    now = timezone.now()
    answer = attempt(destination, rows, connection, now)
    judgement = judge(destination.shape, answer, now)
    ledger.note(rows, now, answer, judgement)
    return answer, judgement


def attempt(destination: Destination, rows: Sequence[Delivery], connection: Connection, now: datetime) -> Answer:
    """Try once to bring ROWS to DESTINATION; whatever goes wrong there is in the answer."""
    start = monotonic()
    try:
        outgoing = render(destination, rows, now)
        reply = transmit(destination.shape.channel, outgoing, connection)
    except (guard.RefusedError, ValueError, RejectedError) as refused:
        return Answer(None, _ms_since(start), error=str(refused), permanent=True)
    except NoAnswerError as failed:
        return Answer(None, _ms_since(start), error=str(failed))
    ms = _ms_since(start)
    return Answer(reply.status, ms, body=reply.body, headers=reply.headers) if reply else Answer(None, ms)


def render(destination: Destination, rows: Sequence[Delivery], now: datetime) -> Outgoing:
    """Return exactly what goes over the wire for ROWS; ValueError with a sentence when it cannot be made."""
    if not destination.address:
        raise ValueError(_("The address cannot be read with the keys in the data folder. Enter it again."))
    notices = [notice_for(destination, row) for row in rows]
    with translation.override(destination.language):
        message_id, secrets = rows[0].message_id, destination.secrets(now)
        outgoing = destination.shape.render(notices, destination.address, secrets, message_id, now)
    if len(outgoing.body) > LARGEST_BODY:
        raise ValueError(_("The message is larger than 20 kB."))
    return outgoing


def notice_for(destination: Destination, row: Delivery) -> Notice:
    """Return what ROW tells, in the language and time zone of DESTINATION."""
    event = row.event or example_event(row.kind)
    return notice_of(event, destination.language, destination.time_zone, test=row.test)


def transmit(channel: str, outgoing: Outgoing, connection: Connection) -> Reply | None:
    """Send OUTGOING and return the receiver's reply; None when it was taken by a channel that knows no statuses."""
    if channel in OTHER_CHANNELS:
        OTHER_CHANNELS[channel](outgoing)
        return None
    headers = {"User-Agent": f"Pierwatch/{settings.VERSION}", **outgoing.headers}
    return connection.post(outgoing.url, headers, outgoing.body, settings.ATTEMPT_SECONDS)


class RejectedError(Exception):
    """It was refused for good; the text says why."""


def send_letter(outgoing: Outgoing) -> None:
    message = letter(outgoing)
    message.connection = get_connection(timeout=settings.ATTEMPT_SECONDS)
    try:
        message.send()
    except SMTPResponseException as error:
        said = _("The mail server answered %(code)d: %(text)s") % {"code": error.smtp_code, "text": error.smtp_error}
        raise (RejectedError if error.smtp_code >= 500 else NoAnswerError)(said) from error
    except (SMTPException, OSError) as error:
        raise NoAnswerError(_("The mail server could not be used: %(reason)s") % {"reason": error}) from error


def tell_apprise(outgoing: Outgoing) -> None:
    try:
        from apprise import Apprise, LogCapture  # noqa: PLC0415 an optional package, and slow to import
    except ImportError:
        raise RejectedError(_("Apprise is not installed: pip install pierwatch[apprise].")) from None
    apprise = Apprise()
    if not apprise.add(outgoing.url):
        raise RejectedError(_("Apprise does not know this kind of address."))
    told = json.loads(outgoing.body)
    with LogCapture(level=logging.WARNING) as log:  # type: ignore[no-untyped-call]
        if not apprise.notify(told["body"], told["title"], told["type"]):
            said = " ".join(log.getvalue().split()) or _("no reason given")
            raise NoAnswerError(_("Apprise could not deliver it: %(reason)s") % {"reason": said[:300]})


OTHER_CHANNELS: dict[str, Callable[[Outgoing], None]] = {"email": send_letter, "apprise": tell_apprise}


def _ms_since(start: float) -> int:
    return round((monotonic() - start) * 1000)
