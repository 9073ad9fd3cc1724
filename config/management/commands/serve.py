from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from config import reloading, serving


class Command(BaseCommand):
    help = "Run Pierwatch: the web and, without REDIS_URL, also its worker, beat and engine watch, in one process."
    requires_system_checks: list[str] = []  # the first one would miss its tables

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT, help="default: PIERWATCH_PORT or 8000")
        parser.add_argument("--bind", default=settings.BIND, help="address; default: PIERWATCH_BIND or 127.0.0.1")
        parser.add_argument("--reload", action="store_true", help="start again when a file changes, for developers")

    def handle(self, *_args: Any, port: int, bind: str, reload: bool, **_options: Any) -> None:
        if reload:
            reloading.restart_on_changes()
        serving.serve(bind=bind, port=port, say=self.stdout.write)
