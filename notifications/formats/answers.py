"""What a service's answer means, in plain sentences (the texts of the screens' description)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.formats.text import one_line

if TYPE_CHECKING:
    from notifications.formats.shapes import Format

MEANINGS = {
    400: gettext_lazy("it did not understand the message. Check that address and format belong together."),
    401: gettext_lazy("it wants another key. Check the token or secret of this destination."),
    403: gettext_lazy("it refuses messages from here. Check the token and its rights."),
    404: gettext_lazy("there is nothing at this address. Check it, or create a new one and paste it."),
    405: gettext_lazy("it takes no POST there. Check the address."),
    408: gettext_lazy("it lost patience with the connection."),
    410: gettext_lazy("the address was removed for good. Create a new one and paste it."),
    413: gettext_lazy("the message is too large for it."),
    422: gettext_lazy("it did not accept the content. Check that address and format belong together."),
    425: gettext_lazy("it wants the message later."),
    429: "",
}


def explain(format: Format, status: int, body: str) -> str:  # noqa: A002 our word for it
    """Return what STATUS and BODY of FORMAT's service mean and what to do, in one sentence or two."""
    who = _("The receiver") if format.name == "webhook" else str(format.label)
    said = one_line(body)
    word = next((word for word in format.hints if word in said), "")
    start = _("%(service)s answered %(status)d") % {"service": who, "status": status}
    if word:
        return f"{start} {word}: {format.hints[word]}"
    meaning = str(MEANINGS.get(status) or _meaning_of_the_hundred(status))
    return f"{start}: {meaning}" if meaning else f"{start}."


def _meaning_of_the_hundred(status: int) -> str:
    if 200 <= status < 300:
        return _("it took the message, but not as this service confirms one. Check the address.")
    if 300 <= status < 400:
        return _("it points to another address. Redirects are not followed: paste the final address.")
    if status >= 500:
        return _("it has trouble of its own.")
    return _("it did not take the message. Check the address.") if status != 429 else ""
