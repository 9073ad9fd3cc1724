"""Default schedules of beat: rows, installed once by data migration, edited in the admin from then on.

They are rows because entries of CELERY_BEAT_SCHEDULE would overwrite the administrator's edits at each start. A part
that needs a schedule adds a migration to config/migrations:

    def install(apps, _schema_editor):
        install_schedule(apps, "Prune", "monitoring.prune", crontab="15 3 * * *")

    class Migration(migrations.Migration):
        dependencies = [("config", "<the one before>"), ("django_celery_beat", BEAT_MIGRATION)]
        operations = [migrations.RunPython(install, migrations.RunPython.noop)]
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

BEAT_MIGRATION = "0019_alter_periodictasks_options"
SAMPLING = "Sample hosts"
CRONTAB_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def install_schedule(apps: Any, name: str, task: str, *, seconds: int = 0, crontab: str = "") -> None:
    """Install schedule NAME for TASK, every SECONDS or by five-field CRONTAB (UTC), unless there is one already.

    A run by interval expires when the next is due: late ones are skipped, never queued.
    """
    rows = apps.get_model("django_celery_beat", "PeriodicTask").objects
    if rows.filter(name=name).exists():
        return
    rows.create(name=name, task=task, expire_seconds=seconds or None, **_when(apps, seconds, crontab))
    _tell_beat(apps)


def _when(apps: Any, seconds: int, crontab: str) -> dict[str, Any]:
    if seconds:
        rows = apps.get_model("django_celery_beat", "IntervalSchedule").objects
        return {"interval": rows.get_or_create(every=seconds, period="seconds")[0]}
    fields = dict(zip(CRONTAB_FIELDS, crontab.split(), strict=True))
    rows = apps.get_model("django_celery_beat", "CrontabSchedule").objects
    return {"crontab": rows.get_or_create(**fields, timezone="UTC")[0]}


def _tell_beat(apps: Any) -> None:
    apps.get_model("django_celery_beat", "PeriodicTasks").objects.update_or_create(
        ident=1, defaults={"last_update": timezone.now()}
    )


def apply_environment() -> None:
    """Make the sampling schedule follow PIERWATCH_SAMPLE_SECONDS when it is set: the variable wins over the row."""
    seconds = settings.LOCKED_PREFERENCES.get("sample_seconds")
    if seconds is None:
        return
    interval, _created = IntervalSchedule.objects.get_or_create(every=seconds, period=IntervalSchedule.SECONDS)
    stale = PeriodicTask.objects.filter(name=SAMPLING).exclude(interval=interval, expire_seconds=seconds)
    if stale.update(interval=interval, expire_seconds=seconds):
        PeriodicTasks.update_changed()
