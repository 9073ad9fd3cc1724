from django.db import migrations

from config.schedules import BEAT_MIGRATION, SAMPLING, install_schedule


def install(apps, _schema_editor):
    install_schedule(apps, SAMPLING, "monitoring.sample_hosts", seconds=30)


class Migration(migrations.Migration):
    initial = True
    dependencies = [("django_celery_beat", BEAT_MIGRATION)]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
