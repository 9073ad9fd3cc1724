"""Read the routers in Traefik labels (doc.traefik.io: Docker routing, rules and priorities; v2 and v3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product

PREFIX = "traefik.http."
RULE_LENGTH, ALTERNATIVES, NESTING = 2000, 50, 20
_TOKEN = re.compile(r'\s*(\|\||&&|!|\(|\)|,|`[^`]*`|"(?:[^"\\]|\\.)*"|[A-Za-z]+)')
_SECURE = re.compile(r"secure|https|ssl|tls|443", re.IGNORECASE)


class BadRuleError(ValueError):
    """A rule that Traefik would not read either."""


class PatternRuleError(ValueError):
    """A rule that names its hosts by a pattern: nobody can tell an address from it."""


@dataclass(frozen=True, slots=True)
class Place:
    """One host and path that a rule matches; "" for any."""

    host: str = ""
    path: str = ""
    pattern: bool = False

    def narrowed(self, other: Place) -> Place:
        return Place(self.host or other.host, self.path or other.path, self.pattern or other.pattern)


@dataclass(frozen=True, slots=True)
class Router:
    label: str
    rule: str
    secure: bool
    port: str = ""


def routers(labels: Mapping[str, str]) -> list[Router]:
    """Return the HTTP routers that LABELS define; option names are read in any case, as Traefik does."""
    options = {name.lower(): value.strip() for name, value in labels.items() if name.lower().startswith("traefik.")}
    if options.get("traefik.enable", "").lower() == "false":
        return []
    names = [name for name in options if re.fullmatch(rf"{PREFIX}routers\.[^.]+\.rule", name)]
    return [_router(name, options) for name in sorted(names)]


def _router(rule: str, options: Mapping[str, str]) -> Router:
    prefix = rule.removesuffix("rule")
    tls = options.get(f"{prefix}tls", "").lower()
    secure = tls == "true" or any(name.startswith(f"{prefix}tls.") for name in options)
    entrypoints = options.get(f"{prefix}entrypoints", "")
    return Router(
        label=rule,
        rule=options[rule],
        secure=tls != "false" and (secure or bool(_SECURE.search(entrypoints))),
        port=_port(options.get(f"{prefix}service", ""), options),
    )


def _port(service: str, options: Mapping[str, str]) -> str:
    """Return the port of the router's service; without a name there, that of the only service of the container."""
    found = {
        name.split(".")[3]: value
        for name, value in options.items()
        if re.fullmatch(rf"{PREFIX}services\.[^.]+\.loadbalancer\.server\.port", name)
    }
    if service:
        return found.get(service.lower().partition("@")[0], "")
    return next(iter(found.values())) if len(found) == 1 else ""


def places(rule: str) -> list[Place]:
    """Return the hosts and paths that RULE matches; raises BadRuleError, PatternRuleError.

    Matchers of other things (methods, headers, addresses) and what is negated say nothing about where to look.
    """
    found = _Reader(rule).places()
    hosts = [place for place in found if place.host and not place.pattern]
    if not hosts and any(place.pattern for place in found):
        raise PatternRuleError(rule)
    return hosts


@dataclass
class _Reader:
    """Recursive descent over ||, && and !, in that order of strength; bounded, for anybody may write labels."""

    rule: str
    tokens: list[str] = field(default_factory=list)
    depth: int = 0

    def places(self) -> list[Place]:
        self.tokens = list(_tokens(self.rule))[::-1]
        found = self._either()
        if self.tokens:
            raise BadRuleError(self.rule)
        return found

    def _either(self) -> list[Place]:
        found = self._both()
        while self._next_is("||"):
            found += self._both()
        return found[:ALTERNATIVES]

    def _both(self) -> list[Place]:
        found = self._one()
        while self._next_is("&&"):
            pairs = list(product(found, self._one()))
            found = [one.narrowed(other) for one, other in pairs[:ALTERNATIVES]]
        return found

    def _one(self) -> list[Place]:
        if self._next_is("!"):
            self._nested(self._one)
            return [Place()]
        if self._next_is("("):
            found = self._nested(self._either)
            self._expect(")")
            return found
        return self._matcher()

    def _nested(self, read: object) -> list[Place]:
        self.depth += 1
        if self.depth > NESTING or not callable(read):
            raise BadRuleError(self.rule)
        found: list[Place] = read()
        self.depth -= 1
        return found

    def _matcher(self) -> list[Place]:
        name = self._pop().lower()
        self._expect("(")
        values = [self._value()]
        while self._next_is(","):
            values.append(self._value())
        self._expect(")")
        return [_place(name, value) for value in values[:ALTERNATIVES]]

    def _value(self) -> str:
        quoted = self._pop()
        if quoted[0] not in '`"':
            raise BadRuleError(self.rule)
        return quoted[1:-1].replace('\\"', '"')

    def _next_is(self, token: str) -> bool:
        if self.tokens and self.tokens[-1] == token:
            self.tokens.pop()
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._next_is(token):
            raise BadRuleError(self.rule)

    def _pop(self) -> str:
        if not self.tokens:
            raise BadRuleError(self.rule)
        return self.tokens.pop()


def _tokens(rule: str) -> Iterator[str]:
    position, text = 0, rule.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match or len(text) > RULE_LENGTH:
            raise BadRuleError(rule)
        yield match[1]
        position = match.end()


def _place(matcher: str, value: str) -> Place:
    if matcher == "host":
        return Place(host=value, pattern="*" in value)
    if matcher in ("path", "pathprefix"):
        return Place(path=value.partition("{")[0])  # v2 allows patterns in braces
    return Place(pattern=matcher == "hostregexp")
