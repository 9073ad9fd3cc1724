"""ntfy: JSON to the server's root (docs.ntfy.sh/publish, "Publish as JSON"); a phone shows it as one notification."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import unquote, urlunsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.formats.addresses import host_of, http_address, split
from notifications.formats.shapes import Format, Notice, Outgoing, in_the_language_of_the_notices
from notifications.formats.text import (
    digest_lines,
    facts_of,
    fit,
    fit_lines,
    json_bytes,
    link_of,
    octets,
    summary,
    worst,
)

TITLE, MESSAGE = 250, 3_900  # bytes; beyond 4,096 ntfy turns the message into an attachment
PRIORITIES = {"error": 5, "warning": 4, "info": 3, "success": 3}
TAGS = {"error": "rotating_light", "warning": "warning", "info": "information_source", "success": "white_check_mark"}


@in_the_language_of_the_notices
def render(notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime) -> Outgoing:
    root, topic = root_and_topic(address)
    severity = worst(notices)
    body = {
        "topic": topic,
        "title": fit(summary(notices), TITLE, octets),
        "message": message_of(notices),
        "priority": PRIORITIES.get(severity, 3),
        "tags": [TAGS.get(severity, "information_source"), *sorted({notice.kind for notice in notices})[:3]],
        "click": link_of(notices),
    }
    headers = {"Content-Type": "application/json", **authorization(secrets)}
    return Outgoing(root, headers, json_bytes(body))


def message_of(notices: Sequence[Notice]) -> str:
    if len(notices) > 1:
        return "\n".join(fit_lines(digest_lines(notices), MESSAGE, octets))
    facts = [f"{name}: {fit(value, 150, octets)}" for name, value in facts_of(notices[0])]
    return fit("\n".join(filter(None, [fit(notices[0].message, 2_000, octets), *facts])), MESSAGE, octets)


def root_and_topic(address: str) -> tuple[str, str]:
    """Split https://ntfy.sh/topic; ValueError with a sentence when no topic is named."""
    http_address(address)
    parts = split(address)
    path, _slash, topic = parts.path.rstrip("/").rpartition("/")
    if not topic:
        raise ValueError(_("The address names no topic. It should look like https://ntfy.sh/my-topic."))
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/", "", "")), unquote(topic)


def authorization(secrets: Sequence[str]) -> dict[str, str]:
    """Return the header for an access token (tk_...) or for user:password."""
    if not secrets or not secrets[0]:
        return {}
    if not secrets[0].isascii() or not secrets[0].isprintable():
        raise ValueError(_("The token must be plain letters, digits and signs. Paste it again."))
    if ":" in secrets[0]:
        return {"Authorization": f"Basic {base64.b64encode(secrets[0].encode()).decode()}"}
    return {"Authorization": f"Bearer {secrets[0]}"}


FORMAT = Format(
    "ntfy",
    "ntfy",
    render,
    check=root_and_topic,
    check_secret=lambda secret: authorization([secret]),
    hints={
        "40101": gettext_lazy("it wants a token. Enter an access token of that server."),
        "40301": gettext_lazy("the token may not write to this topic. Allow it on the server or use another one."),
    },
    per_second=1.0,
    guess=lambda url: host_of(url).startswith("ntfy."),
    takes_token=True,
    placeholder="https://ntfy.sh/my-topic",
)
