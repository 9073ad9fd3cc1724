"""Where an engine is: unix, tcp (with or without TLS), ssh."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SCHEMES = ("unix", "tcp", "http", "https", "ssh", "npipe")


@dataclass(frozen=True, slots=True)
class Address:
    """An engine's address, taken apart; `certificates` is the folder with ca.pem, cert.pem and key.pem."""

    url: str
    scheme: str
    path: str = ""
    host: str = ""
    port: int = 0
    certificates: str = ""

    @property
    def is_unix(self) -> bool:
        return self.scheme == "unix"

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https" or bool(self.certificates and self.scheme == "tcp")

    @property
    def is_direct(self) -> bool:
        """Whether the light client can reach it; ssh and npipe go through docker-py."""
        return self.scheme in ("unix", "tcp", "http", "https")

    def certificate_files(self) -> tuple[str, str, str]:
        """Return the paths of (ca, certificate, key)."""
        folder = Path(self.certificates).expanduser()
        return str(folder / "ca.pem"), str(folder / "cert.pem"), str(folder / "key.pem")

    def tls_context(self) -> ssl.SSLContext | None:
        """Return what a direct connection needs; raises OSError or ssl.SSLError for unusable files."""
        if not self.is_secure:
            return None
        if not self.certificates:
            return ssl.create_default_context()
        ca, certificate, key = self.certificate_files()
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(certificate, key)
        return context


def parse(url: str, certificates: str = "") -> Address:
    """Take an address apart; raises ValueError for one that leads nowhere."""
    url = url.strip()
    if url.startswith("/"):
        url = f"unix://{url}"
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(url)
    if parts.scheme in ("unix", "npipe"):
        return _local(url, parts.scheme)
    if not parts.hostname:
        raise ValueError(url)
    secure = parts.scheme == "https" or bool(certificates)
    port = parts.port or {"ssh": 22}.get(parts.scheme, 2376 if secure else 2375)
    return Address(url, parts.scheme, host=parts.hostname, port=port, certificates=certificates)


def _local(url: str, scheme: str) -> Address:
    path = url.split("://", 1)[1]
    if not path:
        raise ValueError(url)
    return Address(url, scheme, path=path)
