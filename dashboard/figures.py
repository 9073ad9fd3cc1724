"""Figures as people read them, in the active language. The page's script does the same with the texts given here."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

UNKNOWN = "—"
UNITS = [gettext_lazy("B"), gettext_lazy("KiB"), gettext_lazy("MiB"), gettext_lazy("GiB"), gettext_lazy("TiB")]
AGES: list[tuple[int, str | Promise]] = [
    (86400, gettext_lazy("{n} d")),
    (3600, gettext_lazy("{n} h")),
    (60, gettext_lazy("{n} min")),
    (1, gettext_lazy("{n} s")),
]


def number(value: float, digits: int = 0) -> str:
    return str(number_format(value, decimal_pos=digits, use_l10n=True, force_grouping=True))


def percent(value: float | None, digits: int = 1) -> str:
    """Return 14.63 as `14.6 %`; unknown is a dash, never 0."""
    if value is None:
        return UNKNOWN
    return gettext("{n} %").format(n=number(round(value, digits), digits))


def size(value: int | None) -> str:
    """Return bytes in the unit that keeps three digits: `53.5 MiB`, `512 MiB`, `2.0 GiB`."""
    if value is None:
        return UNKNOWN
    amount, unit = float(value), 0
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    digits = 0 if unit == 0 or amount >= 100 else 1
    return f"{number(round(amount, digits), digits)}\u00a0{UNITS[unit]}"


def span(seconds: float) -> str:
    """Return a length of time in its largest unit: `4 s`, `8 min`, `3 d`."""
    whole = max(0, int(seconds))
    length, text = next(((unit, text) for unit, text in AGES if whole >= unit), AGES[-1])
    return str(text).format(n=number(whole // length))


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago MOMENT was; a dash when it never was."""
    if moment is None:
        return UNKNOWN
    return span(((now or timezone.now()) - moment).total_seconds())
