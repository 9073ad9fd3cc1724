"""A made-up fleet for page tests and screenshots: seeded, written in bulk, as large as asked for."""

from __future__ import annotations

import random
from datetime import timedelta

from django.utils import timezone

from monitoring.models import Event, EventKind, Health, Host, Instance, Latest, Project, Stage, State
from notifications.models import Attempt, Delivery, Destination, Status

PROJECTS = ("auth", "blog", "ci", "media", "metrics", "shop", "wiki", "mail")
STAGES = ("prod", "staging")
SERVICES = ("api", "cache", "cron", "db", "proxy", "search", "web", "worker")
MIB = 1024**2
LIMITS = (None, 256 * MIB, 512 * MIB, 1024 * MIB, 2048 * MIB)


def build(count: int, seed: int = 7, hosts: tuple[str, ...] = ("nas", "vps-1")) -> list[Instance]:
    """Store COUNT instances with figures on HOSTS, spread over projects and stages; a few are in trouble."""
    chance = random.Random(seed)
    machines = [_host(name, number) for number, name in enumerate(hosts)]
    stages = _stages(max(1, min(len(PROJECTS), count // 4)))
    instances = [_instance(number, chance, machines, stages) for number in range(count)]
    Instance.objects.bulk_create(instances)
    Latest.objects.bulk_create(_latest(row, chance) for row in instances if row.state == State.RUNNING)
    return instances


def _host(name: str, number: int) -> Host:
    now = timezone.now()
    seen = {"reachable_since": now - timedelta(days=2), "checked_at": now, "sampled_at": now - timedelta(seconds=4)}
    engine = {"engine_version": "20.10.24", "cpus": 4, "memory_bytes": 24 * 1024 * MIB}
    return Host.objects.create(name=name, url=f"tcp://10.0.0.{number + 1}:2376", **engine, **seen)


def _stages(projects: int) -> list[Stage]:
    found = []
    for slug in PROJECTS[:projects]:
        project = Project.objects.create(slug=slug, name=slug)
        found += [Stage.objects.create(project=project, slug=stage) for stage in STAGES]
    return found


def _instance(number: int, chance: random.Random, hosts: list[Host], stages: list[Stage]) -> Instance:
    stage, host = stages[number % len(stages)], chance.choice(hosts)
    service = SERVICES[number // len(stages) % len(SERVICES)]
    name = f"{service}-{number // len(stages) // len(SERVICES) + 1}"
    state = chance.choices((State.RUNNING, State.EXITED, State.RESTARTING, State.PAUSED), (90, 6, 1, 1))[0]
    sick = state == State.RUNNING and chance.random() < 0.03
    return Instance(
        host=host,
        stage=stage,
        slot=f"{stage.project.slug}-{stage.slug}-{name}",
        name=name,
        service=service,
        container_id=f"{number:064x}",
        image=f"{stage.project.slug}/{service}:1.{chance.randint(0, 9)}.0",
        state=state,
        health=Health.UNHEALTHY if sick else Health.NONE,
        started_at=timezone.now() - timedelta(minutes=chance.randint(1, 9000)),
        finished_at=timezone.now() - timedelta(hours=3) if state == State.EXITED else None,
        exit_code=chance.choice((0, 1, 137)) if state == State.EXITED else None,
        restarts=chance.choices((0, 3), (95, 5))[0],
        memory_limit_bytes=chance.choice(LIMITS),
        ports=["8080→80/tcp"],
        labels={"com.docker.compose.project": stage.project.slug},
    )


def _latest(instance: Instance, chance: random.Random) -> Latest:
    share = min(100.0, chance.choice((0.2, 1.5, 4.0, 8.0, 12.0, 70.0)) * chance.random() * 1.6)
    limit = instance.memory_limit_bytes or 24 * 1024 * MIB
    used = int(chance.random() ** 2 * min(limit, 1200 * MIB))
    return Latest(
        instance=instance,
        container_id=instance.container_id,
        sampled_at=timezone.now() - timedelta(seconds=4),
        cpu_percent=share * 4,
        cpu_share_percent=share,
        cpu_limit_cores=4.0,
        memory_used_bytes=used,
        memory_limit_bytes=limit,
        memory_percent=used / limit * 100,
        memory_cache_bytes=used // 5,
        network_rx_bytes=1112,
        network_tx_bytes=chance.randint(0, 10**9),
        block_read_bytes=0,
        block_write_bytes=4096,
        pids=chance.randint(1, 40),
    )


def notify() -> list[str]:
    """Store a destination that heard of an event; return the addresses of the pages about notifications."""
    place = Destination.objects.create(name="#ops", format="webhook", address="https://receiver.invalid/hook")
    place.subscribe("all")
    now, kind = timezone.now(), EventKind.DEPLOY_FAILED
    event = Event.objects.create(kind=kind, severity=kind.severity, subject="web-1", at=now, last_at=now)
    row = Delivery.objects.create(event=event, destination=place, kind=kind, status=Status.DEAD, tries=8)
    Attempt.objects.create(delivery=row, at=timezone.now(), ms=10_000, error="Timed out after 10 s.")
    parts = ("", "destinations", "destinations/new", f"destinations/{place.pk}", f"destinations/{place.pk}/remove")
    log = ("deliveries", f"deliveries/{row.pk}", f"told/{event.pk}", "quiet")
    return [f"/notifications/{part}" for part in (*parts, *log)]
