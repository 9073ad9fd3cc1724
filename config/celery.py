from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, task_postrun, task_prerun
from django.conf import settings

from config import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("pierwatch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logs(**_kwargs: Any) -> None:
    """Configure a Celery process's logs as the web's (a receiver here also stops Celery from doing it)."""
    logging.config.dictConfig(settings.LOGGING)


@task_prerun.connect
def tell_logs_of_task(task_id: str, task: Any, **_kwargs: Any) -> None:
    logs.context.set({"task": task_id, "task_name": task.name})


@task_postrun.connect
def clear_logs_of_task(**_kwargs: Any) -> None:
    logs.context.set(None)


@beat_init.connect
def apply_fixed_schedules(**_kwargs: Any) -> None:
    from config import schedules  # noqa: PLC0415 its models need Django set up

    schedules.apply_environment()
