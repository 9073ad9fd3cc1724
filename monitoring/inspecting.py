"""Ask an engine all about several containers at once, within a bounded time."""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait

from monitoring.engine import Container, Engine, EngineError

log = logging.getLogger(__name__)
THREADS = 8  # docker-py keeps 10 connections
PATIENCE_SECONDS = 12.0


def inspect_all(engine: Engine, ids: Collection[str], patience: float = PATIENCE_SECONDS) -> dict[str, Container]:
    """Inspect the containers; those that are gone, fail or are late are missing and harm no other."""
    if not ids:
        return {}
    pool = ThreadPoolExecutor(min(THREADS, len(ids)), thread_name_prefix="inspect")
    try:
        asked = {pool.submit(engine.inspect, container_id): container_id for container_id in ids}
        done, _late = wait(asked, timeout=patience)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    found = {asked[future]: container for future in done if (container := _result(future, asked[future]))}
    if len(found) < len(ids):
        log.info("%s: inspected %s of %s containers, the rest next time", engine, len(found), len(ids))
    return found


def _result(future: Future[Container], container_id: str) -> Container | None:
    try:
        return future.result()
    except EngineError as error:
        log.info("Container %s could not be inspected: %s", container_id[:12], error)
        return None
