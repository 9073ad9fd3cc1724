"""Apprise: a hundred services more, where the optional package is installed. The sender calls its notify()."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.util import find_spec

from django.utils.translation import gettext as _

from notifications.formats.shapes import Format, Notice, Outgoing, in_the_language_of_the_notices
from notifications.formats.text import (
    digest_lines,
    facts_of,
    fit,
    fit_lines,
    json_bytes,
    link_of,
    octets_in_json,
    summary,
    worst,
)

TITLE, MESSAGE, DIGEST = 250, 4_000, 8_000
TYPES = {"error": "failure", "warning": "warning", "info": "info", "success": "success"}


@in_the_language_of_the_notices
def render(notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime) -> Outgoing:
    """Return JSON with title, body and type: the arguments of Apprise's notify()."""
    body = {
        "title": fit(summary(notices), TITLE, octets_in_json),
        "body": text_of(notices),
        "type": TYPES.get(worst(notices), "info"),
    }
    return Outgoing(address, {}, json_bytes(body))


def text_of(notices: Sequence[Notice]) -> str:
    if len(notices) > 1:
        lines = fit_lines(digest_lines(notices), DIGEST, octets_in_json)
    else:
        facts = (f"{name}: {fit(value, 300, octets_in_json)}" for name, value in facts_of(notices[0]))
        lines = [*filter(None, [fit(notices[0].message, MESSAGE, octets_in_json)]), *facts]
    return "\n".join([*lines, link_of(notices)])


def check(address: str) -> None:
    """Raise ValueError, with the fix, unless the installed Apprise knows what to do with ADDRESS."""
    if find_spec("apprise") is None:
        raise ValueError(_('Apprise is not installed. Install it with: pip install "pierwatch[apprise]".'))
    from apprise import Apprise  # noqa: PLC0415 an optional package, and 60 MB of memory

    if not Apprise.instantiate(address, suppress_exceptions=True):
        raise ValueError(_("Apprise does not know this kind of address. See github.com/caronc/apprise for its list."))


def is_apprise(url: str) -> bool:
    scheme, separator, _rest = url.partition("://")
    return bool(separator) and scheme not in ("http", "https")


FORMAT = Format("apprise", "Apprise", render, check=check, guess=is_apprise, channel="apprise", placeholder="tgram://…")
