"""Which container sits in which slot of a host, when the engine lists them all. Pure; no two share a slot."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from monitoring.engine import Listed
from monitoring.identity import SLOT_LENGTH, Identity, Rules, clean, identify

LEFTOVER_AFTER = timedelta(minutes=10)
"""A container under a temporary name is part of a recreate under way for so long, and left over afterwards."""

_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_LIVE = ("running", "paused", "restarting")
# "Up 5 seconds", "Up About a minute (healthy)", "Exited (137) 3 minutes ago": docker/go-units, HumanDuration
_AGE = re.compile(r"(Less than a|About an?|\d+) (second|minute|hour|day|week|month|year)s?")
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2592000, "year": 31536000}


@dataclass(frozen=True, slots=True)
class Seat:
    """A container and who it is."""

    listed: Listed
    identity: Identity

    @property
    def rank(self) -> tuple[bool, datetime, str]:
        """Who of two may keep a slot: the one that runs, then the newer one."""
        return self.listed.state in _LIVE, self.listed.created_at or _LONG_AGO, self.listed.id


def seat(containers: Iterable[Listed], rules: Rules, now: datetime) -> dict[str, Seat]:
    """Return the containers that are to be watched, by slot.

    Where several claim one slot (a recreate under way, a leftover, an update of a Swarm service), the one that runs
    has it, else the newest; the others get a slot by their own full name, but those that are on their way in or out
    get none.
    """
    claims = [Seat(listed, who) for listed in containers if (who := identify(listed.name, listed.labels, rules))]
    seats: dict[str, Seat] = {}
    losers: list[Seat] = []
    for claim in sorted(claims, key=lambda claim: claim.rank, reverse=True):
        if claim.identity.slot in seats:
            losers.append(claim)
        else:
            seats[claim.identity.slot] = claim
    for loser in losers:
        if not _is_passing(loser, now):
            slot = _own_slot(loser.listed, seats)
            seats[slot] = replace(loser, identity=replace(loser.identity, slot=slot, name=slot[:255]))
    return seats


def _is_passing(loser: Seat, now: datetime) -> bool:
    """Tell whether it is Swarm's memory of an earlier task, or the next container of a compose recreate under way."""
    if loser.listed.state in _LIVE:
        return False
    is_new = now - (loser.listed.created_at or _LONG_AGO) < LEFTOVER_AFTER
    return loser.identity.swarm or (loser.identity.temporary and is_new)


def _own_slot(listed: Listed, taken: dict[str, Seat]) -> str:
    name = clean(listed.name, SLOT_LENGTH - 14)
    return f"{name}-{listed.id[:12]}" if name in taken or not name else name


def age_seconds(status: str) -> int | None:
    """Return how long the container is in its state by the engine's STATUS, rounded down; None if it is silent."""
    found = _AGE.search(status)
    if not found:
        return None
    amount = {"Less than a": 0}.get(found[1]) if not found[1].isdigit() else int(found[1])
    return (1 if amount is None else amount) * _UNITS[found[2]]
