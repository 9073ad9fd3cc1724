"""Read every running container of a host once, keep the figures, announce them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils import timezone

from monitoring import reachability
from monitoring.engine import Engine, EngineError, connect
from monitoring.inventory import reconcile
from monitoring.models import Host, Instance, Latest, Preferences, Sample
from monitoring.rows import HEAVY
from monitoring.signals import samples_taken
from monitoring.stats import Figures, Reading, figures

SECOND_READ_AFTER = 1.0
"""Seconds between the two readings that a first CPU figure needs; engines up to 24 collect once a second."""
LIST_PATIENCE = 25.0
"""Seconds that listing and inspecting may take before a sweep's lease counts as lost."""
FRESH_PATIENCE = 4.0
KEPT = [field.attname for field in Latest._meta.concrete_fields if hasattr(Figures(), field.attname)]

Readings = dict[str, Reading]


@dataclass(slots=True)
class Subject:
    """A running container on its way through a sweep: its row, and what it was measured against."""

    instance: Instance
    before: Reading | None

    @property
    def container_id(self) -> str:
        return self.instance.container_id

    def is_baseline(self, now: Reading) -> bool:
        """Tell whether NOW only starts the counting: first sight, or counters that began anew."""
        if self.before is None or now.cpu_total_ns is None:
            return now.cpu_total_ns is not None
        return now.cpu_total_ns < (self.before.cpu_total_ns or 0)


@dataclass(slots=True)
class Sweep:
    """What one sweep of a host brought."""

    host: Host
    sampled_at: datetime
    latest: list[Latest] = field(default_factory=list)


def sample(host_id: int, pause: float = SECOND_READ_AFTER) -> Sweep | None:
    """Sweep one host: match its rows, read what runs, store, announce. None while another sweep of it is under way.

    pause: seconds between the two readings that a first CPU figure needs.
    Raises EngineError when the engine cannot be used; the host is then marked as not reachable.
    """
    deadline = _deadline_seconds()
    lease = Host.objects.claim_sweep(host_id, LIST_PATIENCE + 2 * deadline)
    if lease is None:
        return None
    try:
        return _sweep(Host.objects.get(pk=host_id), deadline, pause)
    finally:
        Host.objects.release_sweep(host_id, lease)


def fresh(instance: Instance, pause: float = SECOND_READ_AFTER) -> Figures:
    """Read one container now, twice, and return its figures; all are None for one that does not run.

    Takes about one second, at most ten. Nothing is stored. Raises EngineError when the engine cannot be used.
    """
    if not instance.is_live:
        return Figures()
    engine = connect(instance.host.url, instance.host.certificates)
    subject = Subject(instance, None)
    subject.before = engine.read([subject.container_id], FRESH_PATIENCE).get(subject.container_id)
    time.sleep(pause)
    now = engine.read([subject.container_id], FRESH_PATIENCE).get(subject.container_id)
    return _figures(subject, now) if now else Figures()


def _deadline_seconds() -> float:
    """Return how long all reads may take: less than the interval, and enough for engines up to 24."""
    interval: int = Preferences.current().sample_seconds
    return min(max(interval * 0.8, 3.0), 20.0)


def _sweep(host: Host, deadline: float, pause: float) -> Sweep:
    try:
        engine = connect(host.url, host.certificates)
    except EngineError as error:  # an address that leads nowhere
        reachability.failed(host, error)
        raise
    reconcile(host, engine)
    subjects = _subjects(host)
    sweep, started = Sweep(host, timezone.now()), time.monotonic()
    readings = _read(host, engine, subjects, deadline)
    first = [subject for subject in subjects if subject.container_id in readings]
    baselines = [subject for subject in first if subject.is_baseline(readings[subject.container_id])]
    _keep(sweep, first, readings, unfinished=baselines)
    if baselines:
        time.sleep(max(0.0, pause - (time.monotonic() - started)))
        _finish(sweep, engine, baselines, readings, deadline)
    return sweep


def _finish(sweep: Sweep, engine: Engine, baselines: list[Subject], first: Readings, deadline: float) -> None:
    """Read those a second time that have nothing to be measured against: their CPU figure comes now, not next time."""
    for subject in baselines:
        subject.before = first[subject.container_id]
    again = _read(sweep.host, engine, baselines, deadline)
    _keep(sweep, [subject for subject in baselines if subject.container_id in again], again)


def _subjects(host: Host) -> list[Subject]:
    rows = Instance.objects.filter(host=host).live().with_latest().defer(*HEAVY)
    return [Subject(row, _reading_of(row.figures)) for row in rows]


def _reading_of(latest: Latest | None) -> Reading | None:
    """Rebuild the reading that was stored with the newest figures; one of another version counts as none."""
    try:
        return Reading(**latest.counters) if latest else None
    except TypeError:
        return None


def _read(host: Host, engine: Engine, subjects: Iterable[Subject], deadline: float) -> Readings:
    try:
        return engine.read([subject.container_id for subject in subjects], deadline)
    except EngineError as error:
        reachability.failed(host, error)
        raise


def _keep(sweep: Sweep, subjects: list[Subject], readings: Readings, unfinished: Iterable[Subject] = ()) -> None:
    """Store figures and announce them; those still UNFINISHED get no sample before their second reading."""
    sweep.sampled_at = timezone.now()
    waiting = {subject.instance.pk for subject in unfinished}
    found = [(subject, readings[subject.container_id]) for subject in subjects]
    measured = [(subject, now, _figures(subject, now)) for subject, now in found]
    latest = [_latest(subject.instance, now, known, sweep.sampled_at) for subject, now, known in measured]
    newer = {row.instance_id for row in latest}
    sweep.latest = [*(old for old in sweep.latest if old.instance_id not in newer), *latest]
    second = int(sweep.sampled_at.timestamp())
    samples = [_sample(s.instance.pk, second, known) for s, _now, known in measured if s.instance.pk not in waiting]
    with transaction.atomic():
        Latest.objects.store(latest)
        Sample.objects.store(samples)
        Host.objects.filter(pk=sweep.host.pk).update(sampled_at=sweep.sampled_at)
        transaction.on_commit(partial(_announce, sweep.host.pk, sweep.sampled_at, sweep.latest))


def _announce(host_id: int, sampled_at: datetime, latest: list[Latest]) -> None:
    """Tell what was read; an empty list says that the sampler lives."""
    samples_taken.send_robust(sender=Latest, host_id=host_id, sampled_at=sampled_at, latest=latest)


def _figures(subject: Subject, now: Reading) -> Figures:
    return figures(subject.before, now, subject.instance.cpu_limit_cores, subject.instance.host.cpus)


def _latest(instance: Instance, now: Reading, known: Figures, sampled_at: datetime) -> Latest:
    values = {name: getattr(known, name) for name in KEPT}
    return Latest(
        instance=instance,
        container_id=instance.container_id,
        sampled_at=sampled_at,
        counters=asdict(now),
        **values,
    )


def _sample(instance_id: int, second: int, known: Figures) -> Sample:
    return Sample(
        key=Sample.key_of(instance_id, second),
        cpu=_whole(known.cpu_percent, 100),
        cpu_share=_whole(known.cpu_share_percent, 100),
        memory=known.memory_used_bytes,
        network_rx=_whole(known.network_rx_rate),
        network_tx=_whole(known.network_tx_rate),
        block_read=_whole(known.block_read_rate),
        block_write=_whole(known.block_write_rate),
        pids=known.pids,
    )


def _whole(number: float | None, factor: int = 1) -> int | None:
    return None if number is None else round(number * factor)
