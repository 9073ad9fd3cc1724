"""Daphne in the main thread. Importing this module installs the asyncio reactor of Twisted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import twisted_loop
from twisted.internet import reactor

from config.embedded import end_now
from config.patience import PatientServer


class Web(PatientServer):
    """Daphne's server, which starts what it is given once it listens, and stops at the first signal."""

    failure: str | None = None

    def __init__(self, application: Any, *, bind: str, port: int, when_listening: Callable[[], None]) -> None:
        super().__init__(
            application,
            endpoints=build_endpoint_description_strings(host=bind, port=port),
            signal_handlers=False,
            verbosity=0,
            server_name="Pierwatch",
        )
        self.when_listening = when_listening
        self._signals = 0

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        reactor.callWhenRunning(self.when_listening)  # a taken port never gets here

    def listen_error(self, failure: Any) -> None:
        self.failure = failure.getErrorMessage()
        self.stop()

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM; a second one ends the process at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        super().run()
        self._end_remaining_tasks()

    def _on_signal(self, number: int, _frame: Any) -> None:
        self._signals += 1
        if self._signals > 1:
            end_now(128 + number)
        reactor.callFromThread(self.stop)

    @staticmethod
    def _end_remaining_tasks() -> None:
        """Cancel and await what still runs: an open SSE request makes CPython 3.11 crash at exit."""
        tasks = asyncio.all_tasks(twisted_loop)
        for task in tasks:
            task.cancel()
        if tasks:
            twisted_loop.run_until_complete(asyncio.wait(tasks, timeout=1))
