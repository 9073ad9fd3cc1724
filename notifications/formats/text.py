"""Shape text for services that count differently, escape differently and must never be tricked into a ping."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.formats.shapes import Notice

MARKS = {"error": "▲", "warning": "◆", "info": "●", "success": "✓"}
COLOURS = {"error": 0xCF3530, "warning": 0xB86A00, "info": 0x1D5BD0, "success": 0x1B8A4E}
RANKS = ("info", "success", "warning", "error")
# control characters but tab and newline, lone surrogates (no UTF-8 for them), and marks that turn the reading
# direction around (Trojan Source, CVE-2021-42574)
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
BODY_BYTES = 20_000
LINE = 400


def clean(text: str) -> str:
    """Return TEXT with everything replaced that no service prints or that breaks JSON."""
    return UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def utf16(text: str) -> int:
    """Return the length of TEXT as JavaScript and C# count it."""
    return len(text) + sum(character > "\uffff" for character in text)


def octets(text: str) -> int:
    """Return the length of TEXT in UTF-8."""
    return len(text.encode())


def octets_in_json(text: str) -> int:
    return octets(json.dumps(text, ensure_ascii=False)) - 2


def plain(character: str) -> str:
    return character


def fit(text: str, limit: int, size: Callable[[str], int] = utf16, escape: Callable[[str], str] = plain) -> str:
    """Return TEXT, escaped character by character, in at most LIMIT units of SIZE; a cut is marked by an ellipsis.

    No escape sequence and no character is ever cut in half.
    """
    # every character takes a unit at least: what lies beyond need not be looked at
    pieces = [escape(character) for character in clean(text[: 2 * limit + 2])[: limit + 1]]
    if sum(map(size, pieces)) <= limit:
        return "".join(pieces)
    left = limit - size("…")
    kept = []
    for piece in pieces:
        left -= size(piece)
        if left < 0:
            break
        kept.append(piece)
    return "".join(kept).rstrip() + "…" if limit >= size("…") else ""


def moment(at: datetime) -> str:
    """Return AT for people, in the zone it carries, with the zone's name."""
    return f"{formats.date_format(at, 'DATETIME_FORMAT')} {at.tzname() or ''}".strip()


def clock(at: datetime) -> str:
    return f"{at:%H:%M}"


def heading(notice: Notice) -> str:
    """Return mark and title on one line; a test says so."""
    test = f" {_('(test)')}" if notice.test else ""
    return f"{MARKS.get(notice.severity, '●')} {one_line(notice.title)}{test}"


def worst(notices: Sequence[Notice]) -> str:
    """Return the highest severity among NOTICES."""
    return max((notice.severity for notice in notices), key=lambda name: RANKS.index(name) if name in RANKS else 0)


def digest_heading(notices: Sequence[Notice]) -> str:
    words = ngettext("%(count)d event", "%(count)d events", len(notices)) % {"count": len(notices)}
    test = f" {_('(test)')}" if any(notice.test for notice in notices) else ""
    return f"{MARKS.get(worst(notices), '●')} {words}{test}"


def digest_lines(notices: Sequence[Notice]) -> list[str]:
    """Return one line per event: time, mark, title, and how often it happened."""
    return [
        f"{clock(notice.at)} {heading(notice)}" + (f" (×{notice.count})" if notice.count > 1 else "")
        for notice in notices
    ]


def fit_lines(
    lines: Sequence[str], limit: int, size: Callable[[str], int] = utf16, escape: Callable[[str], str] = plain
) -> list[str]:
    """Shorten LINES so that all of them, with their line ends, fit into LIMIT: each keeps its fair share."""
    share = min(limit // max(len(lines), 1), LINE) - 1
    return [fit(line, share, size, escape) for line in lines]


def facts_of(notice: Notice) -> list[tuple[str, str]]:
    """Return what a reader needs to place the event: where, when, how often, and what the notice adds."""
    where = " / ".join(filter(None, (notice.project, notice.stage)))
    rows: Iterable[tuple[str, str]] = [
        (_("Project"), where),
        (_("Host"), notice.host),
        (_("Time"), moment(notice.at)),
        (_("Times"), _("%(count)d, last %(at)s") % {"count": notice.count, "at": moment(notice.last_at)})
        if notice.count > 1
        else ("", ""),
        *notice.facts,
    ]
    shown = ((fit(one_line(name), 60), clean(str(value)).strip()) for name, value in rows)
    return [(name, value) for name, value in shown if name and value]


def summary(notices: Sequence[Notice]) -> str:
    """Return the one line that a lock screen shows."""
    return heading(notices[0]) if len(notices) == 1 else digest_heading(notices)


def link_of(notices: Sequence[Notice]) -> str:
    """Return the address of the event, or of the event log for several."""
    return notices[0].url if len(notices) == 1 else notices[0].url.rsplit("/", 1)[0]


def json_bytes(value: Any) -> bytes:
    """Serialise VALUE once, compactly, as UTF-8 that every parser takes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str).encode()


def iso(at: datetime) -> str:
    """Return AT in UTC as ISO 8601 with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
