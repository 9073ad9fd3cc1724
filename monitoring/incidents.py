"""From the deaths and health of containers to events: one incident is one event, and its end is told once.

Deaths come from the engine's events (exits.py judged them); health and recovery from comparing rows, so that nothing
depends on an event that was missed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from monitoring import exits
from monitoring.deployments import absorb_instance
from monitoring.exits import Death, ExitClass
from monitoring.models import Event, EventKind, Health, Host, Instance, State
from monitoring.models.proxy import ProxySource

DEATHS_KEPT = 10
SINGLE = (EventKind.CONTAINER_CRASHED, EventKind.CONTAINER_OOM_KILLED)
FATAL = (*SINGLE, EventKind.CONTAINER_CRASH_LOOP)
Dead = tuple[Instance, Death]


def tell_deaths(host: Host, deaths: Sequence[Death], now: datetime | None = None) -> None:
    """Record what these deaths on HOST mean. Each is told once, whoever else saw it and however often.

    Give all that were judged at one moment in one call: many at once are the host's trouble, not theirs.
    """
    now = now or timezone.now()
    bad = {death.container_id: death for death in deaths if death.exit_class.is_bad}
    with transaction.atomic():
        rows = Instance.objects.filter(host=host, container_id__in=bad).select_related("host", "stage__project")
        dead = [(row, bad[row.container_id]) for row in rows]
        dead = [(row, death) for row, death in dead if _first_to_tell(row, death)]
        if dead and _is_mass_death(host, dead, now):
            _tell_mass_death(host, dead, now)
            return
        for row, death in dead:
            _tell_death(row, death, now)


def _first_to_tell(row: Instance, death: Death) -> bool:
    unknown = Q(died_ns=None) | Q(died_ns__lt=death.at_ns)
    return bool(Instance.objects.filter(unknown, pk=row.pk).update(died_ns=death.at_ns))


def _tell_death(row: Instance, death: Death, now: datetime) -> None:
    parameters: dict[str, Any] = {"exit_code": death.exit_code, "exit_class": death.exit_class.value}
    if absorb_instance(row, {"cause": death.exit_class.value, **parameters}, now):
        return
    at = min(_moment(death), now)
    key = Event.key_of(row)
    opened = list(Event.objects.open().filter(kind__in=FATAL, key=key))
    deaths_at = sorted({*(text for event in opened for text in event.parameters.get("deaths_at", [])), at.isoformat()})
    parameters["deaths_at"] = deaths_at[-DEATHS_KEPT:]
    links = {"subject": row.name, "key": key, "at": at, **_links(row)}
    looping = any(event.kind == EventKind.CONTAINER_CRASH_LOOP for event in opened)
    if looping or exits.is_crash_loop(map(datetime.fromisoformat, deaths_at)):
        earlier = 0 if looping else sum(event.count for event in opened)
        Event.objects.resolve(SINGLE, key, at)
        Event.objects.record(EventKind.CONTAINER_CRASH_LOOP, times=1 + earlier, parameters=parameters, **links)
    else:
        kind = EventKind.CONTAINER_OOM_KILLED if death.exit_class is ExitClass.OOM else EventKind.CONTAINER_CRASHED
        limit = {"memory_limit_bytes": row.memory_limit_bytes} if row.memory_limit_bytes else {}
        Event.objects.record(kind, parameters=parameters | limit, **links)


def _moment(death: Death) -> datetime:
    return datetime.fromtimestamp(death.at_ns / exits.SECOND, UTC)


def _links(row: Instance) -> dict[str, Any]:
    return {"instance": row, "host": row.host, "stage": row.stage}


def _is_mass_death(host: Host, dead: Sequence[Dead], now: datetime) -> bool:
    """Count the containers of the host that died within 10 s: those of now, and those told a moment ago."""
    since = now - timedelta(seconds=exits.MASS_SECONDS)
    told = Event.objects.open().filter(host=host, kind__in=FATAL, last_at__gte=since).exclude(instance=None)
    died = {row.pk for row, _death in dead} | set(told.values_list("instance_id", flat=True))
    alive = Instance.objects.filter(host=host).live().exclude(pk__in=died).count()
    return exits.is_mass_death(len(died), alive + len(died)) or _mass_death_goes_on(host, now)


def _mass_death_goes_on(host: Host, now: datetime) -> bool:
    since = now - timedelta(seconds=exits.MASS_SECONDS)
    return Event.objects.open().filter(key=_mass_key(host), last_at__gte=since).exists()


def _mass_key(host: Host) -> str:
    return f"{Event.key_of(host)}:deaths"


def _tell_mass_death(host: Host, dead: Sequence[Dead], now: datetime) -> None:
    """Tell it once for the host; those that were told one by one a moment ago are part of it."""
    since = now - timedelta(seconds=exits.MASS_SECONDS)
    part = Event.objects.open().filter(host=host, kind__in=SINGLE, last_at__gte=since)
    folded = part.update(resolved_at=now)
    known = Event.objects.open().filter(key=_mass_key(host)).first()
    deaths = len(dead) + folded + (known.parameters.get("deaths", 0) if known else 0)
    containers = Instance.objects.filter(host=host).present().count()
    Event.objects.record(
        EventKind.HOST_UNREACHABLE,
        subject=host.name,
        key=_mass_key(host),
        at=now,
        parameters={"reason": "mass_death", "deaths": deaths, "containers": max(containers, deaths)},
        host=host,
    )


def tell_restarts(row: Instance, before: int, now: datetime | None = None) -> None:
    """Record a crash loop that RestartCount shows, for deaths whose events nobody saw. before: the count until now."""
    now = now or timezone.now()
    if not exits.restarts_show_a_loop(before, row.restarts):
        return
    finding = {"cause": "crash_loop", "exit_code": row.exit_code, "exit_class": "oom" if row.oom_killed else "crash"}
    key = Event.key_of(row)
    if Event.objects.open().filter(kind=EventKind.CONTAINER_CRASH_LOOP, key=key).exists():
        return
    if absorb_instance(row, finding, now):
        return
    Event.objects.resolve(SINGLE, key, now)
    Event.objects.record(
        EventKind.CONTAINER_CRASH_LOOP,
        subject=row.name,
        key=key,
        at=now,
        times=row.restarts - before,
        parameters={name: finding[name] for name in ("exit_code", "exit_class")},
        **_links(row),
    )


def observe(instance_ids: Collection[int], now: datetime | None = None) -> None:
    """Tell who became unhealthy and who is well again, by what was told before. Two queries when nobody."""
    now = now or timezone.now()
    keys = [f"instance:{pk}" for pk in instance_ids]
    told = Event.objects.open().filter(kind=EventKind.CONTAINER_UNHEALTHY, key__in=keys)
    known = set(told.values_list("instance_id", flat=True))
    changed = Q(health=Health.UNHEALTHY) & ~Q(pk__in=known) | Q(health=Health.HEALTHY, pk__in=known)
    rows = Instance.objects.filter(changed, pk__in=instance_ids, state=State.RUNNING)
    for row in rows.select_related("host", "stage__project"):
        _tell_health(row, now)


def _tell_health(row: Instance, now: datetime) -> None:
    told = {"subject": row.name, "key": Event.key_of(row), "at": now, **_links(row)}
    if row.health == Health.HEALTHY:
        _recover_health(told, now)
    elif not absorb_instance(row, {"cause": "unhealthy"}, now):
        Event.objects.record(EventKind.CONTAINER_UNHEALTHY, **told)


def _recover_health(told: dict[str, Any], now: datetime) -> None:
    """A container that also crashes is not well yet: its recovery is told when that has ended."""
    if Event.objects.open().filter(kind__in=FATAL, key=told["key"]).exists():
        Event.objects.resolve([EventKind.CONTAINER_UNHEALTHY], told["key"], now)
    else:
        Event.objects.recover(EventKind.CONTAINER_RECOVERED, **told)


def close_ended(now: datetime | None = None) -> None:
    """Tell which containers have settled after a crash, and close without a word what nobody can wait for any more."""
    now = now or timezone.now()
    crashed = Event.objects.open().filter(kind__in=FATAL, instance__state=State.RUNNING)
    for event in crashed.select_related("instance__host", "instance__stage__project"):
        _recover_settled(event, now)
    gone = Q(kind__in=EventKind.CONTAINER_RECOVERED.resolves, instance__state=State.REMOVED)
    unrouted = Q(kind=EventKind.PROXY_UNHEALTHY, proxy__instance__state=State.REMOVED)
    unrouted &= ~Q(proxy__source=ProxySource.ADMIN)
    over = Q(key__endswith=":deaths", last_at__lte=now - exits.LOOP_ENDS_AFTER)
    ended = Event.objects.open().filter(gone | unrouted | over)
    Event.objects.filter(pk__in=list(ended.values_list("pk", flat=True))).update(resolved_at=now)


def _recover_settled(event: Event, now: datetime) -> None:
    row = event.instance
    if row is None or row.host.unreachable_since:
        return
    if exits.has_settled(state=row.state, health=row.health, started_at=row.started_at, now=now):
        deaths = {"deaths": event.count}
        told = {"subject": row.name, "key": event.key, "at": now, **_links(row)}
        Event.objects.recover(EventKind.CONTAINER_RECOVERED, parameters=deaths, **told)
