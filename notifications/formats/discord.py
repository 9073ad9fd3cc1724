"""Discord webhooks: one embed, every markup character escaped, no mentions at all.

Limits: discord.com/developers/docs/resources/message#embed-object-embed-limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy

from notifications.formats.addresses import host_of, split
from notifications.formats.shapes import Format, Notice, Outgoing, in_the_language_of_the_notices
from notifications.formats.text import (
    COLOURS,
    digest_heading,
    digest_lines,
    facts_of,
    fit,
    fit_lines,
    heading,
    iso,
    json_bytes,
    link_of,
    utf16,
    worst,
)

TITLE, DESCRIPTION, MESSAGE, FIELD_NAME, FIELD_VALUE, FIELDS = 256, 4_096, 2_500, 100, 200, 10
MARKUP = frozenset("\\*_~`|<>[]()#:-")


def escape(character: str) -> str:
    """Escape what Discord reads as markup, link, emoji or mention. The colon kills `https://` links and `:emoji:`."""
    if character == "@":
        return "@\u200b"  # a zero-width space: @everyone is no mention then, even where a bot repeats the text
    return f"\\{character}" if character in MARKUP else character


@in_the_language_of_the_notices
def render(notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime) -> Outgoing:
    embed = single(notices[0]) if len(notices) == 1 else digest(notices)
    if link_of(notices).startswith(("http://", "https://")):
        embed["url"] = link_of(notices)
    embed |= {"color": COLOURS.get(worst(notices), COLOURS["info"]), "timestamp": iso(notices[-1].at)}
    body = {"username": "Pierwatch", "allowed_mentions": {"parse": []}, "embeds": [embed]}
    return Outgoing(address, {"Content-Type": "application/json"}, json_bytes(body))


def single(notice: Notice) -> dict[str, Any]:
    embed: dict[str, Any] = {"title": fit(heading(notice), TITLE, utf16, escape)}
    if notice.message.strip():
        embed["description"] = fit(notice.message, MESSAGE, utf16, escape)
    embed["fields"] = [
        {"name": fit(name, FIELD_NAME, utf16, escape), "value": fit(value, FIELD_VALUE, utf16, escape), "inline": True}
        for name, value in facts_of(notice)[:FIELDS]
    ]
    return embed


def digest(notices: Sequence[Notice]) -> dict[str, Any]:
    lines = fit_lines(digest_lines(notices), DESCRIPTION, utf16, escape)
    return {"title": fit(digest_heading(notices), TITLE, utf16, escape), "description": "\n".join(lines)}


def is_discord(url: str) -> bool:
    if host_of(url) not in ("discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"):
        return False
    return split(url).path.startswith("/api/webhooks/")


FORMAT = Format(
    "discord",
    "Discord",
    render,
    gone=lambda status, body: status in (404, 410),
    hints={
        "Unknown Webhook": gettext_lazy("the webhook was deleted in Discord. Create a new one and paste its URL."),
        "Invalid Webhook Token": gettext_lazy("the address is incomplete. Copy the whole webhook URL and paste it."),
        "Unknown Channel": gettext_lazy("the channel is gone. Create a new webhook and paste its URL."),
    },
    per_second=2.0,
    guess=is_discord,
    placeholder="https://discord.com/api/webhooks/…",
)
