"""Read the process environment once, strictly: a wrong value stops the start and names the fix."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str = "") -> str:
    """Return variable NAME, or the content of the file that NAME_FILE names."""
    path = os.environ.get(f"{name}_FILE", "")
    if not path:
        return os.environ.get(name, "") or default
    if os.environ.get(name):
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Keep one of them.")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE names {path}, which cannot be read: {error.strerror}.") from error


def is_set(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def whole_number(name: str, default: int, low: int, high: int) -> int:
    """Return variable NAME as an integer from LOW to HIGH."""
    raw = text(name, str(default))
    try:
        number = int(raw)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name} is {raw!r}; it must be a whole number from {low} to {high}.")
    return number


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    raw = text(name, default)
    if raw not in allowed:
        raise ImproperlyConfigured(f"{name} is {raw!r}; it must be one of: {', '.join(allowed)}.")
    return raw


def whole_numbers(name: str, default: str) -> tuple[int, ...]:
    """Return variable NAME, a comma list of numbers that are 0 or more."""
    raw = text(name, default)
    try:
        numbers = tuple(int(part) for part in raw.split(","))
    except ValueError:
        numbers = (-1,)
    if min(numbers) < 0:
        raise ImproperlyConfigured(f"{name} is {raw!r}; it must be a comma list of seconds, such as {default}.")
    return numbers


def pairs(name: str) -> dict[str, str]:
    """Return variable NAME, a comma list of name=value."""
    found: dict[str, str] = {}
    for part in filter(None, (item.strip() for item in text(name).split(","))):
        key, separator, value = part.partition("=")
        if not separator or not key or not value:
            raise ImproperlyConfigured(f"{name} has the part {part!r}; each part must read name=value.")
        found[key.strip()] = value.strip()
    return found
