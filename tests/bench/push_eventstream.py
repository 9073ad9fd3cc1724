"""django-eventstream behind Daphne, for tests/bench/push.py; runs with a Python of its own that has both installed."""

import sys
from pathlib import Path

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_eventstream"],
    MIDDLEWARE=[],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    USE_TZ=True,
)
django.setup()

import django_eventstream  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import include, path  # noqa: E402

from tests.bench.push_servers import daphne, snapshot  # noqa: E402

urlpatterns = [path("events/", include(django_eventstream.urls), {"channels": ["bench"]})]

if __name__ == "__main__":
    daphne(
        get_asgi_application(),
        lambda mark: django_eventstream.send_event("bench", "container_stats", snapshot(mark)),
        path="/events/",
    )
