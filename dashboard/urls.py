from typing import Any, cast

from allauth.account import views as allauth
from django.urls import URLPattern, URLResolver, include, path

from dashboard import accounts, views
from dashboard.api.problems import nothing_here
from dashboard.api.root import api_patterns, healthz
from dashboard.live.stream import event_stream, web_socket

pages: list[URLPattern | URLResolver] = [
    path("", views.dashboard, name="dashboard"),
    path("health", views.system_health, name="health"),
    path("p/<str:project>/<str:stage>/<path:name>", views.instance, name="instance"),
]
telling: list[URLPattern | URLResolver] = [path("notifications/", include("dashboard.telling.urls"))]
people: list[URLPattern | URLResolver] = [
    path("setup", accounts.create_administrator, name="setup"),
    path("personal", accounts.personal_settings, name="personal"),
    path("appearance", accounts.choose_appearance, name="appearance"),
    # of allauth's pages only these: nobody signs up, and there is no e-mail to confirm
    path("account/login", allauth.login, name="account_login"),
    path("account/logout", allauth.logout, name="account_logout"),
    path("account/inactive", allauth.account_inactive, name="account_inactive"),
    path("account/password", allauth.password_change, name="account_change_password"),
    path("account/password/set", allauth.password_set, name="account_set_password"),
    path("account/reauthenticate", allauth.reauthenticate, name="account_reauthenticate"),
]
programs: list[URLPattern | URLResolver] = [
    path("api/", (api_patterns(), "ninja", "api")),
    path("api/<path:path>", nothing_here),
    path("healthz", healthz),
]
urlpatterns = [*pages, *telling, *people, *programs]

# bare ASGI applications: config/asgi.py answers them before Django
http_streams = [path("api/stream", cast("Any", event_stream))]
websocket_urlpatterns = [path("ws/stream", cast("Any", web_socket))]
