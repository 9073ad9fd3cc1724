"""Plain JSON, signed by Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks, spec)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.formats.shapes import Format, Notice, Outgoing
from notifications.formats.text import (
    BODY_BYTES,
    clean,
    digest_heading,
    digest_lines,
    fit,
    iso,
    json_bytes,
    octets_in_json,
    worst,
)

PLACES = ("host", "project", "stage")


def render(notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime) -> Outgoing:
    body = single(notices[0], BODY_BYTES) if len(notices) == 1 else digest(notices)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return Outgoing(address, headers | signatures(body, secrets, webhook_id, now), body)


def signatures(body: bytes, secrets: Sequence[str], webhook_id: str, now: datetime) -> dict[str, str]:
    """Return the headers that prove BODY: one v1 signature per secret (two while a secret is being rotated)."""
    second = int(now.timestamp())
    headers = {"webhook-id": webhook_id, "webhook-timestamp": str(second)}
    signed = f"{webhook_id}.{second}.".encode() + body
    keys = [key_of(secret) for secret in secrets]
    if keys:
        proofs = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
        headers["webhook-signature"] = " ".join(f"v1,{proof}" for proof in proofs)
        # GitHub's older scheme, for receivers that only know that: the secret as text, the body alone
        proof = hmac.new(secrets[0].encode(), body, hashlib.sha256).hexdigest()
        headers["X-Hub-Signature-256"] = f"sha256={proof}"
    return headers


def key_of(secret: str) -> bytes:
    """Return the key in a `whsec_...` secret; ValueError with the fix when it is none."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_") + "==", validate=False)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
        raise ValueError(_("The signing secret must be whsec_ followed by 24 to 64 bytes in base64."))
    return key


def single(notice: Notice, room: int) -> bytes:
    """Return the body of one event in at most ROOM bytes: the details give way first, then the message."""
    whole = body_of(notice)
    if len(encoded := json_bytes(whole)) <= room:
        return encoded
    whole["data"] |= {"details": {"truncated": True}}
    for name, limit in (("message", room // 4), *((name, 600) for name in ("title", "subject", *PLACES))):
        whole["data"][name] = fit(whole["data"][name], limit, octets_in_json)
    return json_bytes(whole)


def body_of(notice: Notice) -> dict[str, Any]:
    return {"type": notice.kind, "timestamp": iso(notice.at), "data": entry(notice)}


def entry(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "severity": notice.severity,
        "title": clean(notice.title),
        "message": clean(notice.message),
        "host": clean(notice.host),
        "project": clean(notice.project),
        "stage": clean(notice.stage),
        "subject": clean(notice.subject),
        "url": notice.url,
        "details": cleaned(notice.details),
        "test": notice.test,
    }


def cleaned(value: Any) -> Any:
    """Return VALUE, however nested, with printable text and numbers that JSON knows."""
    if isinstance(value, dict):
        return {clean(str(name)): cleaned(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(inner) for inner in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return clean(value) if isinstance(value, str) else value


def digest(notices: Sequence[Notice]) -> bytes:
    """Return one body for several events: `type` is "digest", `data.events` names each as its own body would."""
    share = (BODY_BYTES - 1_000) // len(notices)
    events = [short_entry(notice, share) for notice in notices]
    outline = {
        "severity": worst(notices),
        "title": digest_heading(notices),
        "message": fit("\n".join(digest_lines(notices)), 500, octets_in_json),
        "events": events,
        "test": any(notice.test for notice in notices),
    }
    return json_bytes({"type": "digest", "timestamp": iso(max(notice.at for notice in notices)), "data": outline})


def short_entry(notice: Notice, room: int) -> dict[str, Any]:
    """Return the entry of NOTICE, or as much of it as ROOM bytes take: its id and kind always."""
    whole = {"type": notice.kind, "timestamp": iso(notice.at), **entry(notice)}
    for lost in ("details", "message", "host", "url", "subject", "project", "stage"):
        if len(json_bytes(whole)) <= room:
            break
        del whole[lost]
    left = room - len(json_bytes(whole | {"title": ""}))
    return whole | {"title": fit(whole["title"], max(left, 0), octets_in_json)}


FORMAT = Format("webhook", gettext_lazy("Webhook"), render, check_secret=key_of, signs=True)
