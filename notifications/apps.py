from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self) -> None:
        from django.conf import settings

        from monitoring.signals import event_recorded
        from notifications import guard, outbox

        guard.allowed_networks(settings.PRIVATE_TARGETS)  # a wrong value stops the start
        event_recorded.connect(outbox.plan)
