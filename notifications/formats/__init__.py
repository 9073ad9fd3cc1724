"""How events become messages: one module of pure functions per service, and the table of them."""

from __future__ import annotations

from notifications.formats import apprise, discord, email, ntfy, slack, teams, webhook
from notifications.formats.shapes import Format, Notice, Outgoing

__all__ = ["FORMATS", "Format", "Notice", "Outgoing", "format_choices", "guess"]

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT for module in (webhook, slack, discord, teams, ntfy, email, apprise)
}


def format_choices() -> list[tuple[str, str]]:
    """Return the formats as choices; a callable, so that a new format needs no migration."""
    return [(made.name, str(made.label)) for made in FORMATS.values()]


def guess(url: str) -> str:
    """Return the name of the format that the pasted address URL belongs to."""
    return next((made.name for made in FORMATS.values() if made.guess(url)), "webhook")
