"""One message of the stream, serialised once by whoever sends it, cut to each reader's wishes where it is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qs

from django.utils.translation import gettext as _

from dashboard.shapes import encode

TYPES = ("hello", "container_stats", "instance", "event", "system_health", "delivery", "resync")
ALWAYS = ("hello", "resync")


@dataclass(frozen=True)
class Wishes:
    """What one reader wants to hear. Empty sets want all."""

    types: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    full: bool = False
    websocket: bool = False

    @classmethod
    def parse(cls, query: str, *, websocket: bool = False) -> Wishes:
        """Read `project=&stage=&types=&full=1`; each may be a comma list or repeat. ValueError names a wrong type."""
        asked = parse_qs(query)
        types = _listed(asked.get("types", []))
        if wrong := sorted(types - set(TYPES)):
            raise ValueError(
                _("types: there is no “%(type)s”. Use any of: %(types)s.")
                % {"type": wrong[0], "types": ", ".join(TYPES)}
            )
        return cls(
            types=types,
            projects=_listed(asked.get("project", [])),
            stages=_listed(asked.get("stage", [])),
            full=asked.get("full", ["0"])[-1] in ("1", "true"),
            websocket=websocket,
        )

    def want(self, type_: str) -> bool:
        return not self.types or type_ in self.types or type_ in ALWAYS

    def cover(self, project: str, stage: str) -> bool:
        """Say whether something of PROJECT and STAGE is wanted; what belongs to no stage always is."""
        if not stage:
            return True
        return (not self.projects or project in self.projects) and (not self.stages or stage in self.stages)


def _listed(values: Iterable[str]) -> frozenset[str]:
    return frozenset(part.strip() for value in values for part in value.split(",") if part.strip())


@dataclass(frozen=True)
class Part:
    """JSON of one stage's share of a message."""

    project: str
    stage: str
    text: str


@dataclass(frozen=True)
class Message:
    """HEAD, the parts that a reader covers joined by commas, TAIL: together the JSON of `data`.

    key: of two messages that wait with the same key only the newer is delivered. number: the id that a reader
    sends back as Last-Event-ID. full: this container_stats carries the whole shape, for readers who asked for it.
    """

    type: str
    parts: list[Part]
    key: str
    head: str = ""
    tail: str = ""
    number: int | None = None
    host: str = ""
    full: bool = False

    @classmethod
    def of(cls, type_: str, shape: Any, *, key: str = "", number: int | None = None) -> Message:
        """Return the message that carries one SHAPE; its project and stage, if any, are its scope."""
        scope = shape if isinstance(shape, Mapping) else {}
        part = Part(scope.get("project") or "", scope.get("stage") or "", encode(shape))
        return cls(type_, [part], key or type_, number=number)

    @classmethod
    def of_stats(
        cls, host: str, sampled_at: str | None, records: Mapping[tuple[str, str], list[Any]], *, full: bool = False
    ) -> Message:
        """Return the snapshot of one HOST from RECORDS by (project, stage)."""
        parts = [Part(project, stage, encode(shapes)[1:-1]) for (project, stage), shapes in records.items()]
        head = f'{{"sampled_at":{encode(sampled_at)},"host":{encode(host)},"stats":['
        return cls("container_stats", parts, f"container_stats:{host}", head, "]}", host=host, full=full)

    def packed(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def unpacked(cls, packed: dict[str, Any]) -> Message:
        return cls(**(packed | {"parts": [Part(**part) for part in packed["parts"]]}))

    def rendered(self, wishes: Wishes) -> bytes | None:
        """Return the frame for a reader with these WISHES; None when there is nothing in it for them."""
        if not wishes.want(self.type) or (self.type == "container_stats" and self.full != wishes.full):
            return None
        wanted = [part.text for part in self.parts if wishes.cover(part.project, part.stage)]
        if self.parts and not wanted:
            return None
        return self._framed(f"{self.head}{','.join(wanted)}{self.tail}", wishes)

    def _framed(self, text: str, wishes: Wishes) -> bytes:
        if wishes.websocket:
            number = f',"id":{self.number}' if self.number is not None else ""
            return f'{{"type":"{self.type}"{number},"data":{text}}}'.encode()
        number = f"id: {self.number}\n" if self.number is not None else ""
        return f"{number}event: {self.type}\ndata: {text}\n\n".encode()


RESYNC = Message.of("resync", {})
