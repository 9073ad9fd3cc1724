"""Reading many containers at once over the light client: every wait ends, and no container harms another."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from urllib.parse import quote

from monitoring.engine.address import Address
from monitoring.engine.agreement import Agreement
from monitoring.engine.complaints import complain
from monitoring.engine.decode import Unreadable, reading_of
from monitoring.engine.wire import Answer, Connection, open_connection
from monitoring.stats import Reading

# Engine 25+ and Podman answer in 4 to 22 ms. Before, each answer waits for the collector's tick of a second and only
# calls in flight overlap: as many as leave room below the usual 1,024 open files.
LANES, MOST_LANES = 32, 400
PATIENCE = 0.1  # of the deadline: a lane that waits longer for one container gets another lane beside it
KEPT_CONNECTIONS = 64
LATE = "no answer in time"


class Unopened(Exception):  # noqa: N818 the lane's own signal, never seen outside
    """No connection could be opened; the cause says why."""


@dataclass(slots=True)
class Sweep:
    """One round over containers: what is still to ask, what came, and why something did not."""

    agreement: Agreement
    to_ask: deque[str]
    until: float  # monotonic
    readings: dict[str, Reading] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    lanes: int = 0  # working now
    unopened: BaseException | None = None
    version_refused: bool = False  # the engine was swapped for one of another age

    @property
    def lanes_at_first(self) -> int:
        return min(len(self.to_ask), LANES if self.agreement.answers_at_once else MOST_LANES)

    @property
    def unreachable(self) -> BaseException | None:
        """Return why the engine as a whole could not be asked; None when it answered anything."""
        return None if self.readings or self.failures else self.unopened

    def path(self, container_id: str) -> str:
        name = quote(container_id, safe="")
        return f"/v{self.agreement.api_version}/containers/{name}/stats?stream=false&one-shot=true"

    def keep(self, container_id: str, answer: Answer) -> None:
        """Take an answer: a reading, or the reason why there is none. A stopped container is neither."""
        self.failures.pop(container_id, None)
        try:
            reading = self._reading(container_id, answer)
        except Unreadable as error:
            self.failures[container_id] = str(error)
        else:
            if reading.read_ns:
                self.readings[container_id] = reading

    def complain(self) -> None:
        for container_id, reason in self.failures.items():
            complain(container_id, reason)

    def _reading(self, container_id: str, answer: Answer) -> Reading:
        if answer.status == 404:
            raise Unreadable("it is gone")
        if answer.status != 200:
            self.version_refused = answer.status == 400 and b"version" in answer.body
            raise Unreadable(f"status {answer.status}")
        agreement = self.agreement
        return reading_of(container_id, answer.body, podman=agreement.podman, windows=agreement.windows)


class Reader:
    """The kept connections to one engine. Lives in one event loop; several sweeps may run at the same time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._tls = address.tls_context()
        self._idle: list[Connection] = []
        self._kept_connections = KEPT_CONNECTIONS
        self._slow: set[str] = set()  # late the last time: asked last, so that they hold nobody up

    async def run(self, sweep: Sweep) -> None:
        """Fill the sweep; back by its deadline."""
        asked = list(sweep.to_ask)
        sweep.to_ask = deque(sorted(asked, key=self._slow.__contains__))
        try:
            async with asyncio.timeout(sweep.until - time.monotonic()), asyncio.TaskGroup() as group:
                for _ in range(sweep.lanes_at_first):
                    self._add_lane(sweep, group)
        except TimeoutError:
            pass  # what did not answer stands among the failures already
        self._conclude(sweep, asked)

    async def close(self) -> None:
        self._kept_connections = 0
        self._trim()

    def _add_lane(self, sweep: Sweep, group: asyncio.TaskGroup) -> None:
        if sweep.lanes < MOST_LANES and time.monotonic() < sweep.until:
            sweep.lanes += 1
            group.create_task(self._lane(sweep, group))

    async def _lane(self, sweep: Sweep, group: asyncio.TaskGroup) -> None:
        """Ask for one container after the other until none is left; ends when no connection can be opened."""
        loop = asyncio.get_running_loop()
        patience = (sweep.until - time.monotonic()) * PATIENCE
        try:
            while sweep.to_ask and not sweep.version_refused:
                relief = loop.call_later(patience, self._add_lane, sweep, group)
                try:
                    await self._ask(sweep, sweep.to_ask.popleft())
                finally:
                    relief.cancel()
        except Unopened as error:
            sweep.unopened = error.__cause__
        finally:
            sweep.lanes -= 1

    async def _ask(self, sweep: Sweep, container_id: str) -> None:
        """Ask for one container; the deadline of the sweep is the only one. Raises Unopened."""
        sweep.failures[container_id] = LATE
        try:
            answer = await self._get(sweep.path(container_id))
        except Unopened:
            del sweep.failures[container_id]
            sweep.to_ask.append(container_id)
            raise
        except OSError as error:
            sweep.failures[container_id] = str(error)
        else:
            sweep.keep(container_id, answer)

    async def _get(self, path: str) -> Answer:
        """Ask over a kept connection, or over a new one: an engine may close idle connections when it likes."""
        while self._idle:
            kept = self._idle.pop()
            if kept.is_open:
                try:
                    return await self._get_over(kept, path)
                except ConnectionResetError:
                    break
        return await self._get_over(await self._open(), path)

    async def _get_over(self, connection: Connection, path: str) -> Answer:
        try:
            answer = await connection.get(path)
        except BaseException:  # cancelled by a deadline too: its answer would be taken for the next one's
            connection.abort()
            raise
        self._idle.append(connection)
        return answer

    async def _open(self) -> Connection:
        try:
            return await open_connection(self._address, self._tls)
        except OSError as error:
            raise Unopened from error

    def _conclude(self, sweep: Sweep, asked: list[str]) -> None:
        self._trim()
        if sweep.unreachable or sweep.version_refused:
            return
        for container_id in sweep.to_ask:
            sweep.failures[container_id] = "no time or connection was left to ask"
        self._slow.difference_update(asked)
        self._slow.update(container_id for container_id, reason in sweep.failures.items() if reason == LATE)
        sweep.complain()

    def _trim(self) -> None:
        while len(self._idle) > self._kept_connections:
            self._idle.pop().abort()
