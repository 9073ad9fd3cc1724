"""Whether hosts answer: the two transitions of a host, each told once, and none per container."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from monitoring.engine import EngineError
from monitoring.models import Event, EventKind, Host

log = logging.getLogger(__name__)


def answered(host: Host, at: datetime | None = None) -> bool:
    """Note that the engine of HOST answered; return whether it did not before. Ends an outage, once."""
    with transaction.atomic():
        if not Host.objects.mark_reachable(host.pk, at):
            return False
        Event.objects.recover(EventKind.HOST_RECOVERED, subject=host.name, key=Event.key_of(host), at=at, host=host)
    log.info("Host %s answers", host.name)
    return True


def failed(host: Host, error: EngineError, at: datetime | None = None) -> None:
    """Note that the engine of HOST did not answer; an outage is one event, once it lasted for two checks."""
    reason = f"{error} {error.fix}".strip()
    with transaction.atomic():
        if not Host.objects.mark_unreachable(host.pk, error.code, reason, at):
            return
        parameters = {"reason": error.code, "message": str(error)}
        key = Event.key_of(host)
        Event.objects.record(
            EventKind.HOST_UNREACHABLE, subject=host.name, key=key, at=at, parameters=parameters, host=host
        )
    log.warning("Host %s does not answer: %s", host.name, reason)
