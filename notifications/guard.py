"""Where notifications may go: every address is checked on the socket that is really used.

A name may lead to another address a moment later (DNS rebinding), so nothing is decided by looking at a URL: `connect`
resolves, checks every address found and connects to a checked one. `127.1`, `0x7f000001` and full-width digits need no
case of their own: the resolver turns them into the address that is checked.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
PORTS = {"http": 80, "https": 443}
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last 32 bits are the IPv4 address
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291: nothing else is routed on the Internet
DOCUMENTATION = ipaddress.ip_network("3fff::/20")  # RFC 9637, younger than Python 3.11's tables
LOOKUP_SECONDS = 5.0


class RefusedError(Exception):
    """Nothing may be sent there; the text says why and what to do."""


class LookupFailedError(OSError):
    """The name leads nowhere at the moment."""


@dataclass(frozen=True, slots=True)
class Target:
    """An http(s) address taken apart. `host` is ASCII (IDNA), without brackets; `path` includes the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def place(self) -> str:
        """The Host header: no port when it is the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host.rstrip(".")
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"


def target_of(address: str) -> Target:
    """Take ADDRESS apart; RefusedError with a sentence when it is not a plain http or https address."""
    if not address or any(character.isspace() or not character.isprintable() for character in address):
        raise RefusedError(_("The address is empty or contains spaces or line breaks. Paste it again, as one piece."))
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        host = host if ":" in host else host.encode("idna").decode("ascii")
    except ValueError:
        raise RefusedError(_("This is not a valid address. It should look like https://example.org/hook.")) from None
    if parts.scheme not in PORTS or not host or "\\" in address:
        raise RefusedError(_("The address must begin with https:// or http:// and name a host."))
    if "@" in parts.netloc:
        raise RefusedError(_("Leave user and password out of the address."))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, PORTS[parts.scheme] if port is None else port, ascii_only(path))


def ascii_only(path: str) -> str:
    """Return PATH with everything outside of ASCII percent-encoded, as browsers do."""
    return "".join(
        character if character.isascii() else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in path
    )


@lru_cache(maxsize=8)
def allowed_networks(setting: str) -> tuple[IPNetwork, ...] | None:
    """Return the networks that SETTING (PIERWATCH_PRIVATE_TARGETS) opens; None: all of them."""
    if setting.strip().lower() in ("deny", "allow"):
        return () if setting.strip().lower() == "deny" else None
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in setting.split(","))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"PIERWATCH_PRIVATE_TARGETS is {setting!r}: {error}. "
            "It must be deny, allow, or a comma list of networks such as 192.168.1.0/24."
        ) from error


def refusal(found: IPAddress) -> str:
    """Return what kind of address FOUND is when nothing may be sent there; empty when it is a public one."""
    inner = _embedded(found)
    if _is_open(found) or _is_open(inner):
        return ""
    return _kind_of(inner)


def _is_open(address: IPAddress) -> bool:
    opened = allowed_networks(settings.PRIVATE_TARGETS)
    return opened is None or any(address.version == network.version and address in network for network in opened)


def _embedded(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv4-mapped, 6to4 or NAT64 ADDRESS leads to; others as they are."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _kind_of(address: IPAddress) -> str:
    kinds = (
        (address.is_loopback or address.is_unspecified, _("this machine itself")),
        (address.is_link_local, _("a link-local address")),
        (address.is_multicast, _("a multicast address")),
        (address.is_private, _("a private address")),
        (address.is_reserved or not address.is_global, _("a reserved address")),
        (address.version == 6 and (address not in GLOBAL_UNICAST or address in DOCUMENTATION), _("a reserved address")),
    )
    return next((word for applies, word in kinds if applies), "")


def addresses_of(host: str, port: int, seconds: float = LOOKUP_SECONDS) -> list[IPAddress]:
    """Return where HOST leads, within SECONDS; LookupFailedError when nowhere.

    The resolver knows no deadline, so it runs in a thread of its own that a hung one may outlive.
    """
    found: list[IPAddress] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(ipaddress.ip_address(str(answer[4][0]).partition("%")[0]) for answer in answers)

    thread = threading.Thread(target=look_up, name="lookup", daemon=True)
    thread.start()
    thread.join(max(0.0, seconds))
    if not found:
        raise LookupFailedError(_("Name lookup failed for %(host)s.") % {"host": host})
    return list(dict.fromkeys(found))


def checked_addresses(host: str, port: int, seconds: float = LOOKUP_SECONDS) -> list[IPAddress]:
    """Return where HOST leads; RefusedError when any of it is a place that notifications may not reach."""
    found = addresses_of(host, port, seconds)
    for address in found:
        if kind := refusal(address):
            raise RefusedError(
                _(
                    "%(host)s leads to %(address)s, %(kind)s. Nothing is sent there unless PIERWATCH_PRIVATE_TARGETS "
                    "allows it: set it to %(address)s, to a network, or to allow."
                )
                % {"host": host, "address": address, "kind": kind}
            )
    return found


def connect(target: Target, deadline: float) -> socket.socket:
    """Return a TCP connection to a checked address of TARGET, by DEADLINE (monotonic seconds)."""
    found = checked_addresses(target.host, target.port, min(LOOKUP_SECONDS, deadline - monotonic()))
    for left, address in zip(range(len(found), 0, -1), found, strict=True):
        seconds = max(0.001, (deadline - monotonic()) / left)
        try:
            return socket.create_connection((str(address), target.port), timeout=seconds)
        except OSError:
            if left == 1:
                raise
    raise LookupFailedError(_("Name lookup failed for %(host)s.") % {"host": target.host})


def doubt(address: str) -> str:
    """Return a warning when nothing answers at ADDRESS now; RefusedError when nothing will ever be sent there."""
    target = target_of(address)
    try:
        connect(target, monotonic() + LOOKUP_SECONDS).close()
    except LookupFailedError as error:
        return str(error)
    except OSError as error:
        said = _("%(place)s does not answer at the moment: %(reason)s. Send a test when it does.")
        return said % {"place": target.place, "reason": error.strerror or error}
    return ""
