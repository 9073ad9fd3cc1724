"""What can go wrong with an engine, in words that name the fix."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from django.utils.translation import gettext as _
from docker.errors import APIError

from monitoring.engine.address import Address


class EngineError(Exception):
    """The engine cannot be used: one sentence, `.fix` says what to do, `.code` is for programs.

    Codes: address, no_socket, permission, refused, timeout, tls, too_old, too_new, dns, ssh, denied, broken.
    """

    def __init__(self, sentence: str, *, code: str = "broken", fix: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.fix = fix


class NoSuchContainer(EngineError):  # noqa: N818 the interface's name
    """The engine does not know this container (any more)."""

    def __init__(self, container_id: str) -> None:
        super().__init__(_("The engine knows no container %(id)s.") % {"id": container_id[:12]}, code="no_container")


def explain(address: Address, error: BaseException) -> EngineError:
    """Turn whatever a client raised into an EngineError; looks through the chain of causes for the real one."""
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, EngineError):
            return cause
    for cause in chain:
        found = _explain_one(address, cause)
        if found:
            return found
    return _ssh(address, error) if address.scheme == "ssh" else _broken(address, error)


def too_old(address: Address, version: str, oldest: str) -> EngineError:
    return EngineError(
        _("The engine at %(url)s is too old: it speaks API %(version)s, Pierwatch needs %(oldest)s.")
        % {"url": address.url, "version": version, "oldest": oldest},
        code="too_old",
        fix=_("Update it to Docker Engine 20.10 or newer."),
    )


def too_new(address: Address, oldest: str) -> EngineError:
    return EngineError(
        _("The engine at %(url)s is too new: it speaks nothing older than API %(version)s.")
        % {"url": address.url, "version": oldest},
        code="too_new",
        fix=_("Update Pierwatch."),
    )


def no_certificate(address: Address, file: str) -> EngineError:
    return EngineError(
        _("The certificate file %(file)s for %(url)s is missing.") % {"file": file, "url": address.url},
        code="tls",
        fix=_("The folder must hold ca.pem, cert.pem and key.pem, readable for the process."),
    )


def timed_out(address: Address) -> EngineError:
    return EngineError(
        _("The engine at %(url)s did not answer in time.") % {"url": address.url},
        code="timeout",
        fix=_("Look whether it is overloaded or hangs: `docker ps` on that machine should answer at once."),
    )


def causes(error: BaseException, depth: int = 0) -> Iterator[BaseException]:
    """Yield the error and all that it wraps, innermost first: requests and urllib3 hide it in args and `reason`."""
    if depth > 8:
        return
    wrapped = [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
    for inner in wrapped:
        if isinstance(inner, BaseException):
            yield from causes(inner, depth + 1)
    yield error


def _explain_one(address: Address, cause: BaseException) -> EngineError | None:
    match cause:
        case ssl.SSLError():
            return _tls(address, cause)
        case socket.gaierror():
            return _dns(address)
        case FileNotFoundError() if address.is_unix:
            return _no_socket(address)
        case PermissionError() if address.is_unix:
            return _permission(address)
        case ConnectionRefusedError():
            return _refused(address)
        case TimeoutError():
            return timed_out(address)
        case APIError():
            return _answered(address, cause)
    return timed_out(address) if "Timeout" in type(cause).__name__ else None


def _no_socket(address: Address) -> EngineError:
    fix = _("Mount it into the container or add a host.")
    found = next((str(path) for path in _usual_sockets() if _is_socket(path) and str(path) != address.path), "")
    if found:
        fix += " " + _("There is one at %(path)s: set DOCKER_HOST=unix://%(path)s.") % {"path": found}
    return EngineError(
        _("Pierwatch found no Docker socket at %(url)s.") % {"url": address.url}, code="no_socket", fix=fix
    )


def _usual_sockets() -> list[Path]:
    """Return where rootless Docker, Docker Desktop, Colima and Podman put their sockets."""
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    try:
        home = Path.home()
    except RuntimeError:  # a uid without an entry in passwd and without HOME, as in a container
        home = Path("/")
    return [
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        home / ".docker/run/docker.sock",
        home / ".docker/desktop/docker.sock",
        home / ".colima/default/docker.sock",
        runtime / "podman/podman.sock",
        Path("/run/podman/podman.sock"),
    ]


def _is_socket(path: Path) -> bool:
    try:
        return path.is_socket()
    except OSError:
        return False


def _permission(address: Address) -> EngineError:
    return EngineError(
        _("Docker refused the connection: permission denied on %(path)s.") % {"path": address.path},
        code="permission",
        fix=_(
            "The process runs as uid %(uid)s, the socket belongs to group %(gid)s. "
            'Add `group_add: ["%(gid)s"]` to the service, or use a socket proxy.'
        )
        % {"uid": os.getuid(), "gid": _group_of(address.path)},
    )


def _group_of(path: str) -> str:
    try:
        return str(Path(path).stat().st_gid)
    except OSError:  # its folder is closed to us as well
        return "?"


def _refused(address: Address) -> EngineError:
    return EngineError(
        _("Nothing answers at %(url)s: the connection was refused.") % {"url": address.url},
        code="refused",
        fix=_("Start the engine there (`systemctl start docker`), or correct the address."),
    )


def _tls(address: Address, cause: ssl.SSLError) -> EngineError:
    reason = getattr(cause, "verify_message", "") or cause.reason or str(cause)
    return EngineError(
        _("The secure connection to %(url)s failed: %(reason)s.") % {"url": address.url, "reason": reason},
        code="tls",
        fix=_(
            "Name the folder with ca.pem, cert.pem and key.pem for this host; "
            "the certificate must carry the host name of the address and be in date."
        ),
    )


def _dns(address: Address) -> EngineError:
    return EngineError(
        _("Name lookup failed for %(host)s.") % {"host": address.host},
        code="dns",
        fix=_("Correct the name in the address, or use the IP address."),
    )


def _answered(address: Address, refusal: APIError) -> EngineError:
    status = refusal.status_code
    if status in (401, 403, 405):
        return EngineError(
            _("%(url)s answered %(status)s: it does not allow this question.") % {"url": address.url, "status": status},
            code="denied",
            fix=_("Let the socket proxy allow GET of: _ping, version, info, containers, images, events."),
        )
    said = " ".join(str(refusal.explanation or "").split())[:200]
    return EngineError(
        _("The engine at %(url)s answered %(status)s: %(said)s") % {"url": address.url, "status": status, "said": said},
        fix=_("Look into the engine's log (`journalctl -u docker`)."),
    )


def _ssh(address: Address, error: BaseException) -> EngineError:
    return EngineError(
        _("The ssh connection to %(url)s failed: %(reason)s") % {"url": address.url, "reason": str(error)[:200]},
        code="ssh",
        fix=_(
            "`ssh HOST docker version` must work without a password for the user who runs Pierwatch, "
            "and Pierwatch needs its ssh part: pip install 'pierwatch[ssh]'."
        ),
    )


def _broken(address: Address, error: BaseException) -> EngineError:
    return EngineError(
        _("The engine at %(url)s gave an answer that makes no sense (%(what)s).")
        % {"url": address.url, "what": type(error).__name__},
        fix=_("Look whether the address leads to a Docker engine: `docker -H %(url)s version`.") % {"url": address.url},
    )
