"""Is this an address at all? Whether it may be reached is decided at connect time, not here."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _


def http_address(address: str) -> None:
    """Raise ValueError, with a sentence that names the fix, unless ADDRESS is a whole http or https address."""
    parts = split(address)
    if parts.scheme not in ("http", "https"):
        raise ValueError(_("The address must begin with https:// or http://."))
    if not parts.hostname:
        raise ValueError(_("The address names no host. It should look like https://example.org/hook."))
    if parts.username or parts.password:
        raise ValueError(_("Leave user and password out of the address: they would be stored in the open."))


def split(address: str) -> SplitResult:
    """Take ADDRESS apart; ValueError with a sentence when it cannot be read as one."""
    if any(character.isspace() or not character.isprintable() for character in address):
        raise ValueError(_("The address contains spaces or line breaks. Paste it again, as one piece."))
    try:
        parts = urlsplit(address)
        _port = parts.port
    except ValueError:
        raise ValueError(_("This is not a valid address. It should look like https://example.org/hook.")) from None
    return parts


def mailboxes(address: str) -> list[str]:
    """Return the e-mail addresses in ADDRESS (separated by commas); ValueError naming the one that is none."""
    found = [part.strip() for part in address.removeprefix("mailto:").split(",") if part.strip()]
    if not found:
        raise ValueError(_("Enter at least one e-mail address."))
    for mailbox in found:
        try:
            validate_email(mailbox)
        except ValidationError:
            raise ValueError(_("%(mailbox)s is not an e-mail address.") % {"mailbox": mailbox}) from None
    return found


def is_mail(address: str) -> bool:
    return address.startswith("mailto:") or ("@" in address and "://" not in address)


def host_of(address: str) -> str:
    """Return the host in ADDRESS, in lower case; empty when there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
