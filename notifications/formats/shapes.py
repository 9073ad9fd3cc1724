"""The three things a format deals in: what is told, what goes over the wire, and the format itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from notifications.formats.addresses import http_address


@dataclass(frozen=True, slots=True)
class Notice:
    """One event as a destination hears it: already in its language and its time zone."""

    id: str
    kind: str
    label: str
    severity: str
    at: datetime
    last_at: datetime
    count: int
    title: str
    message: str
    host: str
    project: str
    stage: str
    subject: str
    url: str
    details: dict[str, Any]
    test: bool = False
    language: str = "en"
    facts: tuple[tuple[str, str], ...] = ()  # (name, value) in the reader's words: exit cause, last deploy, figures


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Exactly what goes over the wire."""

    url: str
    headers: dict[str, str]
    body: bytes


class Render(Protocol):
    def __call__(
        self, notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime
    ) -> Outgoing: ...


def succeeded(status: int, body: str) -> bool:
    """Say whether the answer means that the message arrived."""
    return 200 <= status < 300


def switched_off(status: int, body: str) -> bool:
    """Say whether the answer means that this address will never take a message again."""
    return status == 410


def no_secret(secret: str) -> None:
    """Refuse a SECRET where the address alone is one."""
    if secret:
        raise ValueError(_("This format takes no secret: its address alone is one. Leave the field empty."))


@dataclass(frozen=True)
class Format:
    """How events become the body of one service, and how its answers are to be read.

    render: several notices make one digest that names every event; `most` of them stay readable in one message.
    check, check_secret: raise ValueError, with a sentence for the operator, when an address or a secret cannot be
    this service's.
    per_second: messages the service takes, None = no known limit. guess: is a pasted address this service's?
    channel: "http" = POST `Outgoing`; "email" = send `email.letter(outgoing)` by Django's backend;
    "apprise" = `outgoing.url` is the Apprise address and the body JSON with title, body and type for its notify().
    signs: `secrets` are whsec_... signing secrets (one is made when none is given). takes_token: `secrets` may hold an
    access token. Neither: the address alone is the secret.
    """

    name: str
    label: str | Promise
    render: Render
    check: Callable[[str], object] = http_address
    check_secret: Callable[[str], object] = no_secret
    accepts: Callable[[int, str], bool] = succeeded
    gone: Callable[[int, str], bool] = switched_off
    hints: dict[str, str | Promise] = field(default_factory=dict)  # a word of the answer -> what it means
    per_second: float | None = None
    most: int = 50
    guess: Callable[[str], bool] = lambda url: False
    channel: str = "http"
    signs: bool = False
    takes_token: bool = False
    placeholder: str = "https://"

    def explain(self, status: int, body: str) -> str:
        """Return one plain sentence or two: what this answer means and what to do."""
        from notifications.formats.answers import explain  # noqa: PLC0415 answers.py needs Format for its types

        return explain(self, status, body)


def in_the_language_of_the_notices(render: Render) -> Render:
    """Make RENDER's own words (buttons, headings) come out in the language that the notices are in."""

    def rendered(
        notices: Sequence[Notice], address: str, secrets: Sequence[str], webhook_id: str, now: datetime
    ) -> Outgoing:
        if not notices:
            raise ValueError(_("There is nothing to send."))
        with translation.override(notices[0].language):
            return render(notices, address, secrets, webhook_id, now)

    return rendered
