"""The threads of embedded mode: a Celery worker, beat and the engine watch, beside the web in one process."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from time import monotonic
from typing import Any

from celery.beat import Service as Beat
from celery.utils import timer2
from celery.worker import WorkController
from celery.worker import state as worker_state
from django.conf import settings
from django_celery_beat.schedulers import DatabaseScheduler

from config.broker import QUEUES
from config.celery import app

log = logging.getLogger(__name__)

A_THREAD_DIED = 70  # EX_SOFTWARE of sysexits.h: a supervisor starts us again
BEAT_SECONDS = 5  # how soon beat sees an edited schedule


class PromptTimer(timer2.Timer):
    """Celery's timer for countdowns, asleep until the next is due: the original looks again at most once a second."""

    not_empty: threading.Condition
    schedule: Any
    ended = False

    def run(self) -> None:
        self.running = True
        entries = iter(self.schedule)
        while not self.ended:
            with self.not_empty:
                delay, entry = next(entries)
                if entry is None and not self.ended:
                    self.not_empty.wait(delay)
            if entry is not None:
                self.schedule.apply_entry(entry)

    def stop(self) -> None:
        with self.not_empty:
            self.ended = True
            self.not_empty.notify()


class Background:
    """Everything that runs beside the web. Should one part end by itself, the whole process ends with 70."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self.worker = WorkController(
            app,
            pool="threads",
            concurrency=settings.WORKER_THREADS,
            timer_cls=PromptTimer,
            without_heartbeat=True,
            without_gossip=True,
            without_mingle=True,
        )
        # not EmbeddedService: its thread asks the database every second
        self.beat = Beat(app, max_interval=BEAT_SECONDS, scheduler_cls=DatabaseScheduler)
        self._threads = [self._thread("worker", self.worker.start), self._thread("beat", self._run_beat)]
        if find_spec("monitoring.watch"):
            self._threads.append(self._thread("watch", self._run_watch))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        if "monitoring.sample_hosts" in app.tasks:
            app.send_task("monitoring.sample_hosts")  # beat's first tick is an interval away

    def stop(self, seconds: float) -> bool:
        """Let each part finish what it does, for SECONDS at most; tell whether all of them did."""
        self.stopping.set()
        worker_state.should_stop = os.EX_OK  # type: ignore[assignment]  # the worker's own loop sees it
        QUEUES.close()
        self.beat.stop()
        self.beat.scheduler.sync()  # beat itself may sleep for seconds yet: keep its times of last runs
        deadline = monotonic() + seconds
        for thread in self._threads:
            if thread.name != "beat":
                thread.join(max(0.0, deadline - monotonic()))
        return not any(thread.is_alive() for thread in self._threads if thread.name != "beat")

    def _run_beat(self) -> None:
        app.set_current()
        self.beat.start()

    def _run_watch(self) -> None:
        import_module("monitoring.watch").follow_all(self.stopping)

    def _thread(self, name: str, run: Callable[[], Any]) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(name, run), name=name, daemon=True)

    def _guard(self, name: str, run: Callable[[], Any]) -> None:
        try:
            run()
        except Exception:
            log.exception("The %s failed.", name)
        finally:
            if not self.stopping.is_set():
                log.critical("The %s has ended: stopping, so that nothing looks alive that is not.", name)
                end_now(A_THREAD_DIED)


def end_now(code: int) -> None:
    """End the process without waiting for any thread, once its last words are out."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
