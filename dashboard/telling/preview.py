"""What a message will look like and what will be sent, both from the very formatter that sends it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone, translation

from dashboard.telling.looks import LOOKS
from notifications.examples import example_event
from notifications.formats import FORMATS, Format, Outgoing
from notifications.notices import notice_of
from notifications.secrets import HIDDEN

SAMPLE_ADDRESSES = {"email": "you@example.org", "apprise": "json://example.org", "ntfy": "https://ntfy.sh/my-topic"}
SAMPLE_SECRET = "whsec_" + "A" * 44  # signs previews only; its signature is not shown


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the message as a reader sees it. look: title, text, fact or link."""

    look: str
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    tone: str
    parts: list[Part]
    body: str
    size: int
    headers: dict[str, str]
    curl: str


def preview(format_name: str, kind: str, language: str, time_zone: str, address: str = "", shown: str = "") -> Preview:
    """Return a message of KIND; ADDRESS is where it goes to, SHOWN how that may be shown. ValueError: bad address."""
    shape = FORMATS[format_name]
    address = address or SAMPLE_ADDRESSES.get(format_name, "https://example.org/hook")
    secrets = [SAMPLE_SECRET] if shape.signs else []
    notice = notice_of(example_event(kind), language, time_zone, test=True)
    with translation.override(language):
        outgoing = shape.render([notice], address, secrets, "msg_preview", timezone.now())
    sent = json.loads(outgoing.body)
    headers = {name: HIDDEN if _is_proof(name) else value for name, value in outgoing.headers.items()}
    return Preview(
        tone=LOOKS[notice.severity][1],
        parts=[part for part in READERS[format_name](sent) if part.text],
        body=json.dumps(sent, ensure_ascii=False, indent=2),
        size=len(outgoing.body),
        headers=headers,
        curl=curl(shape, outgoing, headers, shown),
    )


def _is_proof(header: str) -> bool:
    return header in ("webhook-signature", "X-Hub-Signature-256", "Authorization")


def curl(shape: Format, outgoing: Outgoing, headers: dict[str, str], shown: str) -> str:
    """Return the request as a command; empty where the format is no HTTP request."""
    if shape.channel != "http":
        return ""
    words = ["curl", "-X", "POST", shown or outgoing.url]
    for name, value in headers.items():
        words += ["-H", f"{name}: {value}"]
    return shlex.join([*words, "--data-binary", outgoing.body.decode()])


def _slack(sent: dict[str, Any]) -> list[Part]:
    parts = []
    for block in sent["blocks"]:
        look = "title" if block["type"] == "header" else "text"
        parts.append(Part(look, _unescaped(block.get("text", {}).get("text", ""))))
        parts += [Part("fact", _unescaped(field["text"])) for field in block.get("fields", [])]
        parts += [Part("link", element["text"].split("|")[1].rstrip(">")) for element in block.get("elements", [])]
    return parts


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _discord(sent: dict[str, Any]) -> list[Part]:
    embed = sent["embeds"][0]
    facts = [f"{field['name']}: {field['value']}" for field in embed.get("fields", [])]
    parts = [Part("title", embed["title"]), Part("text", embed.get("description", ""))]
    parts += [Part("fact", fact) for fact in facts]
    return [Part(part.look, re.sub(r"\\(.)", r"\1", part.text)) for part in parts]


def _teams(sent: dict[str, Any]) -> list[Part]:
    card = sent["attachments"][0]["content"]
    parts = [_rich(block["inlines"]) for block in card["body"]]
    return [*parts, *(Part("link", action["title"]) for action in card["actions"])]


def _rich(runs: list[dict[str, Any]]) -> Part:
    look = "title" if "size" in runs[0] else "fact" if len(runs) > 1 else "text"
    return Part(look, "".join(run["text"] for run in runs))


def _ntfy(sent: dict[str, Any]) -> list[Part]:
    return [Part("title", sent["title"]), Part("text", sent["message"])]


def _email(sent: dict[str, Any]) -> list[Part]:
    return [Part("title", sent["subject"]), Part("text", sent["text"].partition("\n\n")[2])]


def _apprise(sent: dict[str, Any]) -> list[Part]:
    return [Part("title", sent["title"]), Part("text", sent["body"])]


def _webhook(sent: dict[str, Any]) -> list[Part]:
    return [Part("title", sent["data"]["title"]), Part("text", sent["data"]["message"])]


READERS: dict[str, Callable[[dict[str, Any]], list[Part]]] = {
    "webhook": _webhook,
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
    "ntfy": _ntfy,
    "email": _email,
    "apprise": _apprise,
}
