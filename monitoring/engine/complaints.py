"""One log line per container and minute about figures that could not be had."""

from __future__ import annotations

import logging
import threading
import time

log = logging.getLogger(__name__)
PAUSE_SECONDS = 60.0
_last: dict[str, float] = {}
_lock = threading.Lock()


def complain(container_id: str, reason: str) -> None:
    """Log why a container gave no figures, unless it was said within the last minute."""
    if _is_due(container_id, time.monotonic()):
        log.warning("Container %s gave no figures: %s", container_id[:12], reason[:200])


def _is_due(container_id: str, now: float) -> bool:
    with _lock:
        if now - _last.get(container_id, -PAUSE_SECONDS) < PAUSE_SECONDS:
            return False
        if len(_last) > 10_000:
            _last.clear()
        _last[container_id] = now
        return True
