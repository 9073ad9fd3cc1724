"""One engine: what it is, which containers it has, and their readings."""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from docker import APIClient
from docker.errors import APIError, DockerException, NotFound

from monitoring.engine import errors, loop
from monitoring.engine.address import Address
from monitoring.engine.agreement import Agreement, agree, ssh_failures
from monitoring.engine.errors import EngineError, NoSuchContainer
from monitoring.engine.inspected import Container, container_of
from monitoring.engine.listed import EngineFacts, Listed, facts_of, listed_of
from monitoring.engine.patient import read_patiently
from monitoring.engine.sweep import Reader, Sweep
from monitoring.stats import Reading

log = logging.getLogger(__name__)
T = TypeVar("T")
# requests' own errors are OSErrors; what is no JSON, or not the JSON that docker-py expects, raises one of the others
FAILURES: tuple[type[Exception], ...] = (
    DockerException, EngineError, OSError, ValueError, KeyError, TypeError, AttributeError, http.client.HTTPException,
    *ssh_failures(),
)  # fmt: skip
NONSENSE = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)


class Engine:
    """An engine at one address; thread-safe. Each method raises EngineError when the engine cannot be used."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._agreement: Agreement | None = None
        self._reader: Reader | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Engine {self.address.url}>"

    def facts(self) -> EngineFacts:
        """Ask anew what the engine is; also the moment at which a swapped engine is noticed."""
        version, details = self._ask(lambda client: (client.version(api_version=False), client.info()))
        if version != self._agreed().version:
            self._forget()
        agreement = self._agreed()
        return self._read_as(lambda: facts_of(agreement.version, details, agreement.api_version))

    def containers(self) -> list[Listed]:
        """List all containers, stopped ones included, by one call; an entry that makes no sense is left out."""
        entries = self._ask(lambda client: client.containers(all=True))
        if not isinstance(entries, list):
            raise self._explained(TypeError("no list"))
        return [listed for entry in entries if (listed := _listed(entry))]

    def inspect(self, container_id: str) -> Container:
        """Return all about one container; raises NoSuchContainer when it is gone."""
        try:
            answer = self._ask(lambda client: client.inspect_container(container_id))
        except NotFound as error:
            raise NoSuchContainer(container_id) from error
        return self._read_as(lambda: container_of(answer))

    def image_id_of(self, image: str) -> str | None:
        """Return the id of the image that a tag names on this host now; None when it names none."""
        try:
            answer = self._ask(lambda client: client.inspect_image(image))  # type: ignore[no-untyped-call]
        except NotFound:
            return None
        return self._read_as(lambda: str(answer["Id"]))

    def read(self, ids: Iterable[str], deadline_seconds: float) -> dict[str, Reading]:
        """Read the counters of running containers, concurrently; back within the deadline whatever they do.

        A container that is gone, stopped, hangs or answers nonsense is missing from the result and harms no other.
        Raises EngineError only when the engine as a whole cannot be reached.
        """
        wanted = list(dict.fromkeys(ids))
        until = time.monotonic() + deadline_seconds
        if not wanted:
            return {}
        if not self.address.is_direct:
            return read_patiently(self._agreed(), wanted, deadline_seconds)
        sweep = self._sweep(wanted, until)
        if sweep.version_refused:
            self._forget()
            sweep = self._sweep(wanted, until)
        if sweep.unreachable:
            self._forget()
            raise self._explained(sweep.unreachable)
        return sweep.readings

    def close(self) -> None:
        """Drop all connections; the next call opens new ones."""
        self._forget()

    def _sweep(self, wanted: list[str], until: float) -> Sweep:
        sweep = Sweep(self._agreed(), deque(wanted), until)
        loop.run(self._kept_reader().run(sweep), until - time.monotonic())
        return sweep

    def _kept_reader(self) -> Reader:
        with self._lock:
            if self._reader is None:
                try:
                    self._reader = Reader(self.address)
                except OSError as error:
                    raise self._explained(error) from error
            return self._reader

    def _agreed(self) -> Agreement:
        with self._lock:
            if self._agreement is None:
                try:
                    self._agreement = agree(self.address)
                except FAILURES as error:
                    raise self._explained(error) from error
            return self._agreement

    def _forget(self) -> None:
        with self._lock:
            agreement, self._agreement = self._agreement, None
            reader, self._reader = self._reader, None
        if agreement:
            agreement.client.close()
        if reader:
            loop.run(reader.close(), 1)

    def _ask(self, question: Callable[[APIClient], T]) -> T:
        """Ask through docker-py; once more, with a new agreement, when the engine was swapped or restarted meanwhile.

        NotFound passes through: only the caller knows what was not found.
        """
        try:
            return question(self._agreed().client)
        except NotFound:
            raise
        except FAILURES as error:
            self._forget()
            if not _may_be_new(error):
                raise self._explained(error) from error
        try:
            return question(self._agreed().client)
        except NotFound:
            raise
        except FAILURES as error:
            self._forget()
            raise self._explained(error) from error

    def _read_as(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except NONSENSE as error:
            raise self._explained(error) from error

    def _explained(self, error: BaseException) -> EngineError:
        return errors.explain(self.address, error)


def _listed(entry: dict[str, Any]) -> Listed | None:
    try:
        return listed_of(entry)
    except NONSENSE as error:
        log.warning("The engine listed a container that makes no sense: %s", type(error).__name__)
        return None


def _may_be_new(error: BaseException) -> bool:
    """Tell whether a new connection or another API version may help."""
    if isinstance(error, APIError):
        return error.status_code == 400 and "version" in str(error.explanation)
    return any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in errors.causes(error))
