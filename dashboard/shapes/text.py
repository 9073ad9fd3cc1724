"""How values look in every JSON of ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from django.conf import settings
from pydantic import WithJsonSchema

Number = TypeVar("Number", int, float)
Moment = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def encode(shape: Any) -> str:
    """Return SHAPE as compact JSON."""
    return msgspec.json.encode(shape).decode()


def moment(at: datetime | None) -> str | None:
    """Return AT as UTC in ISO 8601 with milliseconds and Z."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rounded(value: Number | None) -> Number | None:
    """Return VALUE with two decimals, as `docker stats` shows percentages."""
    return None if value is None else round(value, 2)


def link(path: str) -> str:
    """Return the whole public address of PATH."""
    return f"{settings.PUBLIC_URL}{quote(path)}"
