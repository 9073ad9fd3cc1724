from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from dashboard import setup


class Command(BaseCommand):
    help = "Print a new one-time link that creates an administrator."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Pierwatch is ready: {setup.link()}  (valid 60 min, single use)")
