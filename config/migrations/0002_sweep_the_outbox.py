from django.db import migrations

from config.schedules import BEAT_MIGRATION, install_schedule


def install(apps, _schema_editor):
    install_schedule(apps, "Sweep the outbox", "notifications.drain_due", seconds=3)


class Migration(migrations.Migration):
    dependencies = [("config", "0001_default_schedules"), ("django_celery_beat", BEAT_MIGRATION)]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
