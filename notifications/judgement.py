"""What an answer means for a delivery: arrived, try again and when, or never; pure."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from notifications.formats import Format
from notifications.models import Status

PERMANENT = {400, 401, 403, 404, 410, 413, 422}
LONGEST_WAIT = 3600.0
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `status` None when nothing did, `error` then says why in words. `headers` in lower case."""

    status: int | None
    ms: int
    body: str = ""
    error: str = ""
    permanent: bool = False  # trying again cannot help
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """status pending = to be tried again, after `wait` seconds if the receiver named them. gone: never send there."""

    status: Status
    error: str = ""
    wait: float | None = None
    gone: bool = False


def judge(shape: Format, answer: Answer, now: datetime) -> Judgement:
    """Return what ANSWER means for a message in the format SHAPE."""
    if answer.status is None:
        return Judgement(_unsent(answer), answer.error)
    if shape.accepts(answer.status, answer.body):
        return Judgement(Status.SENT)
    error = shape.explain(answer.status, answer.body)
    if shape.gone(answer.status, answer.body):
        return Judgement(Status.FAILED, error, gone=True)
    if answer.status in PERMANENT:
        return Judgement(Status.FAILED, error)
    return Judgement(Status.PENDING, error, wait=asked_wait(answer, now))


def _unsent(answer: Answer) -> Status:
    if answer.permanent:
        return Status.FAILED
    return Status.PENDING if answer.error else Status.SENT


def asked_wait(answer: Answer, now: datetime) -> float | None:
    """Return the seconds (0 < s <= 3600) that the receiver asks us to wait; None when it asks for nothing sensible."""
    asked = [_in_body(answer.body), _in_header((answer.headers or {}).get("retry-after", ""), now)]
    sensible = [seconds for seconds in asked if seconds is not None and math.isfinite(seconds) and seconds > 0]
    return min(sensible[0], LONGEST_WAIT) if sensible else None


def _in_header(text: str, now: datetime) -> float | None:
    """Read Retry-After (RFC 9110, 10.2.3): whole seconds or an HTTP date."""
    if text.strip().isascii() and text.strip().isdigit():
        return float(text[:20])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def _in_body(text: str) -> float | None:
    """Read Discord's `retry_after`: seconds with fractions, more precise than its header."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    seconds = said.get("retry_after") if isinstance(said, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not abs(seconds) < 1e12:
        return None
    return float(seconds)


def seconds_in(text: str) -> float | None:
    """Read seconds with fractions, as in Discord's `X-RateLimit-Reset-After`; None when they make no sense."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return min(seconds, LONGEST_WAIT) if math.isfinite(seconds) and seconds > 0 else None


def next_wait(tries: int, schedule: Sequence[int], asked: float | None) -> float | None:
    """Return the seconds until the try after TRIES tries: as ASKED, else by SCHEDULE +-20 %; None after the last."""
    if tries >= len(schedule):
        return None
    return asked if asked is not None else schedule[tries] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
