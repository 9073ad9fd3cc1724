"""Celery entrances. The rows hold the truth: a wake-up that is lost, late or doubled does no harm."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from celery import shared_task
from kombu.exceptions import OperationalError

from notifications import drain as lanes

logger = logging.getLogger(__name__)


@shared_task(name="notifications.drain")
def drain(destination_id: int) -> None:
    lanes.drain(destination_id)


@shared_task(name="notifications.drain_due", queue="default")  # never behind the deliveries that it looks after
def drain_due() -> None:
    """Pick up retries, lost wake-ups and what crashed senders left."""
    for destination_id in lanes.waiting_destinations():
        drain.delay(destination_id)


class Waker:
    """Publishes wake-ups from a thread of its own: a broker that is down or frozen delays nobody who records an event.

    What cannot be published is dropped: the sweep finds the rows.
    """

    def __init__(self) -> None:
        self._waiting: set[int] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wake(self, destination_ids: Iterable[int]) -> None:
        with self._changed:
            self._waiting.update(destination_ids)
            if self._thread is None or not self._thread.is_alive():  # also after a fork, which takes no threads along
                self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                woken, self._waiting = self._waiting, set()
            try:
                for destination_id in woken:
                    drain.delay(destination_id)
            except (OperationalError, OSError) as error:
                logger.warning("The broker took no wake-up (%s); the next sweep delivers.", error)


_waker = Waker()


def wake(destination_ids: Iterable[int]) -> None:
    """Have the destinations' outboxes emptied soon; never blocks and never fails."""
    _waker.wake(destination_ids)
