"""The only door to Docker: list, inspect and read containers; frozen dataclasses out, EngineError when it fails.

    engine = connect("unix:///var/run/docker.sock")
    running = [listed.id for listed in engine.containers() if listed.state == "running"]
    readings = engine.read(running, deadline_seconds=20)

Only GETs, and only of _ping, version, info, containers/json, containers/{id}/json, containers/{id}/stats,
images/{id}/json, events: everything works behind a socket proxy that allows just those.
"""

from __future__ import annotations

import os
import threading

from django.utils.translation import gettext as _

from monitoring.engine.address import parse
from monitoring.engine.engine import Engine
from monitoring.engine.errors import EngineError, NoSuchContainer
from monitoring.engine.inspected import Container, Mount
from monitoring.engine.listed import EngineFacts, Listed, Port

__all__ = ["Container", "Engine", "EngineError", "EngineFacts", "Listed", "Mount", "NoSuchContainer", "Port", "connect"]

_engines: dict[tuple[str, str], Engine] = {}
_lock = threading.Lock()


def connect(url: str, certificates: str = "") -> Engine:
    """Return this process's Engine for an address, without asking it anything yet. Thread-safe.

    `certificates` is a folder with ca.pem, cert.pem and key.pem, for tcp with TLS. Raises EngineError (code
    "address") for an address that leads nowhere.
    """
    with _lock:
        engine = _engines.get((url, certificates))
        if engine is None:
            engine = _engines[url, certificates] = _open(url, certificates)
        return engine


def _open(url: str, certificates: str) -> Engine:
    try:
        return Engine(parse(url, certificates))
    except ValueError as error:
        raise EngineError(
            _("%(url)s is not the address of an engine.") % {"url": url or '""'},
            code="address",
            fix=_("Use unix:///var/run/docker.sock, tcp://10.0.0.7:2376 or ssh://user@nas."),
        ) from error


# a forked worker must not share its parent's connections
os.register_at_fork(after_in_child=_engines.clear)
