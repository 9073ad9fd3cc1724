"""Which instances a dashboard address asks for, in which order and shape: all of it lives in the URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, fields, replace
from urllib.parse import urlencode

from django.http import QueryDict

from dashboard.cards import GROUPINGS, Card
from monitoring.models.instance import DisplayState

STATES: dict[str, Callable[[Card], bool]] = {
    "running": lambda card: card.running,
    "unhealthy": lambda card: card.badge == DisplayState.UNHEALTHY,
    "restarting": lambda card: card.badge == DisplayState.RESTARTING,
    "stopped": lambda card: card.stopped or card.badge == DisplayState.CREATED,
    "paused": lambda card: card.badge == DisplayState.PAUSED,
    "unknown": lambda card: card.badge == DisplayState.UNKNOWN,
    "stale": lambda card: card.instance.stale,
}
TONES = ("crit", "warn", "idle", "ok")
SORTS: dict[str, Callable[[Card], tuple[float, str]]] = {
    "problems": lambda card: (TONES.index(card.badge.tone), card.name),
    "name": lambda card: (0, card.name),
    "cpu": lambda card: (-(card.cpu if card.cpu is not None else -1), card.name),
    "memory": lambda card: (-(card.memory if card.memory is not None else -1), card.name),
}
VIEWS = ("cards", "rows", "tiles")
WORDS: dict[str, Callable[[Card], str]] = {
    "host": lambda card: card.host,
    "project": lambda card: card.project,
    "stage": lambda card: card.stage,
    "image": lambda card: card.instance.image,
    "name": lambda card: card.name,
}
AMOUNTS: dict[str, Callable[[Card], float | None]] = {
    "cpu": lambda card: card.cpu,
    "memory": lambda card: card.memory_percent,
}
AMOUNT = re.compile(r"([<>])(\d+(?:\.\d+)?)%?")


@dataclass(frozen=True, slots=True)
class Selection:
    """The parameters of the dashboard. `q` is words that must all occur, or `host:nas`, `cpu:>80`, `-stage:prod`."""

    state: str = ""
    host: str = ""
    project: str = ""
    stage: str = ""
    q: str = ""
    sort: str = "problems"
    group: str = ""
    view: str = ""

    @classmethod
    def asked(cls, query: QueryDict) -> Selection:
        """Return what QUERY asks for; a value that does not exist counts as not given."""
        known: dict[str, Collection[str]] = {"state": STATES, "sort": SORTS, "group": GROUPINGS, "view": VIEWS}
        given = {field.name: query.get(field.name, "").strip() for field in fields(cls)}
        return cls(**{name: value for name, value in given.items() if value and value in known.get(name, [value])})

    @property
    def narrowed(self) -> bool:
        return bool(self.state or self.host or self.project or self.stage or self.q)

    def __str__(self) -> str:
        parts = [f"{name}:{getattr(self, name)}" for name in ("state", "host", "project", "stage")]
        return " ".join([part for part in parts if not part.endswith(":")] + [self.q]).strip()

    def address(self, **changes: str) -> str:
        """Return the query string of this selection with CHANGES; defaults are left out."""
        changed = replace(self, **changes)
        given = {field.name: getattr(changed, field.name) for field in fields(self)}
        return "?" + urlencode({name: value for name, value in given.items() if value and value != _default(name)})

    def matching(self, cards: Iterable[Card]) -> list[Card]:
        """Return the cards that this selection shows, whatever their state, in its order."""
        found = [card for card in cards if self._places(card) and all(_says(card, word) for word in self.q.split())]
        return sorted(found, key=SORTS[self.sort])

    def in_state(self, cards: Iterable[Card]) -> list[Card]:
        return [card for card in cards if not self.state or STATES[self.state](card)]

    def shape(self, count: int) -> Selection:
        """Return this selection with view and grouping filled in: the more instances, the denser."""
        dense = "cards" if count <= 60 else "rows" if count <= 300 else "tiles"
        together = "project" if count <= 24 else "stage"
        return replace(self, view=self.view or dense, group=self.group or together)

    def _places(self, card: Card) -> bool:
        return all(getattr(self, name) in ("", getattr(card, name)) for name in ("host", "project", "stage"))


def _default(name: str) -> str:
    return str(Selection.__dataclass_fields__[name].default)


def _says(card: Card, word: str) -> bool:
    """Tell whether CARD answers to one WORD of a search; a word with an unknown key is searched as text."""
    if word.startswith("-") and len(word) > 1:
        return not _says(card, word[1:])
    key, _colon, value = word.partition(":")
    if key == "state" and value in STATES:
        return STATES[value](card)
    if key in WORDS and value:
        return value.casefold() in WORDS[key](card).casefold()
    if key in AMOUNTS and (bound := AMOUNT.fullmatch(value)):
        return _beyond(AMOUNTS[key](card), bound[1], float(bound[2]))
    return word.casefold() in " ".join(get(card) for get in WORDS.values()).casefold()


def _beyond(amount: float | None, sign: str, bound: float) -> bool:
    if amount is None:
        return False
    return amount > bound if sign == ">" else amount < bound
