"""The figures of dashboard/figures.py as template filters."""

from __future__ import annotations

from django import template

from dashboard import figures

register = template.Library()
register.filter("percent", figures.percent)
register.filter("size", figures.size)
register.filter("span", figures.span)
register.filter("age", figures.age)


@register.filter
def cores(value: float) -> str:
    return figures.number(round(value, 1), 1)


@register.filter
def plain(value: float | None) -> str:
    """Return a number for an attribute that a program reads: a point, no grouping; unknown is empty."""
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
