from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "dashboard"

    def ready(self) -> None:
        from dashboard import health, live
        from monitoring.signals import event_recorded, instances_changed, samples_taken

        samples_taken.connect(health.forget)
        samples_taken.connect(live.tell_samples)
        instances_changed.connect(health.forget)
        instances_changed.connect(live.tell_instances)
        event_recorded.connect(health.forget)
        event_recorded.connect(live.tell_event)
