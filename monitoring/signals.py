"""The whole event bus: what `monitoring` tells whoever is above it. Receivers are connected in apps.py, one line each.

samples_taken      host_id: int, sampled_at: datetime, latest: list[Latest]; after each sweep of a host, once stored
instances_changed  host_id: int, instance_ids: list[int]; after commit: state, health, image or presence changed
event_recorded     event: Event; inside the transaction that stores the event, so a receiver guards itself by atomic()
"""

from django.dispatch import Signal

samples_taken = Signal()
instances_changed = Signal()
event_recorded = Signal()
