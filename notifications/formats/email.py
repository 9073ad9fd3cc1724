"""E-mail: text and simple HTML, sent by Django's backend."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from django.core.mail import EmailMultiAlternatives
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.formats.addresses import is_mail, mailboxes
from notifications.formats.shapes import Format, Notice, Outgoing, in_the_language_of_the_notices
from notifications.formats.text import (
    digest_lines,
    facts_of,
    fit,
    fit_lines,
    json_bytes,
    link_of,
    octets_in_json,
    one_line,
    summary,
)

SUBJECT, MESSAGE, DIGEST = 150, 4_000, 6_000
PAGE = (
    '<!doctype html><html lang="{}"><body style="font-family:system-ui,sans-serif;line-height:1.45;color:#161a21">'
    '<h1 style="font-size:18px">{}</h1>{}<p><a href="{}">{}</a></p></body></html>'
)
ROW = '<tr><th align="left" style="padding-right:16px;font-weight:400;color:#586270">{}</th><td>{}</td></tr>'


@in_the_language_of_the_notices
def render(notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime) -> Outgoing:
    """Return the letter as JSON: to, subject, text, html, headers. `letter` makes Django's message of it."""
    subject = fit(one_line(summary(notices)), SUBJECT)
    body = {
        "to": mailboxes(address),
        "subject": subject,
        "text": text_of(notices, subject),
        "html": html_of(notices, subject),
        # the same id on every attempt lets the reader's program drop a second copy
        "headers": {"Message-ID": f"<{webhook_id}@pierwatch>", "Auto-Submitted": "auto-generated"},
    }
    return Outgoing(f"mailto:{','.join(mailboxes(address))}", {}, json_bytes(body))


def text_of(notices: Sequence[Notice], subject: str) -> str:
    if len(notices) > 1:
        parts = ["\n".join(fit_lines(digest_lines(notices), DIGEST, octets_in_json))]
    else:
        facts = "\n".join(f"{name}: {value}" for name, value in rows(notices[0]))
        parts = [fit(notices[0].message, MESSAGE, octets_in_json), facts]
    link = f"{_('Open in Pierwatch')}: {link_of(notices)}"
    return "\n\n".join([subject, *filter(None, parts), link]) + "\n"


def html_of(notices: Sequence[Notice], subject: str) -> str:
    if len(notices) > 1:
        lines = fit_lines(digest_lines(notices), DIGEST, octets_in_json)
        inside = format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((line,) for line in lines)))
    else:
        message = format_html(
            '<p style="white-space:pre-wrap">{}</p>', fit(notices[0].message, MESSAGE, octets_in_json)
        )
        inside = format_html("{}<table>{}</table>", message, format_html_join("", ROW, rows(notices[0])))
    return format_html(PAGE, notices[0].language, subject, inside, link_of(notices), _("Open in Pierwatch"))


def rows(notice: Notice) -> list[tuple[str, str]]:
    return [(name, fit(value, 300, octets_in_json)) for name, value in facts_of(notice)]


def letter(outgoing: Outgoing) -> EmailMultiAlternatives:
    """Return the message that Django's e-mail backend sends; the sender's address is DEFAULT_FROM_EMAIL."""
    said = json.loads(outgoing.body)
    message = EmailMultiAlternatives(said["subject"], said["text"], to=said["to"], headers=said["headers"])
    message.attach_alternative(said["html"], "text/html")
    return message


FORMAT = Format(
    "email",
    gettext_lazy("E-mail"),
    render,
    check=mailboxes,
    guess=is_mail,
    channel="email",
    placeholder="ops@example.org",
)
