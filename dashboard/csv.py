"""Tables for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.utils import translation

from dashboard import shapes
from monitoring.models import Event

COLUMNS = ("at", "severity", "kind", "host", "project", "stage", "subject", "title", "message", "count", "last_at")
COLUMNS_AFTER = ("resolved_at", "url")
LINES_PER_CHUNK = 500
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file that hands back what is written to it (docs.djangoproject.com, "Streaming large CSV files")."""

    def write(self, line: str) -> str:
        return line


def event_rows(events: QuerySet[Event]) -> Iterator[str]:
    """Return the lines of a CSV with one line per event, in the language that is active now."""
    return _lines(events, translation.get_language() or "en")


def _lines(events: QuerySet[Event], language: str) -> Iterator[str]:
    write: Any = csv.writer(_Echo()).writerow
    columns = COLUMNS + COLUMNS_AFTER
    yield write(columns)
    for event in events.iterator(chunk_size=500):
        with translation.override(language):
            shape: Any = shapes.event(event)
        yield write([harmless(shape[name]) for name in columns])


async def in_chunks(lines: Iterator[str]) -> AsyncIterator[str]:
    """Return LINES for an ASGI response, which would first collect all that a synchronous iterator has."""
    while chunk := await sync_to_async(lambda: "".join(islice(lines, LINES_PER_CHUNK)))():
        yield chunk


def harmless(value: Any) -> Any:
    """Return VALUE so that no spreadsheet runs it as a formula (owasp.org, "CSV Injection")."""
    text = value if isinstance(value, str) else None
    return f"'{text}" if text and text.startswith(FORMULA_STARTS) else value
