"""Logs: one readable line, or one JSON object, per record, with the request or task that it belongs to.

Plain `logging`: importing structlog costs 22 MB of memory (it brings rich), a seventh of what the product may use.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

# What the current request or task adds to its log lines, such as {"task": "…", "task_name": "…"}.
context: ContextVar[dict[str, str] | None] = ContextVar("log_context", default=None)

QUIET = ("celery", "kombu", "daphne", "twisted", "asyncio", "urllib3", "docker", "requests", "amqp", "django.channels")


class TextFormatter(logging.Formatter):
    """`2026-11-23 21:42:41 WARNING monitoring.sampler  shop-web-1 did not answer  task=1f3c`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 logging's name
        line = super().formatMessage(record).replace("\n", "\n    ")
        return line + "".join(f"  {name}={value}" for name, value in (context.get() or {}).items())


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(context.get() or {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configuration(log_format: str) -> dict[str, Any]:
    """Return the `dictConfig` for LOG_FORMAT, "text" or "json": our own words from INFO, libraries from WARNING."""
    formatter = {"text": "config.logs.TextFormatter", "json": "config.logs.JsonFormatter"}[log_format]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            **{name: {"level": "WARNING"} for name in QUIET},
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        },
    }
