"""Lists by keyset: the cursor names the last row's place in the order, so pages neither skip nor repeat rows."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from ninja import Field, Schema
from ninja.errors import HttpError

T = TypeVar("T")
M = TypeVar("M", bound=Model)

MOST = 500


class Paging(Schema):
    limit: int = Field(100, ge=1, le=MOST, description="rows to return")
    cursor: str = Field("", description="`next` of the page before")


class Page(Schema, Generic[T]):
    """A part of a list. next: the cursor of the following part, null at the end."""

    items: list[T]
    next: str | None = None


def page(rows: QuerySet[M], order: tuple[str, ...], paging: Paging) -> tuple[list[M], str | None]:
    """Return one part of ROWS in ORDER, whose fields together must be unique, and the cursor of the next part."""
    rows = rows.order_by(*order)
    try:
        if paging.cursor:
            rows = rows.filter(_after(order, _decoded(paging.cursor, len(order))))
        found = list(rows[: paging.limit + 1])
    except (ValueError, TypeError, ValidationError, OverflowError) as error:
        raise HttpError(422, _("cursor: this is not a cursor of this list.")) from error
    more = len(found) > paging.limit
    return found[: paging.limit], _cursor(found[paging.limit - 1], order) if more else None


def _after(order: tuple[str, ...], place: list[Any]) -> Q:
    """Return the condition for rows behind PLACE: later in the first field, or equal there and later in the next."""
    behind, equal = Q(), Q()
    for field, value in zip(order, place, strict=True):
        name = field.removeprefix("-")
        comparison = "lt" if field.startswith("-") else "gt"
        behind |= equal & Q(**{f"{name}__{comparison}": value})
        equal &= Q(**{name: value})
    return behind


def _cursor(row: Model, order: tuple[str, ...]) -> str:
    place = [_value(row, field.removeprefix("-")) for field in order]
    return base64.urlsafe_b64encode(json.dumps(place, cls=Exact).encode()).decode().rstrip("=")


def _decoded(cursor: str, length: int) -> list[Any]:
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, UnicodeError) as error:
        raise ValueError(cursor) from error
    if not isinstance(place, list) or len(place) != length or not all(isinstance(it, str | int) for it in place):
        raise ValueError(cursor)
    return place


def _value(row: Any, path: str) -> Any:
    for name in path.split("__"):
        row = getattr(row, name)
    return row


class Exact(DjangoJSONEncoder):
    """JSON that keeps microseconds, which Django's encoder cuts to milliseconds."""

    def default(self, value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else super().default(value)
