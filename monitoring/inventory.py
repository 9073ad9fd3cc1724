"""Make our rows of a host's containers match what its engine reports: level-triggered, by one list call.

The comparison is the truth; whoever thinks that something changed may call `reconcile` at any time, from any
process: of several that saw the same change exactly one writes it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from monitoring import deployments, incidents, reachability, routes
from monitoring.engine import Container, Engine, EngineError
from monitoring.identity import Rules, clean
from monitoring.inspecting import inspect_all
from monitoring.models import Host, Instance, Preferences, Proxy, Stage, StageMapping, State
from monitoring.models.writing import update
from monitoring.rows import COMPARED, HEAVY, WRITTEN, fill_from_inspection, fill_from_list, note_life, snapshot
from monitoring.signals import instances_changed
from monitoring.slots import Seat, age_seconds, seat

log = logging.getLogger(__name__)
FACTS_EVERY = RECENT_SWEEP = timedelta(minutes=5)
HOST_FACTS = [
    *("facts_at", "engine_id", "engine_version", "api_version", "operating_system"),
    *("cgroup_version", "cpus", "memory_bytes"),
]
ATTEMPTS = 3


@dataclass(slots=True)
class Draft:
    """A row on its way: the slot as we know it (no pk yet when new), who sits there, and what it was before."""

    instance: Instance
    seat: Seat
    before: tuple[Any, ...] = ()
    was_live: bool = False
    routes: tuple[routes.Route, ...] | None = None

    @property
    def is_new(self) -> bool:
        return self.instance.pk is None

    @property
    def is_changed(self) -> bool:
        return self.is_new or snapshot(self.instance) != self.before or self._moves

    @property
    def restarts_before(self) -> int:
        """Return RestartCount as we knew it; the present one for a container that we did not know."""
        was = dict(zip(COMPARED, self.before, strict=False))
        same = not self.is_new and was["container_id"] == self.instance.container_id
        return int(was["restarts"]) if same else self.instance.restarts

    @property
    def _moves(self) -> bool:
        stage, who = self.instance.stage, self.seat.identity
        return (stage.project.slug, stage.slug) != (who.project, who.stage)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reconciliation wrote: ids of instances."""

    added: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        return [*self.added, *self.changed, *self.removed]


def reconcile(host: Host, engine: Engine, suspects: Collection[str] = ()) -> Changes:
    """Make the rows of HOST match ENGINE and return what changed; `instances_changed` follows the commit.

    suspects: ids of containers to inspect although the list shows no change, such as those an engine event named.
    Raises EngineError when the engine cannot be used; the host is then marked as not reachable.
    """
    for _race in range(ATTEMPTS):
        changes = _attempt(host, engine, suspects)
        if changes is not None:
            return changes
    return Changes()  # others wrote three times since we began: what they saw is newer than what we would write


def _attempt(host: Host, engine: Engine, suspects: Collection[str]) -> Changes | None:
    version = Host.objects.values_list("inventory_version", flat=True).get(pk=host.pk)
    seats = _listed_seats(host, engine)
    now = timezone.now()
    known = _known_rows(host, seats)
    drafts = [_draft(host, known.get(slot), taken) for slot, taken in seats.items()]
    gone = [row for slot, row in known.items() if slot not in seats and row.state != State.REMOVED]
    _inspect(engine, drafts, set(suspects), now)
    changed = [draft for draft in drafts if draft.is_changed]
    if not changed and not gone:
        return Changes()
    return _write(host, version, changed, gone, now)


def _listed_seats(host: Host, engine: Engine) -> dict[str, Seat]:
    """Ask the engine for its containers, and find out who they are."""
    try:
        containers = engine.containers()
    except EngineError as error:
        reachability.failed(host, error)
        raise
    is_back = reachability.answered(host)
    _refresh_facts(host, engine, now=timezone.now(), is_back=is_back)
    mappings = StageMapping.objects.values_list("found_project", "project", "stage")
    rules = Rules({found: (project, stage) for found, project, stage in mappings}, host.default_stage)
    return seat(containers, rules, timezone.now())


def _known_rows(host: Host, seats: dict[str, Seat]) -> dict[str, Instance]:
    """Return our rows by slot: those in use, and the empty ones that are taken again."""
    rows = Instance.objects.filter(host=host).select_related("stage__project").defer(*HEAVY)
    known = {row.slot: row for row in rows.exclude(state=State.REMOVED)}
    unknown = [slot for slot in seats if slot not in known]
    return known | {row.slot: row for row in rows.filter(slot__in=unknown)} if unknown else known


def _draft(host: Host, row: Instance | None, taken: Seat) -> Draft:
    if row is None:
        row = Instance(host=host, slot=taken.identity.slot, inspected_at=None)
    draft = Draft(row, taken, snapshot(row), was_live=row.is_live)
    fill_from_list(row, taken)
    return draft


def _inspect(engine: Engine, drafts: list[Draft], suspects: set[str], now: datetime) -> None:
    """Ask for all about the containers that are new, changed, suspected, or began or ended since the last sweep."""
    recent = Preferences.current().sample_seconds * 1.5 + 5
    wanted = {draft.seat.listed.id: draft for draft in drafts if _must_ask(draft, suspects, recent)}
    answers = inspect_all(engine, wanted)
    for container_id, draft in wanted.items():
        draft.instance.inspected_at = None  # until the engine answers, to be asked again
        if container_id in answers:
            fill_from_inspection(draft.instance, answers[container_id], now)
            _find_routes(draft, answers[container_id])
    for draft in drafts:
        note_life(draft.instance, was_live=draft.was_live, now=now)


def _find_routes(draft: Draft, found: Container) -> None:
    """Read the routes now: the environment is not kept."""
    exposed = [port["container"] for port in found.ports if port["protocol"] == "tcp"]
    told = routes.find(found.labels, found.env, exposed)
    draft.routes = told.routes
    draft.instance.warnings = [*draft.seat.identity.warnings, *told.warnings]


def _must_ask(draft: Draft, suspects: set[str], recent: float) -> bool:
    """A restart within one state shows in the list by its age alone."""
    row, listed = draft.instance, draft.seat.listed
    age = age_seconds(listed.status)
    is_recent = age is not None and age <= recent
    return row.inspected_at is None or listed.id in suspects or is_recent or snapshot(row) != draft.before


def _write(host: Host, version: int, changed: list[Draft], gone: list[Instance], now: datetime) -> Changes | None:
    """Write all in one short transaction; None when another wrote since VERSION, so that ours may be old."""
    with transaction.atomic():
        if not Host.objects.claim_inventory(host.pk, version):
            return None
        _place(changed)
        old = [draft.instance for draft in changed if not draft.is_new]
        new = Instance.objects.bulk_create([draft.instance for draft in changed if draft.is_new])
        _update(old)
        Instance.objects.filter(pk__in=[row.pk for row in gone]).mark_removed(now)
        changes = Changes([row.pk for row in new], [row.pk for row in old], [row.pk for row in gone])
        _draw_conclusions(host, changed, changes, now)
        transaction.on_commit(partial(_announce, host.pk, changes.ids))
    return changes


def _draw_conclusions(host: Host, changed: list[Draft], changes: Changes, now: datetime) -> None:
    """Commit what the changes mean together with them: routes, deployments, health, loops that nobody saw."""
    Proxy.objects.reconcile_all((draft.instance, draft.routes) for draft in changed if draft.routes is not None)
    present = [*changes.added, *changes.changed]
    deployments.observe(present, now)
    incidents.observe(present, now)
    if host.sampled_at and now - host.sampled_at < RECENT_SWEEP:
        for draft in changed:
            incidents.tell_restarts(draft.instance, draft.restarts_before, now)


def _announce(host_id: int, instance_ids: list[int]) -> None:
    instances_changed.send_robust(sender=Instance, host_id=host_id, instance_ids=instance_ids)


def _place(drafts: list[Draft]) -> None:
    """Give each row its stage; projects and stages that are new are made."""
    identities = [draft.seat.identity for draft in drafts]
    stages = Stage.objects.place({(who.project, who.stage): who.project_name for who in identities})
    for draft, who in zip(drafts, identities, strict=True):
        draft.instance.stage = stages[who.project, who.stage]


def _update(rows: list[Instance]) -> None:
    """Write the columns that are ours; the heavy ones where they were taken over from the engine."""
    by_columns: dict[tuple[str, ...], list[Instance]] = {}
    for row in rows:
        unread = row.get_deferred_fields()
        by_columns.setdefault(tuple(name for name in WRITTEN if name not in unread), []).append(row)
    for columns, these in by_columns.items():
        fields = [Instance._meta.get_field(name) for name in (*columns, "id")]
        update(Instance, columns, [tuple(_prepared(field, row) for field in fields) for row in these])


def _prepared(field: Any, row: Instance) -> Any:
    return field.get_db_prep_save(getattr(row, field.attname), connection)


def _refresh_facts(host: Host, engine: Engine, *, now: datetime, is_back: bool) -> None:
    """Ask the engine about itself on first contact, after an outage, and now and then: it may have been swapped."""
    if host.facts_at and now - host.facts_at < FACTS_EVERY and not is_back:
        return
    host.facts_at = now
    try:
        facts = engine.facts()
        host.engine_id, host.engine_version = clean(facts.engine_id, 100), clean(facts.version, 60)
        host.api_version, host.operating_system = clean(facts.api_version, 20), clean(facts.operating_system, 100)
        host.cgroup_version, host.cpus, host.memory_bytes = (
            clean(facts.cgroup_version, 5),
            facts.cpus,
            facts.memory_bytes,
        )
    except EngineError as error:  # it has just listed its containers: a socket proxy may refuse the rest
        log.warning("Host %s does not describe itself: %s", host.name, error)
    host.save(update_fields=HOST_FACTS)
