"""Slack incoming webhooks: Block Kit in plain text, so nothing in an event is ever read as markup.

Limits and errors: api.slack.com/reference/block-kit/blocks, api.slack.com/messaging/webhooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.formats.addresses import host_of
from notifications.formats.shapes import Format, Notice, Outgoing, in_the_language_of_the_notices
from notifications.formats.text import (
    digest_heading,
    digest_lines,
    facts_of,
    fit,
    fit_lines,
    heading,
    json_bytes,
    link_of,
    summary,
    utf16,
)

HEADER, SECTION, FIELD, FIELDS = 150, 3_000, 2_000, 10
MESSAGE, FACT, DIGEST = 2_500, 250, 8_000
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
GONE = {404, 410}


def escape(character: str) -> str:
    """Escape exactly what Slack wants escaped: without it `<!channel>` pings everyone."""
    return ESCAPES.get(character, character)


@in_the_language_of_the_notices
def render(notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime) -> Outgoing:
    body = {
        "text": fit(summary(notices), HEADER, utf16, escape),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [*(single(notices[0]) if len(notices) == 1 else digest(notices)), link(link_of(notices))],
    }
    return Outgoing(address, {"Content-Type": "application/json; charset=utf-8"}, json_bytes(body))


def single(notice: Notice) -> list[dict[str, Any]]:
    blocks = [{"type": "header", "text": plain_text(heading(notice), HEADER)}]
    if notice.message.strip():
        blocks.append({"type": "section", "text": plain_text(notice.message, MESSAGE)})
    fields = [plain_text(f"{name}: {value}", FACT) for name, value in facts_of(notice)[:FIELDS]]
    return [*blocks, {"type": "section", "fields": fields}]


def digest(notices: Sequence[Notice]) -> list[dict[str, Any]]:
    """Return blocks that name every event, as many lines to a section as fit into one."""
    blocks: list[dict[str, Any]] = [{"type": "header", "text": plain_text(digest_heading(notices), HEADER)}]
    text = ""
    for line in fit_lines(digest_lines(notices), DIGEST, utf16, escape):
        if text and utf16(text) + utf16(line) + 1 > SECTION:
            blocks.append(section(text))
            text = ""
        text = f"{text}\n{line}" if text else line
    return [*blocks, section(text)]


def section(escaped: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "plain_text", "text": escaped, "emoji": False}}


def plain_text(text: str, limit: int) -> dict[str, Any]:
    return {"type": "plain_text", "text": fit(text, limit, utf16, escape), "emoji": False}


def link(url: str) -> dict[str, Any]:
    # a link, not a button: a button without an app behind it shows a warning sign when it is pressed
    safe = "".join(map(escape, url)).replace("|", "%7C")
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": f"<{safe}|{_('Open in Pierwatch')}>"}]}


FORMAT = Format(
    "slack",
    "Slack",
    render,
    accepts=lambda status, body: 200 <= status < 300 and body.strip() == "ok",
    gone=lambda status, body: status in GONE,
    hints={
        "no_service": gettext_lazy("the webhook was deleted in Slack. Create a new one and paste its URL."),
        "no_team": gettext_lazy("the workspace is gone. Create a webhook in another one and paste its URL."),
        "channel_is_archived": gettext_lazy("the channel was archived. Unarchive it or create a new webhook."),
        "channel_not_found": gettext_lazy("the channel is gone. Create a new webhook and paste its URL."),
        "invalid_token": gettext_lazy("the webhook is not valid any more. Create a new one and paste its URL."),
        "action_prohibited": gettext_lazy("the workspace forbids it. Ask its administrator to allow the webhook."),
        "posting_to_general_channel_denied": gettext_lazy("only some may post to that channel. Choose another one."),
        "invalid_payload": gettext_lazy("it could not read the message. Check that the address is a Slack webhook."),
        "no_text": gettext_lazy("it found no text in the message. Check that the address is a Slack webhook."),
        "user_not_found": gettext_lazy("the person it wrote to is gone. Create a new webhook and paste its URL."),
    },
    per_second=1.0,
    guess=lambda url: host_of(url) in ("hooks.slack.com", "hooks.slack-gov.com"),
    placeholder="https://hooks.slack.com/services/…",
)
