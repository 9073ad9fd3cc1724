"""One event loop in one thread for all engines of the process: its connections outlive the sweeps that opened them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_SECONDS = 5.0  # the work ends by its own deadline; this only guards against a loop that died
_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []


def run(work: Coroutine[Any, Any, T], deadline_seconds: float) -> T:
    """Run the coroutine in the loop's thread and wait for its result; raises what it raises."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result(deadline_seconds + GRACE_SECONDS)


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="engine-reads", daemon=True).start()
            _loops.append(loop)
        return _loops[0]


# a forked worker has none of its parent's threads
os.register_at_fork(after_in_child=_loops.clear)
