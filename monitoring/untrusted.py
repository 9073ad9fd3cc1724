"""Make what others wrote fit to be stored: names, labels and attributes may hold anything at any length."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

TEXT_LIMIT = 2000
ITEM_LIMIT = 200
DEPTH_LIMIT = 6


def storable_text(value: Any, limit: int = TEXT_LIMIT) -> str:
    """Return VALUE as text that both databases take: no NUL, no half surrogates, at most LIMIT characters."""
    text = str(value)[:limit].replace("\x00", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def storable(value: Any, depth: int = DEPTH_LIMIT) -> Any:
    """Return VALUE as JSON that both databases take: bounded, and without NUL, NaN and infinity."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict) and depth:
        return _storable_pairs(value.items(), depth - 1)
    if isinstance(value, list | tuple | set | frozenset) and depth:
        return [storable(item, depth - 1) for item in list(value)[:ITEM_LIMIT]]
    return storable_text(value)


def _storable_pairs(pairs: Iterable[tuple[Any, Any]], depth: int) -> dict[str, Any]:
    return {storable_text(name): storable(value, depth) for name, value in list(pairs)[:ITEM_LIMIT]}
