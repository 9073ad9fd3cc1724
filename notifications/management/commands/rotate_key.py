from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from notifications.rotation import rotate


class Command(BaseCommand):
    help = "Encrypt all addresses and secrets anew with a fresh key. Safe while Pierwatch runs, and if interrupted."

    def handle(self, *args: Any, **options: Any) -> None:
        count = rotate()
        self.stdout.write(self.style.SUCCESS(f"A new key is in force; {count} values were encrypted anew."))
