"""How we talk with one engine: docker-py's low-level client at an API version that both sides know."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.tls import TLSConfig

from monitoring.engine.address import Address
from monitoring.engine.errors import no_certificate, too_new, too_old
from monitoring.engine.listed import is_podman, is_windows

OLDEST_API, NEWEST_API = "1.40", "1.52"
ONE_SHOT = (1, 41)
ONE_SHOT_AT_ONCE = (1, 44)  # Engine 25: before it, a one-shot answer waits for the collector's next tick
PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """A negotiated client, and what the engine said of itself."""

    client: APIClient
    version: dict[str, Any]
    api_version: str

    @property
    def podman(self) -> bool:
        return is_podman(self.version)

    @property
    def windows(self) -> bool:
        return is_windows(self.version)

    @property
    def knows_one_shot(self) -> bool:
        return _numbers(self.api_version) >= ONE_SHOT

    @property
    def answers_at_once(self) -> bool:
        return self.podman or _numbers(self.api_version) >= ONE_SHOT_AT_ONCE


def agree(address: Address) -> Agreement:
    """Ask the engine for its version and settle on the newest API that both know; raises what docker-py raises."""
    asking = _client(address, OLDEST_API)
    try:
        version = asking.version(api_version=False)
        api_version = _settle(address, version)
    finally:
        asking.close()
    return Agreement(_client(address, api_version), version, api_version)


def _settle(address: Address, version: object) -> str:
    if not isinstance(version, dict) or not version.get("ApiVersion"):
        raise ValueError("no API version in the answer")
    newest, oldest = str(version["ApiVersion"]), str(version.get("MinAPIVersion") or OLDEST_API)
    if _numbers(newest) < _numbers(OLDEST_API):
        raise too_old(address, newest, OLDEST_API)
    if _numbers(oldest) > _numbers(NEWEST_API):
        raise too_new(address, oldest)
    return min(newest, NEWEST_API, key=_numbers)


def _client(address: Address, api_version: str) -> APIClient:
    client = APIClient(
        base_url=_base_url(address),
        version=api_version,
        timeout=PATIENCE_SECONDS,
        tls=_tls(address),
        user_agent="Pierwatch",
    )
    client.trust_env = False  # an engine's address is direct: HTTP_PROXY is for the internet
    return client


def _base_url(address: Address) -> str:
    if address.scheme in ("tcp", "http", "https"):
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"tcp://{host}:{address.port}"
    return address.url


def _tls(address: Address) -> TLSConfig | bool:
    if not address.is_secure:
        return False
    if not address.certificates:
        return TLSConfig(verify=True)
    ca, certificate, key = address.certificate_files()
    for file in (ca, certificate, key):
        if not Path(file).is_file():
            raise no_certificate(address, file)
    return TLSConfig(client_cert=(certificate, key), ca_cert=ca, verify=True)


def _numbers(version: str) -> tuple[int, ...]:
    """Order versions by number: "1.9" comes before "1.41"."""
    return tuple(int(part) for part in version.split("."))


def ssh_failures() -> tuple[type[Exception], ...]:
    """Return what ssh raises beside OSError; it is an optional part."""
    try:
        return (importlib.import_module("paramiko").SSHException,)
    except ImportError:
        return ()
