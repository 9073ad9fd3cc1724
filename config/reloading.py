"""Start the product again when one of its files changes. The server keeps the main thread, which its signals need."""

from __future__ import annotations

import os
import sys
import threading

from django.utils import autoreload

from config.embedded import end_now


def restart_on_changes() -> None:
    """In the parent: run children until one ends by itself. In a child: watch the files, and return."""
    if os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) != "true":
        try:
            sys.exit(autoreload.restart_with_reloader())
        except KeyboardInterrupt:
            sys.exit(0)
    threading.Thread(target=_watch_files, name="reload", daemon=True).start()


def _watch_files() -> None:
    try:
        autoreload.StatReloader().run_loop()
    except SystemExit as change:  # 3: the parent starts the next child
        end_now(int(change.code or 0))
