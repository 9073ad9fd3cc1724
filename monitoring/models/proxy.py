from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from monitoring.models.host import Host, Stage
from monitoring.models.instance import LIVE_STATES, Instance, State

if TYPE_CHECKING:
    from monitoring.probe import Verdict
    from monitoring.routes import Route

UNHEALTHY_AFTER, RECOVERED_AFTER = 3, 2  # checks in a row
LEASE = timedelta(seconds=20)  # longer than a check can take
CERTIFICATE_DAYS = (1, 7, 21)


class ProxyState(models.TextChoices):
    HEALTHY = "healthy", _("Healthy")
    UNHEALTHY = "unhealthy", _("Failing")
    UNKNOWN = "unknown", _("Unknown")


class ProxySource(models.TextChoices):
    TRAEFIK = "traefik", "Traefik"
    CADDY = "caddy", "Caddy"
    NGINX = "nginx", "nginx-proxy"
    LABEL = "label", _("Label")
    ADMIN = "admin", _("Added by hand")


class ProxyQuerySet(models.QuerySet["Proxy"]):
    def watched(self) -> ProxyQuerySet:
        """Routes that lead somewhere: what was found at a container goes with it, and with its host."""
        found_at_nothing = Q(instance__state=State.REMOVED) | Q(instance__host__enabled=False)
        return self.filter(enabled=True).exclude(found_at_nothing & ~Q(source=ProxySource.ADMIN))

    def claim_due(self, now: datetime, interval: timedelta) -> list[int]:
        """Take the routes that are due, each for exactly one caller, and return their ids."""
        due = self.watched().filter(Q(due_at=None) | Q(due_at__lte=now)).order_by("due_at")
        leased = now + max(interval, LEASE)
        rows = list(due.values_list("pk", "due_at"))
        return [pk for pk, due_at in rows if self.filter(pk=pk, due_at=due_at).update(due_at=leased)]

    def reconcile(self, instance: Instance, routes: Iterable[Route]) -> None:
        """Make the rows found at INSTANCE match ROUTES; rows that an administrator added stay as they are."""
        self.reconcile_all([(instance, routes)])

    def reconcile_all(self, found: Iterable[tuple[Instance, Iterable[Route]]]) -> None:
        """Do so for many instances at once: one query when nothing changed."""
        listed = dict(found)
        wanted: dict[tuple[int | None, str, str], tuple[int | None, int | None, int | None]] = {
            (instance.pk, route.address, route.source): (route.port, instance.stage_id, instance.host_id)
            for instance, routes in listed.items()
            for route in routes
        }
        rows = self.filter(instance__in=listed).exclude(source=ProxySource.ADMIN)
        known = {(row.instance_id, row.address, row.source): row for row in rows}
        self.filter(pk__in=[row.pk for place, row in known.items() if place not in wanted]).delete()
        for place, row in known.items():
            port, stage_id, host_id = wanted.get(place, (row.port, row.stage_id, row.host_id))
            if (row.port, row.stage_id, row.host_id) != (port, stage_id, host_id):
                self.filter(pk=row.pk).update(port=port, stage_id=stage_id, host_id=host_id)
        new = [
            Proxy(
                instance_id=place[0], address=place[1], source=place[2], port=port, stage_id=stage_id, host_id=host_id
            )
            for place, (port, stage_id, host_id) in wanted.items()
            if place not in known
        ]
        self.bulk_create(new, ignore_conflicts=True)


class Proxy(models.Model):
    """A reverse-proxy route with a public address, leading to an instance."""

    address = models.CharField(_("address"), max_length=500)
    instance = models.ForeignKey(Instance, models.SET_NULL, null=True, blank=True, related_name="proxies")
    stage = models.ForeignKey(Stage, models.SET_NULL, null=True, blank=True, related_name="proxies")
    host = models.ForeignKey(Host, models.CASCADE, null=True, blank=True, related_name="proxies")
    source = models.CharField(_("found in"), max_length=10, choices=ProxySource, default=ProxySource.ADMIN)
    port = models.PositiveIntegerField(_("port of the container"), null=True, blank=True)
    expected_statuses = models.CharField(
        _("expected statuses"),
        max_length=100,
        blank=True,
        help_text=_("Such as 200-299,401. Empty: anything below 500."),
    )
    enabled = models.BooleanField(_("checked"), default=True)

    state = models.CharField(_("state"), max_length=10, choices=ProxyState, default=ProxyState.UNKNOWN)
    cause = models.CharField(_("cause"), max_length=40, blank=True)
    fault = models.CharField(_("at fault"), max_length=20, blank=True, help_text="app, proxy, route, tls or dns")
    since = models.DateTimeField(_("since"), null=True)
    checked_at = models.DateTimeField(_("checked"), null=True)
    good_at = models.DateTimeField(_("last good"), null=True)
    due_at = models.DateTimeField(_("next check"), null=True, db_index=True)
    bad_checks = models.PositiveIntegerField(default=0, help_text="in a row")
    good_checks = models.PositiveIntegerField(default=0, help_text="in a row")
    status = models.PositiveIntegerField(_("last status"), null=True)
    latency_ms = models.PositiveIntegerField(_("latency"), null=True)
    certificate_expires_at = models.DateTimeField(_("certificate expires"), null=True)
    certificate_warned_days = models.PositiveIntegerField(null=True, help_text="The last of 21, 7 and 1 that was told.")

    objects = ProxyQuerySet.as_manager()

    class Meta:
        verbose_name = _("proxy")
        verbose_name_plural = _("proxies")
        ordering = ["address"]
        constraints = [models.UniqueConstraint(fields=["address", "source", "instance"], name="one_proxy_per_route")]

    def __str__(self) -> str:
        return self.address

    @property
    def host_name(self) -> str:
        return urlsplit(self.address).hostname or self.address

    @property
    def watching_host(self) -> Host | None:
        """The Docker host behind it, if any is known."""
        return self.host or (self.instance.host if self.instance else None)

    def direct_address(self) -> str | None:
        """Return the same page at the container itself, where it could be reached from here; None otherwise.

        On this machine by the container's own address, on another one by a port published there.
        """
        instance = self.instance
        if instance is None or self.port is None or instance.state not in LIVE_STATES:
            return None
        engine, public = urlsplit(instance.host.url), urlsplit(self.address)
        path = public.path + (f"?{public.query}" if public.query else "")
        if engine.scheme == "unix":
            inside = next(filter(None, instance.addresses.values()), None)
            return f"http://{_bracketed(inside)}:{self.port}{path}" if inside else None
        published = self._published_port(instance)
        return f"http://{_bracketed(engine.hostname)}:{published}{path}" if published and engine.hostname else None

    def _published_port(self, instance: Instance) -> int | None:
        open_to_us = [port for port in instance.ports if not str(port.get("address")).startswith(("127.", "::1"))]
        return next((port.get("host") for port in open_to_us if port.get("container") == self.port), None)

    def take(self, verdict: Verdict, at: datetime) -> ProxyState | None:
        """Note what a check found; return the state that the route came to by it, None while it stays.

        Three bad checks in a row make it unhealthy, two good ones well again; the very first good one counts.
        """
        self.checked_at, self.status, self.latency_ms = at, verdict.status, verdict.latency_ms
        if verdict.good:
            self.good_at, self.good_checks, self.bad_checks = at, self.good_checks + 1, 0
            needed = RECOVERED_AFTER if self.state == ProxyState.UNHEALTHY else 1
            return self._become(ProxyState.HEALTHY, at) if self.good_checks >= needed else None
        self.good_checks, self.bad_checks = 0, self.bad_checks + 1
        self.cause, self.fault = verdict.cause, verdict.fault
        return self._become(ProxyState.UNHEALTHY, at) if self.bad_checks >= UNHEALTHY_AFTER else None

    def _become(self, state: ProxyState, at: datetime) -> ProxyState | None:
        if state == ProxyState.HEALTHY:
            self.cause = self.fault = ""
        if state == self.state:
            return None
        self.state, self.since = state, at
        return state

    def take_certificate(self, expires_at: datetime | None, at: datetime) -> int | None:
        """Note when the certificate ends; return 21, 7 or 1 when that many days ahead must be told now, once each."""
        if expires_at is None:
            return None
        if self.certificate_expires_at and expires_at > self.certificate_expires_at:
            self.certificate_warned_days = None  # renewed
        self.certificate_expires_at = expires_at
        days = next((days for days in CERTIFICATE_DAYS if expires_at - at <= timedelta(days=days)), None)
        if days is None or (self.certificate_warned_days is not None and days >= self.certificate_warned_days):
            return None
        self.certificate_warned_days = days
        return days


def _bracketed(host: str | None) -> str:
    return f"[{host}]" if host and ":" in host else str(host)
