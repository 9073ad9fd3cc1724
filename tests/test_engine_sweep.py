"""Sweeps over a simulated engine: every wait ends, connections do not leak, no container harms another."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from monitoring.engine import Engine, EngineError, complaints, connect, loop
from monitoring.engine.patient import read_patiently
from monitoring.engine.sweep import KEPT_CONNECTIONS, LANES
from monitoring.stats import figures
from tests.simulated_engine import (
    GARBAGE,
    GONE,
    HANG,
    HTML,
    LIST,
    MIB,
    NULL,
    RESET,
    TRUNCATED,
    Fault,
    SimulatedContainer,
    SimulatedEngine,
)

FAULTS = {
    "hangs": HANG,
    "resets": RESET,
    "vanished": GONE,
    "breaks off": TRUNCATED,
    "is no HTTP": GARBAGE,
    "is HTML": HTML,
    "is null": NULL,
    "is a list": LIST,
    "is empty": Fault(body=b""),
    "is 500": Fault(status=500, body=b'{"message":"oops"}'),
    "is 403": Fault(status=403),
    "never ends": Fault(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"),
    "is endless": Fault(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 5_000_000),
}


@pytest.fixture(autouse=True)
def nothing_was_complained_about() -> Iterator[None]:
    complaints._last.clear()
    yield
    complaints._last.clear()


@pytest.fixture
def fleet(simulated_engine: SimulatedEngine) -> list[SimulatedContainer]:
    return [simulated_engine.add(f"web-{number}", cpu_cores=0.5) for number in range(60)]


@pytest.fixture
def engine(simulated_engine: SimulatedEngine) -> Iterator[Engine]:
    connected = connect(simulated_engine.url)
    yield connected
    connected.close()


def ids(fleet: list[SimulatedContainer]) -> list[str]:
    return [container.id for container in fleet]


def eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def test_all_containers_are_read_at_once(engine: Engine, fleet: list[SimulatedContainer]) -> None:
    readings = engine.read(ids(fleet), 10)
    assert set(readings) == set(ids(fleet))
    assert all(reading.container_id == key and reading.memory_usage for key, reading in readings.items())


def test_two_sweeps_make_the_figures(
    simulated_engine: SimulatedEngine, engine: Engine, fleet: list[SimulatedContainer]
) -> None:
    before = engine.read(ids(fleet), 10)
    simulated_engine.advance(30)
    now = engine.read(ids(fleet), 10)
    shown = figures(before[fleet[7].id], now[fleet[7].id], None, 2)
    assert shown.cpu_percent == pytest.approx(50, abs=0.5)
    assert shown.memory_used_bytes == 16 * MIB


def test_connections_are_kept_from_sweep_to_sweep(
    simulated_engine: SimulatedEngine, engine: Engine, fleet: list[SimulatedContainer]
) -> None:
    for _ in range(5):
        assert len(engine.read(ids(fleet), 10)) == 60
    assert simulated_engine.most_connections <= LANES + 2  # docker-py's own for /version


def test_before_engine_25_all_are_asked_at_once_because_each_waits_for_the_tick() -> None:
    with SimulatedEngine(containers=150, api="1.41", version="20.10.24", tick_seconds=0.5) as old:
        engine = connect(old.url)
        wanted = list(old.containers)
        assert len(engine.read(wanted, 10)) == 150
        started = time.monotonic()
        assert len(engine.read(wanted, 10)) == 150
        assert time.monotonic() - started < 1.5  # by 32 lanes it would take 2.5 s
        assert eventually(lambda: old.connections <= KEPT_CONNECTIONS + 2)
        engine.close()


@pytest.mark.parametrize("what", FAULTS)
def test_one_container_harms_no_other(
    what: str, simulated_engine: SimulatedEngine, engine: Engine, fleet: list[SimulatedContainer]
) -> None:
    engine.read(ids(fleet), 5)
    for bad in fleet[3:6]:
        bad.fault = FAULTS[what]
    started = time.monotonic()
    readings = engine.read(ids(fleet), 1)
    assert time.monotonic() - started < 1.5
    assert set(readings) == set(ids(fleet)) - set(ids(fleet[3:6]))
    for bad in fleet[3:6]:
        bad.fault = None
    assert len(engine.read(ids(fleet), 5)) == 60
    assert eventually(lambda: simulated_engine.connections <= LANES + 2)


def test_a_container_gone_from_the_engine_is_missing(engine: Engine, fleet: list[SimulatedContainer]) -> None:
    assert set(engine.read([*ids(fleet), "f" * 64], 5)) == set(ids(fleet))


def test_names_cannot_lead_to_other_paths(
    simulated_engine: SimulatedEngine, engine: Engine, fleet: list[SimulatedContainer]
) -> None:
    assert engine.read(["../../info?x=", "a b\r\nX: y"], 5) == {}
    assert all(path.count("/") <= 4 and " " not in path for path in simulated_engine.requests)


def test_more_hanging_containers_than_lanes_do_not_starve_the_rest(
    engine: Engine, fleet: list[SimulatedContainer], simulated_engine: SimulatedEngine
) -> None:
    more = [simulated_engine.add(f"more-{number}") for number in range(60)]
    for bad in fleet[: LANES + 8]:
        bad.fault = HANG
    good = {*ids(fleet[LANES + 8 :]), *ids(more)}
    assert set(engine.read(ids(fleet + more), 1.5)) == good


def test_an_engine_that_hangs_altogether_costs_the_deadline_and_no_more(
    engine: Engine, fleet: list[SimulatedContainer], simulated_engine: SimulatedEngine
) -> None:
    engine.containers()
    for container in fleet:
        container.fault = HANG
    started = time.monotonic()
    assert engine.read(ids(fleet), 0.5) == {}
    assert time.monotonic() - started < 1
    assert eventually(lambda: simulated_engine.connections <= 2)


def test_what_answers_in_time_is_there_and_what_is_late_is_not(engine: Engine, fleet: list[SimulatedContainer]) -> None:
    engine.containers()
    for number, container in enumerate(fleet):
        container.fault = Fault(delay=60 if number % 2 else 0.05)
    assert set(engine.read(ids(fleet), 1.5)) == set(ids(fleet[::2]))


def test_a_slow_engine_is_asked_more_at_once_rather_than_given_up(
    engine: Engine, fleet: list[SimulatedContainer], simulated_engine: SimulatedEngine
) -> None:
    engine.containers()
    for container in fleet:
        container.fault = Fault(delay=1)
    started = time.monotonic()
    assert len(engine.read(ids(fleet), 4)) == 60
    assert time.monotonic() - started < 1.9  # 32 lanes alone would need two rounds
    assert simulated_engine.most_connections > LANES


def test_stopped_and_paused_containers_are_told_apart(
    engine: Engine, fleet: list[SimulatedContainer], caplog: pytest.LogCaptureFixture
) -> None:
    fleet[0].state, fleet[1].state = "exited", "paused"
    readings = engine.read(ids(fleet), 5)
    assert fleet[0].id not in readings
    assert fleet[1].id in readings
    assert not caplog.records


def test_a_container_is_complained_about_once_a_minute(
    engine: Engine, fleet: list[SimulatedContainer], caplog: pytest.LogCaptureFixture
) -> None:
    fleet[0].fault, fleet[1].fault = NULL, GONE
    for _ in range(3):
        engine.read(ids(fleet), 5)
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 2
    assert any(fleet[0].id[:12] in line for line in lines)


def test_an_engine_gone_in_between_is_an_error_not_silence(
    simulated_engine: SimulatedEngine, engine: Engine, fleet: list[SimulatedContainer]
) -> None:
    engine.read(ids(fleet), 5)
    simulated_engine.shut()
    with pytest.raises(EngineError) as caught:
        engine.read(ids(fleet), 5)
    assert caught.value.code == "no_socket"
    simulated_engine.open()
    assert len(engine.read(ids(fleet), 5)) == 60


def test_connections_that_the_engine_closed_while_idle_are_opened_anew(
    simulated_engine: SimulatedEngine, engine: Engine, fleet: list[SimulatedContainer]
) -> None:
    engine.read(ids(fleet), 5)
    simulated_engine.shut()
    simulated_engine.open()
    assert len(engine.read(ids(fleet), 5)) == 60


def test_nothing_to_read_asks_nothing(simulated_engine: SimulatedEngine, engine: Engine) -> None:
    assert engine.read([], 5) == {}
    assert not simulated_engine.requests


def test_the_same_container_is_asked_once(
    simulated_engine: SimulatedEngine, engine: Engine, fleet: list[SimulatedContainer]
) -> None:
    engine.read([fleet[0].id] * 5, 5)
    assert sum("/stats" in path for path in simulated_engine.requests) == 1


def test_many_threads_may_read_at_the_same_time(engine: Engine, fleet: list[SimulatedContainer]) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: engine.read(ids(fleet), 10), range(16)))
    assert all(len(readings) == 60 for readings in results)


def test_one_thread_serves_all_engines(engine: Engine, fleet: list[SimulatedContainer]) -> None:
    engine.read(ids(fleet), 5)
    with SimulatedEngine(containers=3) as other:
        connect(other.url).read(list(other.containers), 5)
    assert [thread.name for thread in threading.enumerate()].count("engine-reads") == 1


def test_closing_ends_all_connections(
    simulated_engine: SimulatedEngine, engine: Engine, fleet: list[SimulatedContainer]
) -> None:
    engine.read(ids(fleet), 5)
    engine.close()
    gc.collect()
    assert eventually(lambda: simulated_engine.connections == 0)
    assert len(engine.read(ids(fleet), 5)) == 60


def test_the_other_way_through_docker_py_gives_the_same(
    engine: Engine, fleet: list[SimulatedContainer], caplog: pytest.LogCaptureFixture
) -> None:
    """What ssh uses; here over the same socket."""
    fleet[0].fault, fleet[1].fault, fleet[2].state, fleet[3].fault = NULL, GONE, "exited", HTML
    engine.containers()
    readings = read_patiently(engine._agreed(), ids(fleet), 10)
    assert set(readings) == set(ids(fleet[4:]))
    assert len(caplog.records) == 3


def test_the_other_way_keeps_its_deadline(engine: Engine, fleet: list[SimulatedContainer]) -> None:
    engine.containers()
    fleet[0].fault = Fault(delay=1.5)
    started = time.monotonic()
    assert len(read_patiently(engine._agreed(), ids(fleet[:9]), 1)) == 8
    assert time.monotonic() - started < 1.4


def test_a_thousand_containers_fit_in_one_sweep() -> None:
    with SimulatedEngine(containers=1000) as big:
        engine = connect(big.url)
        assert len(engine.read(list(big.containers), 25)) == 1000
        engine.close()


def test_a_forked_worker_does_not_share_its_parents_loop(engine: Engine, fleet: list[SimulatedContainer]) -> None:
    engine.read(ids(fleet), 5)
    assert loop._loops
    child = os.fork()
    if child == 0:
        os._exit(0 if not loop._loops else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
