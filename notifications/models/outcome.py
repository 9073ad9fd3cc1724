from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """What became of a delivery. `skipped` is ours alone: it was never to be sent, and `reason` says why."""

    PENDING = "pending", _("Waiting")
    SENT = "sent", _("Delivered")
    FAILED = "failed", _("Refused")
    DEAD = "dead", _("Gave up")
    SKIPPED = "skipped", _("Not sent")


class Reason(models.TextChoices):
    """Why a delivery waits or was not sent."""

    OFF = "off", _("this event kind is switched off for everybody")
    UNSUBSCRIBED = "unsubscribed", _("this destination does not receive this event kind")
    NARROWED = "narrowed", _("this destination is narrowed to other projects, stages or severities")
    MUTED = "muted", _("muted")
    QUIET = "quiet", _("quiet hours")
    COOL_DOWN = "cool_down", _("cool-down: the same was told shortly before")
    RATE = "rate", _("the destination's messages of this hour are used up")
    UNTOLD = "untold", _("the problem that it ends was not told here either")
    SWITCHED_OFF = "switched_off", _("the destination is switched off")


HELD = (Reason.QUIET, Reason.COOL_DOWN)
KEPT_FROM = (*HELD, Reason.MUTED, Reason.UNTOLD)  # wanted, and yet not told
