"""Reading through docker-py in threads: for ssh and npipe, where the light client cannot go."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

from docker.errors import DockerException

from monitoring.engine.agreement import Agreement
from monitoring.engine.complaints import complain
from monitoring.engine.decode import Unreadable, reading_of_dict
from monitoring.stats import Reading

THREADS = 10  # what docker-py keeps in its pool, and sshd's usual MaxSessions


def read_patiently(agreement: Agreement, ids: list[str], deadline_seconds: float) -> dict[str, Reading]:
    """Read the containers by docker-py; those that fail or are late are missing."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="engine-read")
    try:
        asked = {pool.submit(_read_one, agreement, container_id): container_id for container_id in ids}
        done, _late = wait(asked, timeout=deadline_seconds)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for future in asked.keys() - done:
        complain(asked[future], "no answer in time")
    readings = [_result(future, asked[future]) for future in done]
    return {reading.container_id: reading for reading in readings if reading and reading.read_ns}


def _read_one(agreement: Agreement, container_id: str) -> Reading:
    answer = agreement.client.stats(container_id, stream=False, one_shot=agreement.knows_one_shot or None)
    return reading_of_dict(container_id, answer, podman=agreement.podman, windows=agreement.windows)


def _result(future: Future[Reading], container_id: str) -> Reading | None:
    try:
        return future.result()
    except (DockerException, OSError, Unreadable, ValueError) as error:
        complain(container_id, str(error) or type(error).__name__)
        return None
