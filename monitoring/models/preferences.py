from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


def _percent(default: int, name: Any) -> Any:
    bounds = [MinValueValidator(1), MaxValueValidator(100)]
    return models.PositiveIntegerField(name, default=default, validators=bounds)


def _between(low: int, high: int, default: int, name: Any) -> Any:
    return models.PositiveIntegerField(
        name, default=default, validators=[MinValueValidator(low), MaxValueValidator(high)]
    )


class Preferences(models.Model):
    """What the operator changes at run time: one row. An environment variable that is set wins over its field."""

    sample_seconds = _between(1, 3600, 30, _("seconds between samples"))
    event_retention_days = _between(1, 3650, 30, _("days that events are kept"))
    stale_days = _between(1, 3650, 7, _("days until a stopped container is stale"))
    proxy_seconds = _between(5, 3600, 60, _("seconds between proxy checks"))
    cpu_warn_percent = _percent(70, _("CPU: warn from"))
    cpu_critical_percent = _percent(90, _("CPU: critical from"))
    memory_warn_percent = _percent(80, _("memory: warn from"))
    memory_critical_percent = _percent(95, _("memory: critical from"))
    usage_minutes = _between(1, 1440, 5, _("minutes above a threshold before it is told"))

    class Meta:
        verbose_name = _("preferences")
        verbose_name_plural = _("preferences")

    def __str__(self) -> str:
        return str(_("preferences"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> Preferences:
        """Return the one row as it is in force: with the fields that the environment fixes."""
        row = cls.objects.filter(pk=1).first() or cls(pk=1)
        for field, value in settings.LOCKED_PREFERENCES.items():
            setattr(row, field, value)
        return row
