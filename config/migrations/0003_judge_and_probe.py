from django.db import migrations

from config.schedules import BEAT_MIGRATION, install_schedule


def install(apps, _schema_editor):
    install_schedule(apps, "Judge deployments", "monitoring.judge_deployments", seconds=5)
    install_schedule(apps, "Check proxies", "monitoring.probe_proxies", seconds=5)
    install_schedule(apps, "Close incidents", "monitoring.close_incidents", seconds=30)


class Migration(migrations.Migration):
    dependencies = [("config", "0002_sweep_the_outbox"), ("django_celery_beat", BEAT_MIGRATION)]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
