"""Find the public addresses that lead to a container, in its labels and environment. Pure; trusts nothing.

Conventions: doc.traefik.io (Docker), github.com/lucaslorentz/caddy-docker-proxy, github.com/nginx-proxy/nginx-proxy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import yaml

from monitoring import traefik
from monitoring.identity import clean

ADDRESSES_OF_A_CONTAINER = 50
VALUE_LENGTH = 4000
OWN_LABEL = "pierwatch.proxy.url"
_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*")
_PATH = re.compile(r"/[!-~]*")
_CADDY_SITE = re.compile(r"caddy(_\d+)?")
_CADDY_DIRECTIVE = re.compile(r"(\d+_)?(reverse_proxy|handle_path|handle|route)(_\d+)?")
_CADDY_UPSTREAMS = re.compile(r"\{\{\s*upstreams(?:\s+(?P<scheme>https?|h2c))?(?:\s+(?P<port>\d+))?\s*\}\}")


@dataclass(frozen=True, slots=True)
class Route:
    """A public address that leads to a container; port: the container's own; source: a ProxySource value."""

    address: str
    port: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Found:
    """Routes, one for an address; warnings: {"label", "value", "problem"} for what cannot be used."""

    routes: tuple[Route, ...]
    warnings: tuple[dict[str, str], ...]


class UnusableError(ValueError):
    """A value that leads to no address: no_host, pattern, template, scheme, too_long, port, rule."""


def find(labels: Mapping[str, str], env: Mapping[str, str], exposed: Sequence[int]) -> Found:
    """Return the routes that LABELS and ENV tell of. exposed: the container's TCP ports.

    Only what names a route is read from the environment, and a warning about it never repeats its value.
    """
    candidates = [*_own(labels), *_traefik(labels), *_caddy(labels), *_nginx(env)]
    warnings: list[dict[str, str]] = []
    routes: dict[str, Route] = {}
    for candidate in candidates[:ADDRESSES_OF_A_CONTAINER]:
        try:
            route = candidate.route(exposed)
        except UnusableError as problem:
            shown = "" if candidate.source == "nginx" else clean(candidate.value, 80)
            warnings.append({"label": clean(candidate.label, 300), "value": shown, "problem": str(problem)})
        else:
            routes.setdefault(route.address, route)
    return Found(_preferring_https(routes), tuple(warnings))


def _preferring_https(routes: Mapping[str, Route]) -> tuple[Route, ...]:
    """Leave out the http twin of an https address: it only redirects there."""
    twins = {f"http{address.removeprefix('https')}" for address in routes if address.startswith("https:")}
    return tuple(
        route for address, route in routes.items() if route.source in ("label", "admin") or address not in twins
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    source: str
    label: str
    value: str
    address: str = ""
    port: str = ""
    problem: str = ""
    default_port: int | None = None

    def route(self, exposed: Sequence[int]) -> Route:
        if self.problem:
            raise UnusableError(self.problem)
        return Route(normal_address(self.address), self._port(sorted(exposed)), self.source)

    def _port(self, exposed: Sequence[int]) -> int | None:
        if self.port:
            return port_number(self.port)
        if self.source == "traefik" and exposed:
            return exposed[0]  # "the first exposed port"
        return exposed[0] if len(exposed) == 1 else self.default_port


def normal_address(address: str) -> str:
    """Return ADDRESS in one way of writing: lower case, ASCII host, no default port; raises UnusableError."""
    if len(address) > 500:
        raise UnusableError("too_long")
    try:
        parts = urlsplit(address.strip())
        port = parts.port
    except ValueError as error:
        raise UnusableError("no_host") from error
    if parts.scheme not in ("http", "https"):
        raise UnusableError("scheme")
    shown_port = "" if port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{_host(parts)}{shown_port}{_path(parts)}"


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if parts.username or parts.password:
        raise UnusableError("credentials")
    if set("*{}~^$\\") & set(host):
        raise UnusableError("pattern")
    if ":" in host:
        return f"[{host}]"
    try:
        name = host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise UnusableError("no_host") from error
    if not _HOST_NAME.fullmatch(name):
        raise UnusableError("no_host")
    return name


def _path(parts: SplitResult) -> str:
    path = parts.path.rstrip("*")
    if (path and not _PATH.fullmatch(path)) or (parts.query and not _PATH.fullmatch(f"/{parts.query}")):
        raise UnusableError("path")
    return ("" if path == "/" else path) + (f"?{parts.query}" if parts.query else "")


def port_number(text: Any) -> int:
    """Return TEXT as a port; raises UnusableError."""
    try:
        number = int(text)
    except (TypeError, ValueError) as error:
        raise UnusableError("port") from error
    if not 0 < number < 65536:
        raise UnusableError("port")
    return number


def _own(labels: Mapping[str, str]) -> Iterator[_Candidate]:
    value = labels.get(OWN_LABEL, "")
    for address in re.split(r"[\s,]+", value[:VALUE_LENGTH]):
        if address:
            yield _Candidate("label", OWN_LABEL, address, address)


def _traefik(labels: Mapping[str, str]) -> Iterator[_Candidate]:
    for router in traefik.routers(labels):
        scheme = "https" if router.secure else "http"
        try:
            for place in traefik.places(router.rule):
                address = f"{scheme}://{place.host}{place.path}"
                yield _Candidate("traefik", router.label, router.rule, address, router.port)
        except (traefik.BadRuleError, traefik.PatternRuleError) as error:
            problem = "pattern" if isinstance(error, traefik.PatternRuleError) else "rule"
            yield _Candidate("traefik", router.label, router.rule, problem=problem)


def _caddy(labels: Mapping[str, str]) -> Iterator[_Candidate]:
    for site in sorted(name for name in labels if _CADDY_SITE.fullmatch(name)):
        proxied = list(_caddy_proxied(site, labels))
        value = labels[site][:VALUE_LENGTH].strip()
        if not value or value.startswith("(") or not proxied:  # options, a snippet, or a site without an upstream
            continue
        for address in re.split(r"[\s,]+", value):
            for path, port in proxied if address else ():
                if "{" in address:
                    yield _Candidate("caddy", site, value, problem="template")
                elif not address.startswith(":"):
                    yield _Candidate("caddy", site, value, _caddy_address(address) + path, port, default_port=80)


def _caddy_proxied(site: str, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (path, port) of each reverse_proxy directive of SITE; the path comes from its matcher or its parents'."""
    for name, value in sorted(labels.items()):
        parts = name.removeprefix(f"{site}.").split(".")
        directives = [match[2] for part in parts if (match := _CADDY_DIRECTIVE.fullmatch(part))]
        if not name.startswith(f"{site}.") or len(directives) != len(parts) or directives[-1] != "reverse_proxy":
            continue
        parents = [labels.get(".".join([site, *parts[:depth]]), "") for depth in range(len(parts), 0, -1)]
        paths = [words[0] for parent in parents if (words := parent.split()) and words[0].startswith("/")]
        yield (paths[0].rstrip("*") if paths else "", _caddy_port(value))


def _caddy_port(value: str) -> str:
    upstreams = _CADDY_UPSTREAMS.search(value)
    if upstreams:
        return upstreams["port"] or ("443" if upstreams["scheme"] == "https" else "")
    fixed = re.search(r":(\d+)\s*$", value)
    return fixed[1] if fixed else ""


def _caddy_address(address: str) -> str:
    """Give ADDRESS the scheme that Caddy gives it: https, but for port 80 (caddyserver.com, automatic HTTPS)."""
    if "://" in address:
        return address
    return f"http://{address}" if re.search(r":80(/|$)", address) else f"https://{address}"


def _nginx(env: Mapping[str, str]) -> Iterator[_Candidate]:
    several = env.get("VIRTUAL_HOST_MULTIPORTS", "")
    if several:
        yield from _nginx_multiports(several, env)
        return
    for host in _comma_list(env.get("VIRTUAL_HOST", "")):
        path, port = env.get("VIRTUAL_PATH", ""), env.get("VIRTUAL_PORT", "")
        yield _nginx_candidate("VIRTUAL_HOST", host, path, port, env)


def _nginx_multiports(text: str, env: Mapping[str, str]) -> Iterator[_Candidate]:
    label = "VIRTUAL_HOST_MULTIPORTS"
    try:
        hosts = yaml.safe_load(text[:VALUE_LENGTH])
    except (yaml.YAMLError, RecursionError, ValueError):
        hosts = None
    if not isinstance(hosts, dict):
        yield _Candidate("nginx", label, "", problem="rule")
        return
    for host, paths in hosts.items():
        for path, options in (paths if isinstance(paths, dict) and paths else {"/": None}).items():
            port = options.get("port", "") if isinstance(options, dict) else ""
            yield _nginx_candidate(label, str(host), str(path), str(port), env)


def _nginx_candidate(label: str, host: str, path: str, port: str, env: Mapping[str, str]) -> _Candidate:
    pattern = host.startswith("~") or path.startswith("~")
    scheme = "https" if _nginx_has_certificate(host, env) else "http"
    address = f"{scheme}://{host}{path}"
    return _Candidate("nginx", label, "", address, port, "pattern" if pattern else "", default_port=80)


def _nginx_has_certificate(host: str, env: Mapping[str, str]) -> bool:
    """Tell whether the container asks for a certificate: acme-companion's LETSENCRYPT_HOST, or a named one."""
    wanted = [*_comma_list(env.get("LETSENCRYPT_HOST", "")), *_comma_list(env.get("ACME_HOST", ""))]
    return host in wanted or bool(env.get("CERT_NAME"))


def _comma_list(text: str) -> Iterable[str]:
    return [part.strip() for part in text[:VALUE_LENGTH].split(",") if part.strip()]
