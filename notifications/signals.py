"""What `notifications` tells whoever is above it.

deliveries_changed  delivery_ids: list[int]; after commit: deliveries were made, sent, postponed or ended
"""

from django.dispatch import Signal

deliveries_changed = Signal()
