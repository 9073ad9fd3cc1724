"""Tables for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from django.utils import translation

from dashboard import shapes
from monitoring.models import Event

COLUMNS = ("at", "severity", "kind", "host", "project", "stage", "subject", "title", "message", "count", "last_at")
COLUMNS_AFTER = ("resolved_at", "url")
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    """A file that hands back what is written to it (docs.djangoproject.com, "Streaming large CSV files")."""

    def write(self, line: str) -> str:
        return line


def event_rows(events: Iterable[Event]) -> Iterator[str]:
    """Return the lines of a CSV with one line per event, in the language that is active now."""
    language = translation.get_language() or "en"
    write: Any = csv.writer(_Echo()).writerow
    columns = COLUMNS + COLUMNS_AFTER
    yield write(columns)
    for event in events.iterator(chunk_size=500) if hasattr(events, "iterator") else events:
        with translation.override(language):
            shape: Any = shapes.event(event)
        yield write([harmless(shape[name]) for name in columns])


def harmless(value: Any) -> Any:
    """Return VALUE so that no spreadsheet runs it as a formula (owasp.org, "CSV Injection")."""
    text = value if isinstance(value, str) else None
    return f"'{text}" if text and text.startswith(FORMULA_STARTS) else value
