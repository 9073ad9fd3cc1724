"""Microsoft Teams workflows: an Adaptive Card 1.5 of rich text blocks, which know no markdown.

learn.microsoft.com/en-us/adaptive-cards/create/textfeatures: RichTextBlock does not support markdown.
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
    octets_in_json,
    worst,
)

HEADING, MESSAGE, FACT, FACTS, DIGEST = 600, 6_000, 500, 12, 9_000
COLOURS = {"error": "Attention", "warning": "Warning", "info": "Accent", "success": "Good"}


@in_the_language_of_the_notices
def render(notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime) -> Outgoing:
    card: dict[str, Any] = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.5",
        "body": single(notices[0]) if len(notices) == 1 else digest(notices),
        "actions": [{"type": "Action.OpenUrl", "title": _("Open in Pierwatch"), "url": link_of(notices)}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    body = {"type": "message", "attachments": [attachment]}
    return Outgoing(address, {"Content-Type": "application/json"}, json_bytes(body))


def single(notice: Notice) -> list[dict[str, Any]]:
    blocks = [title(heading(notice), notice.severity)]
    blocks += [rich(run(line, MESSAGE)) for line in [notice.message.strip()] if line]
    return blocks + [
        rich(run(f"{name}: ", FACT, weight="Bolder"), run(value, FACT)) for name, value in facts_of(notice)[:FACTS]
    ]


def digest(notices: Sequence[Notice]) -> list[dict[str, Any]]:
    lines = fit_lines(digest_lines(notices), DIGEST, octets_in_json)
    # block and run cost about 90 bytes around each line
    return [title(digest_heading(notices), worst(notices)), *(rich(run(line, DIGEST)) for line in lines)]


def title(text: str, severity: str) -> dict[str, Any]:
    return rich(run(text, HEADING, weight="Bolder", size="Medium", color=COLOURS.get(severity, "Default")))


def rich(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def run(text: str, limit: int, **look: str) -> dict[str, Any]:
    return {"type": "TextRun", "text": defused(text, limit), **look}


def defused(text: str, limit: int) -> str:
    """Return TEXT so that Teams sees no `{{DATE(...)}}`, `${template}` or `<at>` in it."""
    breaks = {"{": "\u200b{", "<": "<\u200b"}
    return fit(text, limit, octets_in_json, lambda character: breaks.get(character, character))


def is_teams(url: str) -> bool:
    host = host_of(url)
    return host.endswith((".webhook.office.com", ".logic.azure.com", ".api.powerplatform.com"))


FORMAT = Format(
    "teams",
    "Microsoft Teams",
    render,
    hints={
        "WorkflowNotFound": gettext_lazy("the workflow was deleted in Teams. Create a new one and paste its URL."),
        "WorkflowTriggerIsNotEnabled": gettext_lazy("the workflow is switched off in Teams. Switch it on there."),
        "DirectApiAuthorizationRequired": gettext_lazy("the address is incomplete. Copy the whole workflow URL again."),
    },
    per_second=4.0,
    guess=is_teams,
    placeholder="https://….logic.azure.com/workflows/…",
)
