from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from notifications.models.delivery import Delivery


class Attempt(models.Model):
    """One try of a delivery and what came back."""

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts", verbose_name=_("delivery"))
    at = models.DateTimeField(_("at"))
    status = models.PositiveIntegerField(_("status"), null=True)
    ms = models.PositiveIntegerField(_("milliseconds"))
    error = models.TextField(_("error"), blank=True, help_text=_("What went wrong and what to do, in words."))
    answer = models.TextField(_("answer"), blank=True, help_text=_("At most 2 KiB of it."))

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ["delivery", "at", "id"]

    def __str__(self) -> str:
        return f"{self.status or self.error} in {self.ms} ms"
