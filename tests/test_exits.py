"""Every order of events measured on real engines, and those that hostile or broken ones could send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from monitoring.exits import (
    SECOND,
    Circumstances,
    Death,
    ExitClass,
    Occurrence,
    classify,
    has_settled,
    is_crash_loop,
    is_mass_death,
    occurrence_of,
    restarts_show_a_loop,
    signal_number,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def told(line: str) -> list[Occurrence]:
    """Read "0 kill 15; 0.1 die 0; 0.1 stop" as seconds, action and signal or exit code."""
    found = []
    for part in line.split(";"):
        at, action, *number = part.split()
        value = int(number[0]) if number else None
        found.append(
            Occurrence(
                container_id="c",
                action=action,
                at_ns=round((1000 + float(at)) * SECOND),
                signal=value if action == "kill" else None,
                exit_code=value if action == "die" else None,
            )
        )
    return found


def judged(line: str, **circumstances: Any) -> list[ExitClass]:
    nearby = told(line)
    facts = Circumstances(**circumstances)
    return [classify(one, nearby, facts).exit_class for one in nearby if one.action == "die"]


INTENTIONAL, COMPLETED, OOM, CRASH = ExitClass.INTENTIONAL, ExitClass.COMPLETED, ExitClass.OOM, ExitClass.CRASH
ORDERS: list[tuple[str, str, dict[str, Any], list[ExitClass]]] = [
    ("stop, clean", "0 kill 15; 0.1 die 0; 0.1 stop", {}, [INTENTIONAL]),
    ("stop, timeout", "0 kill 15; 10 kill 9; 10.1 die 137; 10.2 stop", {}, [INTENTIONAL]),
    ("stop before die", "0 kill 15; 0.1 stop; 0.3 die 143", {}, [INTENTIONAL]),
    ("restart", "0 kill 15; 0.1 die 143; 0.2 stop; 0.5 start; 0.5 restart", {}, [INTENTIONAL]),
    ("docker kill", "0 kill 9; 0.1 die 137", {}, [INTENTIONAL]),
    ("kill told after die", "0 die 137; 0.4 kill 9", {}, [INTENTIONAL]),
    ("kill too late", "0 die 137; 1.5 kill 9", {}, [CRASH]),
    ("stop told late", "0 die 0; 1.9 stop", {"restart_policy": "always"}, [INTENTIONAL]),
    ("stop too late", "0 die 1; 2.5 stop", {}, [CRASH]),
    ("own stop signal", "0 kill 10; 0.1 die 1", {"stop_signal": "SIGUSR1"}, [CRASH]),
    ("stop by a harmless signal", "0 kill 28; 0.1 die 0; 0.2 stop", {"stop_signal": "SIGWINCH"}, [INTENTIONAL]),
    ("stop by RTMIN", "0 kill 37; 0.1 die 130", {"stop_signal": "SIGRTMIN+3"}, [INTENTIONAL]),
    ("long stop timeout", "0 kill 15; 60 die 0", {"stop_timeout": 60}, [INTENTIONAL]),
    ("old kill", "0 kill 15; 15.5 die 1", {}, [CRASH]),
    ("HUP, then a crash", "0 kill 1; 2 die 1", {}, [CRASH]),
    ("reload signals never excuse", "0 kill 10; 0 kill 12; 0 kill 28; 1 die 139", {}, [CRASH]),
    ("killed from outside", "0 die 137", {}, [CRASH]),
    ("segmentation fault", "0 die 139", {}, [CRASH]),
    ("completed", "0 die 0", {}, [COMPLETED]),
    ("completed on-failure", "0 die 0", {"restart_policy": "on-failure"}, [COMPLETED]),
    ("ended though it should run", "0 die 0", {"restart_policy": "always"}, [CRASH]),
    ("unless-stopped", "0 die 0", {"restart_policy": "unless-stopped"}, [CRASH]),
    ("exit code unknown", "0 die", {}, [CRASH]),
    ("OOM", "0 oom; 0.1 die 137", {}, [OOM]),
    ("OOM of a child long before", "-500 start; -300 oom; 0 die 1", {}, [OOM]),
    ("OOM told by inspect alone", "0 die 137", {"oom_killed": True}, [OOM]),
    ("OOM of the life before", "-100 start; -90 oom; -89 die 137; -88 start; 0 die 1", {}, [OOM, CRASH]),
    ("OOM of a child, then stopped", "-500 start; -300 oom; 0 kill 15; 1 die 0; 1 stop", {"oom_killed": True},
     [INTENTIONAL]),
    ("OOM while being stopped", "0 kill 15; 2 oom; 2.1 die 137; 2.2 stop", {}, [OOM]),
    ("crash and restart policy", "0 die 3; 1 start; 2 die 3; 3 start", {"restart_policy": "always"}, [CRASH, CRASH]),
    ("one intent, one death", "0 kill 15; 0.1 die 143; 0.3 start; 3 die 1", {"restart_policy": "always"},
     [INTENTIONAL, CRASH]),
    ("one intent, one death, start missed", "0 kill 15; 0.1 die 143; 3 die 1", {}, [INTENTIONAL, CRASH]),
    ("crash, then stopped at once", "0 die 1; 0.2 start; 0.6 kill 15; 0.7 die 143; 0.8 stop", {}, [CRASH, INTENTIONAL]),
    ("stop of the next life does not excuse", "0 die 1; 0.2 start; 0.9 stop; 1.1 die 0", {}, [CRASH, INTENTIONAL]),
    ("compose recreate", "0 kill 15; 0.2 die 0; 0.2 stop; 0.3 destroy", {"restart_policy": "always"}, [INTENTIONAL]),
    ("cannot be executed", "0 die 126", {}, [CRASH]),
    ("disorder in the stream", "0.1 die 0; 0 kill 15", {"restart_policy": "always"}, [INTENTIONAL]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "circumstances", "classes"), [order[1:] for order in ORDERS], ids=[o[0] for o in ORDERS]
)
def test_each_order_of_events_has_its_class(line: str, circumstances: dict[str, Any], classes: list[ExitClass]) -> None:
    assert judged(line, **circumstances) == classes


def test_what_happens_to_another_container_excuses_nothing() -> None:
    death = Occurrence("c", "die", 10 * SECOND, exit_code=137)
    other = Occurrence("d", "kill", 10 * SECOND, signal=9)

    assert classify(death, [other, death], Circumstances()).exit_class is CRASH


def test_killed_from_outside_is_told_from_other_crashes() -> None:
    assert Death("c", 1, 137, CRASH).killed_from_outside
    assert not Death("c", 1, 139, CRASH).killed_from_outside
    assert not Death("c", 1, 137, OOM).killed_from_outside


REAL_DIE = {
    "status": "die",
    "id": "abc",
    "from": "app:1",
    "Type": "container",
    "Action": "die",
    "Actor": {"ID": "abc", "Attributes": {"exitCode": "137", "image": "app:1", "name": "web-1"}},
    "scope": "local",
    "time": 1_700_000_000,
    "timeNano": 1_700_000_000_123_456_789,
}
TRIMMED_DIE = {name: REAL_DIE[name] for name in ("Type", "Action", "Actor", "timeNano")}  # API 1.52


@pytest.mark.parametrize("event", [REAL_DIE, TRIMMED_DIE])
def test_an_event_is_read_from_old_and_new_engines(event: dict[str, Any]) -> None:
    assert occurrence_of(event) == Occurrence("abc", "die", 1_700_000_000_123_456_789, exit_code=137)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Actor": {"ID": "abc", "Attributes": {"exitCode": "abc"}}}, Occurrence("abc", "die", 5)),
        ({"Actor": {"ID": "abc", "Attributes": None}}, Occurrence("abc", "die", 5)),
        ({"Actor": None}, None),
        ({"Actor": None, "id": "abc"}, Occurrence("abc", "die", 5)),
        ({"Actor": "x"}, None),
        ({"Actor": {"ID": 17}}, None),
        ({"Type": "network"}, None),
        ({"timeNano": None}, None),
        ({"timeNano": "never", "time": 3}, Occurrence("abc", "die", 3 * SECOND)),
        ({"Action": "health_status: unhealthy"}, Occurrence("abc", "health_status", 5)),
        ({"Action": None}, Occurrence("abc", "", 5)),
        ({"Actor": {"ID": "abc", "Attributes": {"signal": "SIGTERM"}}}, Occurrence("abc", "die", 5, signal=15)),
        ({"Actor": {"ID": "abc", "Attributes": {"signal": "9" * 5000}}}, Occurrence("abc", "die", 5)),
    ],
)
def test_hostile_attributes_are_read_as_unknown(changes: dict[str, Any], expected: Occurrence | None) -> None:
    event = {"Type": "container", "Action": "die", "Actor": {"ID": "abc", "Attributes": {}}, "timeNano": 5} | changes

    assert occurrence_of(event) == expected


WORDS = some.sampled_from(
    ["Actor", "Type", "Action", "timeNano", "ID", "Attributes", "exitCode", "signal", "id", "time"]
)
SCALARS = some.none() | some.text(max_size=5) | some.integers() | some.floats()
ANYTHING = some.recursive(SCALARS, lambda inner: some.dictionaries(WORDS, inner), max_leaves=8)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(ANYTHING)
def test_nothing_that_an_engine_sends_breaks_the_reading(event: Any) -> None:
    found = occurrence_of(event)

    assert found is None or classify(found, [found], Circumstances(stop_signal=str(event)))


@pytest.mark.parametrize(
    ("name", "number"),
    [("15", 15), (9, 9), ("TERM", 15), ("SIGKILL", 9), ("sigquit", 3), ("SIGRTMIN+3", 37), ("", None), (None, None),
     ("SIGNOTHING", None), ("0", None), ("-3", None), ("999", None)],
)  # fmt: skip
def test_signals_are_read_by_number_and_name(name: Any, number: int | None) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize(
    ("minutes", "loops"),
    [([], False), ([0, 1], False), ([0, 1, 2], True), ([0, 2.5, 5], True), ([0, 2.5, 5.1], False),
     ([0, 10, 20, 21, 22], True), ([22, 20, 21], True)],
)  # fmt: skip
def test_three_deaths_in_five_minutes_are_a_loop(minutes: list[float], loops: bool) -> None:
    assert is_crash_loop([NOON + timedelta(minutes=minute) for minute in minutes]) is loops


def test_a_jump_of_the_restart_count_is_a_loop() -> None:
    assert restarts_show_a_loop(2, 5)
    assert not restarts_show_a_loop(2, 4)
    assert not restarts_show_a_loop(7, 0)


@pytest.mark.parametrize(
    ("state", "health", "minutes", "settled"),
    [("running", "none", 10, True), ("running", "healthy", 11, True), ("running", "none", 9.9, False),
     ("running", "starting", 20, False), ("running", "unhealthy", 20, False), ("restarting", "none", 20, False),
     ("exited", "none", 20, False)],
)  # fmt: skip
def test_a_container_settles_after_ten_good_minutes(state: str, health: str, minutes: float, settled: bool) -> None:
    started_at = NOON - timedelta(minutes=minutes)

    assert has_settled(state=state, health=health, started_at=started_at, now=NOON) is settled


@pytest.mark.parametrize(
    ("deaths", "containers", "mass"),
    [(2, 2, False), (3, 3, True), (3, 15, True), (3, 16, False), (6, 30, True), (5, 30, False), (0, 0, False)],
)
def test_many_deaths_at_once_are_the_hosts_trouble(deaths: int, containers: int, mass: bool) -> None:
    assert is_mass_death(deaths, containers) is mass
