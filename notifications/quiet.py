"""Quiet hours in real time zones; no I/O.

A day's quiet hours are the moments from their first beginning to their last end. Where the clock is put back and the
end comes twice, the second one counts; where it is put forward and an end is left out, the jump itself is the end.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def ends_at(now: datetime, start: time, end: time, zone: ZoneInfo) -> datetime | None:
    """Return when (UTC) the quiet hours under way at NOW end; None when it is not quiet. START > END spans midnight."""
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        last_day = day if start < end else day + timedelta(days=1)
        first, last = _moment(day, start, zone, fold=0), _moment(last_day, end, zone, fold=1)
        if first <= now < last:
            return last
    return None


def _moment(day: date, clock: time, zone: ZoneInfo, *, fold: int) -> datetime:
    """Return the moment (UTC) at which CLOCK shows on DAY; FOLD tells two of them apart (PEP 495)."""
    wall = datetime.combine(day, clock.replace(tzinfo=None))
    moment = wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    before, after = sorted(wall.replace(tzinfo=zone, fold=side).astimezone(UTC) for side in (0, 1))
    return _jump(before, after, zone)


def _jump(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment after the clock was put forward between BEFORE and AFTER."""
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        before, after = (middle, after) if middle.astimezone(zone).utcoffset() == old else (before, middle)
    return after.replace(microsecond=0)
