from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict, cast

from django.db import models
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from monitoring.models.host import Host, Stage

if TYPE_CHECKING:
    from monitoring.models.sample import Latest


class State(models.TextChoices):
    """The engine's word for what a container does; `removed` is ours: the slot is empty now."""

    CREATED = "created", _("Created")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    RESTARTING = "restarting", _("Restarting")
    EXITED = "exited", _("Stopped")
    DEAD = "dead", _("Dead")
    REMOVED = "removed", _("Removed")


class Health(models.TextChoices):
    NONE = "none", _("No health check")
    STARTING = "starting", _("Starting")
    HEALTHY = "healthy", _("Healthy")
    UNHEALTHY = "unhealthy", _("Unhealthy")


class DisplayState(models.TextChoices):
    """What a person sees, always as glyph, word and tone: the engine's states and the two that need a second fact."""

    glyph: str
    tone: str

    def __new__(cls, value: str, glyph: str = "?", tone: str = "idle") -> DisplayState:
        member = str.__new__(cls, value)
        member._value_ = value
        member.glyph, member.tone = glyph, tone
        return member

    CREATED = "created", "○", "idle", _("Created")
    RUNNING = "running", "●", "ok", _("Running")
    UNHEALTHY = "unhealthy", "▲", "crit", _("Unhealthy")
    PAUSED = "paused", "❚❚", "idle", _("Paused")
    RESTARTING = "restarting", "↻", "warn", _("Restarting")
    EXITED = "exited", "■", "idle", _("Stopped")
    DEAD = "dead", "✕", "crit", _("Dead")
    REMOVED = "removed", "✕", "idle", _("Removed")
    UNKNOWN = "unknown", "?", "idle", _("Unknown")


LIVE_STATES = (State.RUNNING, State.PAUSED)
"""States in which a container has processes, and so figures."""

_AWAY = Q(host__unreachable_since__isnull=False)
_STALE = ~Q(stale_reasons=[])
STATE_FILTERS: dict[str, Q] = {
    "created": Q(state=State.CREATED) & ~_AWAY,
    "running": Q(state=State.RUNNING) & ~_AWAY,
    "unhealthy": Q(state=State.RUNNING, health=Health.UNHEALTHY) & ~_AWAY,
    "paused": Q(state=State.PAUSED) & ~_AWAY,
    "restarting": Q(state=State.RESTARTING) & ~_AWAY,
    "exited": Q(state=State.EXITED) & ~_AWAY,
    "dead": Q(state=State.DEAD) & ~_AWAY,
    "stopped": Q(state__in=[State.CREATED, State.EXITED, State.DEAD]) & ~_AWAY,
    "unknown": _AWAY,
    "stale": _STALE,
}
"""Words that `?state=` understands; on a host that does not answer every state is unknown."""


class Counts(TypedDict):
    """Containers by what they do; `unhealthy` is a part of `running`, `stale` may be in any."""

    running: int
    stopped: int
    restarting: int
    paused: int
    unknown: int
    unhealthy: int
    stale: int


class InstanceQuerySet(models.QuerySet["Instance"]):
    def present(self) -> InstanceQuerySet:
        """Slots that hold a container now, on hosts that are watched."""
        return self.exclude(state=State.REMOVED).filter(host__enabled=True)

    def live(self) -> InstanceQuerySet:
        """Containers that have processes, and so figures."""
        return self.filter(state__in=LIVE_STATES)

    def with_latest(self) -> InstanceQuerySet:
        """Bring host, project, stage and newest figures along in the one query; then use `figures`."""
        return self.select_related("host", "stage__project", "latest")

    def mark_removed(self, at: datetime) -> int:
        """Note that the containers of these slots are gone; those that ran were last seen running now."""
        gone: dict[str, Any] = {"state": State.REMOVED, "health": Health.NONE, "removed_at": at}
        ran = self.live().update(**gone, seen_running_at=at)
        return ran + self.exclude(state=State.REMOVED).update(**gone)

    def counts(self) -> Counts:
        """Count by state in one aggregate."""
        names = ("running", "stopped", "restarting", "paused", "unknown", "unhealthy", "stale")
        counted: Any = self.order_by().aggregate(**{name: Count("pk", filter=STATE_FILTERS[name]) for name in names})
        return cast("Counts", counted)

    def search(
        self, *, state: str = "", host: str = "", project: str = "", stage: str = "", q: str = ""
    ) -> InstanceQuerySet:
        """Narrow by a word of STATE_FILTERS, host name, project and stage slug, and words that all must occur.

        A state that does not exist finds nothing. Q is looked for in name, image, service, project, stage and host.
        """
        exact = {"host__name": host, "stage__project__slug": project, "stage__slug": stage}
        found = self.filter(**{field: value for field, value in exact.items() if value})
        if state:
            found = found.filter(STATE_FILTERS[state]) if state in STATE_FILTERS else found.none()
        for word in q.replace("\0", " ").split():
            found = found.filter(_mentions(word))
        return found


def _mentions(word: str) -> Q:
    fields = ("name", "image", "service", "stage__project__slug", "stage__project__name", "stage__slug", "host__name")
    found = Q()
    for field in fields:
        found |= Q(**{f"{field}__icontains": word})
    return found


class Instance(models.Model):
    """A slot that holds a container: it survives redeploys, and so does its history."""

    host = models.ForeignKey(Host, models.CASCADE, related_name="instances", verbose_name=_("host"))
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="instances", verbose_name=_("stage"))
    slot = models.CharField(
        _("slot"), max_length=300, help_text=_("Container name, or service and task slot in Swarm.")
    )
    name = models.CharField(_("name"), max_length=255)
    service = models.CharField(_("service"), max_length=200, blank=True)

    container_id = models.CharField(_("container id"), max_length=64, db_index=True)
    image = models.CharField(_("image"), max_length=500, blank=True)
    image_id = models.CharField(_("image id"), max_length=100, blank=True)
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    ports = models.JSONField(_("ports"), default=list, blank=True)
    addresses = models.JSONField(_("addresses"), default=dict, blank=True, help_text="network name -> IP address")
    fingerprint = models.CharField(_("fingerprint"), max_length=100, blank=True)
    shape = models.JSONField(
        _("shape"),
        default=dict,
        blank=True,
        help_text="What a deployment compares; environment by name and keyed hash only.",
    )

    died_ns = models.BigIntegerField(
        null=True, help_text="The engine's time of the last death that was told, so that each is told once."
    )
    deployed = models.JSONField(
        default=dict,
        blank=True,
        help_text="Who last started here, written by deployments alone: image, fingerprint, shape, container id.",
    )

    state = models.CharField(_("state"), max_length=12, choices=State, default=State.CREATED)
    health = models.CharField(_("health"), max_length=10, choices=Health, default=Health.NONE)
    created_at = models.DateTimeField(_("created"), null=True)
    started_at = models.DateTimeField(_("started"), null=True)
    finished_at = models.DateTimeField(_("finished"), null=True)
    seen_running_at = models.DateTimeField(_("last seen running"), null=True)
    removed_at = models.DateTimeField(_("removed"), null=True)
    exit_code = models.IntegerField(_("exit code"), null=True)
    oom_killed = models.BooleanField(_("out of memory"), default=False)
    error = models.TextField(_("error of the engine"), blank=True)
    restarts = models.PositiveIntegerField(_("restarts"), default=0)
    restart_policy = models.CharField(_("restart policy"), max_length=20, blank=True)
    stop_signal = models.CharField(_("stop signal"), max_length=20, blank=True)
    stop_timeout = models.PositiveIntegerField(_("stop timeout"), default=10)
    health_window = models.PositiveIntegerField(
        null=True,
        help_text="Seconds a health check needs for its verdict: start period + 2 x retries x (interval + timeout).",
    )
    cpu_limit_cores = models.FloatField(_("CPU limit"), null=True)
    memory_limit_bytes = models.BigIntegerField(_("memory limit"), null=True)

    inspected_at = models.DateTimeField(
        null=True, help_text="When the engine told all about this container; empty while it still has to be asked."
    )
    stale_reasons = models.JSONField(_("stale because"), default=list, blank=True)
    warnings = models.JSONField(
        _("warnings"), default=list, blank=True, help_text="Label values that could not be used."
    )

    objects = InstanceQuerySet.as_manager()

    class Meta:
        verbose_name = _("instance")
        verbose_name_plural = _("instances")
        ordering = ["stage__project__slug", "stage__slug", "name"]
        constraints = [models.UniqueConstraint(fields=["host", "slot"], name="one_instance_per_slot")]
        indexes = [models.Index(fields=["state"]), models.Index(fields=["stage", "name"])]

    def __str__(self) -> str:
        return self.name

    @property
    def stale(self) -> bool:
        return bool(self.stale_reasons)

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_STATES

    @property
    def display_state(self) -> DisplayState:
        """The state, or `unknown` while the host does not answer. Needs `host` loaded."""
        away = self.host.unreachable_since is not None and self.state != State.REMOVED
        return DisplayState.UNKNOWN if away else DisplayState(self.state)

    @property
    def badge(self) -> DisplayState:
        """The state as its badge shows it: `unhealthy` for a running container whose health check fails."""
        sick = self.display_state == DisplayState.RUNNING and self.health == Health.UNHEALTHY
        return DisplayState.UNHEALTHY if sick else self.display_state

    @property
    def figures(self) -> Latest | None:
        """The newest figures of the container that runs here; None when it does not, or was not read yet."""
        latest: Latest | None = getattr(self, "latest", None)
        fits = latest is not None and latest.container_id == self.container_id and self.is_live
        return latest if fits else None
