from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

USE_IS_NOTED_EVERY = timedelta(minutes=1)


class Scope(models.TextChoices):
    """What a token may do; each includes the ones before it."""

    READ = "read", _("Read")
    REPORT = "report", _("Read and report deployments")
    WRITE = "write", _("Read, report and change settings")

    def includes(self, wanted: Scope) -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(wanted)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self, now: datetime | None = None) -> ApiTokenQuerySet:
        """Narrow to the tokens that still open the door: not expired, owner (if any) not deactivated."""
        now = now or timezone.now()
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now)).exclude(owner__is_active=False)

    def note_use(self, token_id: int, now: datetime | None = None) -> int:
        """Remember that a token was used now; at most once a minute, however many notice it."""
        now = now or timezone.now()
        old = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_IS_NOTED_EVERY)
        return self.filter(old, pk=token_id).update(last_used_at=now)


class ApiToken(models.Model):
    """A key for programs. Only its hash is stored: the token itself is shown once, by whoever makes it."""

    name = models.CharField(_("name"), max_length=100)
    hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the token, in hex")
    scope = models.CharField(_("may"), max_length=10, choices=Scope, default=Scope.READ)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="api_tokens",
        verbose_name=_("owner"),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    @property
    def used_lately(self) -> bool:
        """Whether its use was noted within the last minute."""
        return self.last_used_at is not None and timezone.now() - self.last_used_at < USE_IS_NOTED_EVERY

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()


class Theme(models.TextChoices):
    AUTO = "auto", _("As the device")
    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


def check_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            _("“%(name)s” is not a time zone. Use a name such as Europe/Berlin."), params={"name": name}
        )


class Profile(models.Model):
    """How one person wants to see the pages. Empty language or time zone: as the browser says."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="profile", verbose_name=_("user")
    )
    language = models.CharField(_("language"), max_length=10, blank=True, choices=settings.LANGUAGES)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True, validators=[check_time_zone])
    theme = models.CharField(_("appearance"), max_length=5, choices=Theme, default=Theme.AUTO)
    shortcuts = models.BooleanField(_("single-key shortcuts"), default=True)

    class Meta:
        verbose_name = _("personal settings")
        verbose_name_plural = _("personal settings")

    def __str__(self) -> str:
        return str(self.user)
