"""Who hears about what, and what became of every message."""

from notifications.models.attempt import Attempt
from notifications.models.delivery import Delivery, Explanation
from notifications.models.destination import Destination, Subscription
from notifications.models.outcome import Reason, Status
from notifications.models.switches import KindSetting, Mute

__all__ = [
    "Attempt",
    "Delivery",
    "Destination",
    "Explanation",
    "KindSetting",
    "Mute",
    "Reason",
    "Status",
    "Subscription",
]
