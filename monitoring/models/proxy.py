from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.host import Host, Stage
from monitoring.models.instance import Instance


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

    class Meta:
        verbose_name = _("proxy")
        verbose_name_plural = _("proxies")
        ordering = ["address"]
        constraints = [models.UniqueConstraint(fields=["address", "source", "instance"], name="one_proxy_per_route")]

    def __str__(self) -> str:
        return self.address
