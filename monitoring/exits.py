"""Why did a container end? Pure classification from what the engine said around its death.

Times are the engine's own, in nanoseconds, so a jump of our clock changes nothing. Judge about 1 s after the death,
looking both ways: newer engines may send `stop` before `die`. Orders of events: tests/test_exits.py has them all.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

SECOND = 1_000_000_000
SETTLE_SECONDS = 1  # how long after a death its reasons may still arrive
KILL_GRACE_SECONDS = 5
STOP_SECONDS = 2
LOOP_DEATHS, LOOP_WINDOW = 3, timedelta(minutes=5)
LOOP_ENDS_AFTER = timedelta(minutes=10)
MASS_DEATHS, MASS_SHARE, MASS_SECONDS = 3, 0.2, 10
ENDING_SIGNALS = {int(number) for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGQUIT)}
# HUP, USR1, USR2 and WINCH mean "reload" to many programs: what follows them is the program's own doing
HARMLESS_SIGNALS = {int(number) for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)}
KILLED = 128 + signal.SIGKILL


class ExitClass(StrEnum):
    INTENTIONAL = "intentional"
    COMPLETED = "completed"
    OOM = "oom"
    CRASH = "crash"

    @property
    def is_bad(self) -> bool:
        return self in (ExitClass.OOM, ExitClass.CRASH)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What one engine event says about one container. `signal` belongs to kill, `exit_code` to die."""

    container_id: str
    action: str
    at_ns: int
    signal: int | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What inspecting the container adds: State.OOMKilled, restart policy, how it is stopped (timeout in seconds)."""

    oom_killed: bool = False
    restart_policy: str = "no"
    stop_signal: str = "SIGTERM"
    stop_timeout: int = 10


@dataclass(frozen=True, slots=True)
class Death:
    container_id: str
    at_ns: int
    exit_code: int | None
    exit_class: ExitClass

    @property
    def killed_from_outside(self) -> bool:
        return self.exit_class is ExitClass.CRASH and self.exit_code == KILLED


def occurrence_of(event: Any) -> Occurrence | None:
    """Read one entry of the engine's event stream (API 1.41 to 1.52); None for what is no event of a container."""
    event = _mapping(event)
    actor = _mapping(event.get("Actor"))
    attributes = _mapping(actor.get("Attributes"))
    container_id = actor.get("ID") or event.get("id")
    at_ns = _whole(event.get("timeNano")) or (_whole(event.get("time")) or 0) * SECOND
    if event.get("Type", "container") != "container" or not isinstance(container_id, str) or not at_ns:
        return None
    return Occurrence(
        container_id=container_id,
        action=str(event.get("Action") or event.get("status") or "").partition(":")[0],
        at_ns=at_ns,
        signal=signal_number(attributes.get("signal")),
        exit_code=_whole(attributes.get("exitCode")),
    )


def classify(death: Occurrence, nearby: Iterable[Occurrence], circumstances: Circumstances) -> Death:
    """Say why DEATH (action die) came about, from the occurrences of the same container around it.

    nearby: at least those since its last start, of the last (stop timeout + 5) seconds, and 2 s after the death.
    """
    own = sorted((one for one in nearby if one.container_id == death.container_id), key=lambda one: one.at_ns)
    life = _life_around(death, own)
    return Death(death.container_id, death.at_ns, death.exit_code, _class_of(death, life, circumstances))


def _class_of(death: Occurrence, life: Sequence[Occurrence], circumstances: Circumstances) -> ExitClass:
    intents = [one for one in life if _excuses(one, death, circumstances)]
    ooms = [one.at_ns for one in life if one.action == "oom"]
    if intents and not (ooms and max(ooms) >= intents[0].at_ns):
        return ExitClass.INTENTIONAL  # a child that ran out of memory long before is another story
    if ooms or circumstances.oom_killed:
        return ExitClass.OOM
    if death.exit_code == 0 and circumstances.restart_policy in ("", "no", "on-failure"):
        return ExitClass.COMPLETED
    return ExitClass.CRASH


def _life_around(death: Occurrence, own: Sequence[Occurrence]) -> list[Occurrence]:
    """Return what belongs to the life that this death ended: so one intent excuses one death.

    A life goes from its start to the next one; where the stream missed the start, from 2 s after the former death.
    """
    starts = [one.at_ns for one in own if one.action == "start"]
    deaths = [one.at_ns for one in own if one.action == "die"]
    began = max((at for at in starts if at <= death.at_ns), default=0)
    former = max((at for at in deaths if at < death.at_ns), default=0)
    if former > began:
        began = former + STOP_SECONDS * SECOND
    ended = min((at for at in [*starts, *deaths] if at > death.at_ns), default=None)
    return [one for one in own if began <= one.at_ns and (ended is None or one.at_ns < ended)]


def _excuses(one: Occurrence, death: Occurrence, circumstances: Circumstances) -> bool:
    seconds = (one.at_ns - death.at_ns) / SECOND
    if one.action == "stop":
        return abs(seconds) <= STOP_SECONDS
    ending = ENDING_SIGNALS | {signal_number(circumstances.stop_signal)}
    if one.action != "kill" or one.signal not in ending - HARMLESS_SIGNALS - {None}:
        return False
    return -(circumstances.stop_timeout + KILL_GRACE_SECONDS) <= seconds <= SETTLE_SECONDS


def signal_number(name: Any) -> int | None:
    """Return the number of "15", "TERM", "SIGTERM" or "SIGRTMIN+3"; None for anything else."""
    number = _whole(name)
    if number is not None:
        return number if 0 < number <= signal.NSIG else None
    word, _plus, offset = str(name).upper().removeprefix("SIG").partition("+")
    try:
        return signal.Signals[f"SIG{word}"] + (_whole(offset) or 0)
    except KeyError:
        return None


def is_crash_loop(deaths_at: Iterable[datetime]) -> bool:
    """Tell whether the last 3 crash or OOM deaths of a slot lie within 5 minutes."""
    last = sorted(deaths_at)[-LOOP_DEATHS:]
    return len(last) == LOOP_DEATHS and last[-1] - last[0] <= LOOP_WINDOW


def restarts_show_a_loop(before: int, after: int) -> bool:
    """Tell whether RestartCount grew by 3 or more between two samples, for deaths whose events nobody saw."""
    return after - before >= LOOP_DEATHS


def has_settled(*, state: str, health: str, started_at: datetime | None, now: datetime) -> bool:
    """Tell whether a container that crashed has run, and is healthy, for long enough to be trusted again."""
    steady = state == "running" and health in ("none", "healthy")
    return steady and started_at is not None and now - started_at >= LOOP_ENDS_AFTER


def is_mass_death(deaths: int, containers: int) -> bool:
    """Tell whether so many DEATHS within 10 s, of a host's running CONTAINERS, are the host's trouble, not theirs."""
    return deaths >= max(MASS_DEATHS, MASS_SHARE * containers)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None
