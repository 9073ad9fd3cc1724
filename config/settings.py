"""All settings: each environment variable is read here, once. What changes at run time lives in the database."""

from __future__ import annotations

import zoneinfo
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from kombu import Queue

from config import environment, logs
from config.keys import read_or_create

VERSION = "0.1.0"
BASE_DIR = Path(__file__).resolve().parent.parent

# --- where state lives -------------------------------------------------------------------------------------------
DATA_DIR = Path(environment.text("PIERWATCH_DATA_DIR", str(BASE_DIR / "data"))).resolve()
SECRET_KEY = environment.text("PIERWATCH_SECRET_KEY") or read_or_create(DATA_DIR / "secret.key")
ENCRYPTION_KEYS_FILE = DATA_DIR / "encryption.keys"

DATABASE_URL = environment.text("DATABASE_URL")
REDIS_URL = environment.text("REDIS_URL")
EMBEDDED = not REDIS_URL

# --- the public address: hosts, CSRF, sub-path and cookies follow from it alone ----------------------------------
BIND = environment.text("PIERWATCH_BIND", "127.0.0.1")
PORT = environment.whole_number("PIERWATCH_PORT", 8000, 1, 65535)
PUBLIC_URL = environment.text("PIERWATCH_URL", f"http://127.0.0.1:{PORT}").rstrip("/")
_public = urlsplit(PUBLIC_URL)
if _public.scheme not in ("http", "https") or not _public.hostname:
    raise ImproperlyConfigured(
        f"PIERWATCH_URL is {PUBLIC_URL!r}; it must be the whole address, such as https://watch.example.org."
    )
ALLOWED_HOSTS = [_public.hostname, "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
FORCE_SCRIPT_NAME = _public.path or None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _public.scheme == "https"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = _public.path or "/"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "pierwatch_session", "pierwatch_csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- what is watched, how often, how long kept -------------------------------------------------------------------
DOCKER_HOST = environment.text("DOCKER_HOST", "unix:///var/run/docker.sock")
EXTRA_HOSTS = environment.pairs("PIERWATCH_HOSTS")
SAMPLE_SECONDS = environment.whole_number("PIERWATCH_SAMPLE_SECONDS", 30, 1, 3600)
EVENT_RETENTION_DAYS = environment.whole_number("PIERWATCH_EVENT_RETENTION_DAYS", 30, 1, 3650)
STALE_DAYS = environment.whole_number("PIERWATCH_STALE_DAYS", 7, 1, 3650)
PROXY_SECONDS = environment.whole_number("PIERWATCH_PROXY_SECONDS", 60, 5, 3600)
RETRY_SECONDS = environment.whole_numbers("PIERWATCH_RETRY_SECONDS", "0,5,30,120,600,1800,7200,21600")
STREAM_CLIENTS = environment.whole_number("PIERWATCH_STREAM_CLIENTS", 2000, 1, 100_000)
ATTEMPT_SECONDS = 15.0  # for one notification, whatever its receiver does
PRIVATE_TARGETS = environment.text("PIERWATCH_PRIVATE_TARGETS", "deny")
# Preferences that a variable fixes: it wins over the database, and the form shows the field as locked.
LOCKED_PREFERENCES = {
    field: value
    for variable, field, value in (
        ("PIERWATCH_SAMPLE_SECONDS", "sample_seconds", SAMPLE_SECONDS),
        ("PIERWATCH_EVENT_RETENTION_DAYS", "event_retention_days", EVENT_RETENTION_DAYS),
        ("PIERWATCH_STALE_DAYS", "stale_days", STALE_DAYS),
        ("PIERWATCH_PROXY_SECONDS", "proxy_seconds", PROXY_SECONDS),
    )
    if environment.is_set(variable)
}
FIRST_ADMIN_USER = environment.text("PIERWATCH_ADMIN_USER")
FIRST_ADMIN_PASSWORD = environment.text("PIERWATCH_ADMIN_PASSWORD")

# --- Django ------------------------------------------------------------------------------------------------------
DEBUG = False
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "channels",
    "csp",
    "django_celery_beat",
    "django_htmx",
    "ninja",
    "config",
    "monitoring",
    "notifications",
    "dashboard",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "dashboard.policy.PolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "dashboard.personal.time_zone_middleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.navigation.shell",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

_env = environ.Env()
DATABASES: dict[str, dict[str, Any]] = {
    "default": _env.db_url_config(DATABASE_URL)
    if DATABASE_URL
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "pierwatch.sqlite3"}
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;",
    }
else:
    DATABASES["default"].update(CONN_HEALTH_CHECKS=True, CONN_MAX_AGE=60)

if EMBEDDED:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS: dict[str, Any] = {"default": {"BACKEND": "config.layers.ThreadSafeLayer"}}
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            # without `socket_timeout: None` redis-py cuts every idle subscription after 5 s (channels_redis #422)
            "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": None}]},
        }
    }

# --- queue -------------------------------------------------------------------------------------------------------
WORKER_THREADS = 16
CELERY_BROKER_URL = REDIS_URL or "in-process://here"
CELERY_BROKER_TRANSPORT = None if REDIS_URL else "config.broker:Transport"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    # a frozen Redis must not hold a request for longer: the sweep of the outbox makes up for a lost wake-up
    {"socket_timeout": 0.8, "socket_connect_timeout": 0.8}
    if REDIS_URL
    # hanging webhooks leave a quarter of the threads to sampling
    else {"queue_limits": {"deliver": WORKER_THREADS * 3 // 4}}
)
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES = [Queue(name) for name in ("default", "sample", "deliver")]
CELERY_TASK_ROUTES = {"monitoring.sample_*": {"queue": "sample"}, "notifications.*": {"queue": "deliver"}}
CELERY_TASK_ACKS_LATE = EMBEDDED  # a task waits in its queue, where it may still expire, until a thread is free
CELERY_WORKER_POOL = "threads"  # tasks wait for engines and receivers, and bound themselves
CELERY_WORKER_CONCURRENCY = WORKER_THREADS
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = not EMBEDDED
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

# --- sign-in -----------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "dashboard.accounts.Accounts"
ACCOUNT_FORMS = {"login": "dashboard.accounts.SignInForm"}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_LOGOUT_REDIRECT_URL = LOGOUT_REDIRECT_URL
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "20/m/ip,5/5m/key"}
CSRF_FAILURE_VIEW = "dashboard.errors.csrf_failure"
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

# --- e-mail to destinations of that format -----------------------------------------------------------------------
EMAIL_URL = environment.text("PIERWATCH_EMAIL_URL", "smtp://localhost:25")
try:
    _mail = environ.Env.email_url_config(EMAIL_URL)
except (KeyError, ValueError, ImproperlyConfigured) as _wrong:
    raise ImproperlyConfigured(
        "PIERWATCH_EMAIL_URL must look like smtp+tls://user:password@mail.example.org:587 (or smtp://, smtp+ssl://)."
    ) from _wrong
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"] or 25
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
DEFAULT_FROM_EMAIL = environment.text("PIERWATCH_EMAIL_FROM", f"Pierwatch <pierwatch@{_public.hostname}>")

# --- languages ---------------------------------------------------------------------------------------------------
LANGUAGES = [("en", _("English")), ("ru", _("Russian"))]
LANGUAGE_CODE = environment.choice("PIERWATCH_LANGUAGE", "en", tuple(code for code, _name in LANGUAGES))
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = environment.text("PIERWATCH_TIME_ZONE", "UTC")
if TIME_ZONE not in zoneinfo.available_timezones():
    raise ImproperlyConfigured(f"PIERWATCH_TIME_ZONE is {TIME_ZONE!r}; it must be a name such as Europe/Berlin.")
USE_I18N = USE_TZ = True

# --- static files, policy, logs ----------------------------------------------------------------------------------
STATIC_URL = f"{_public.path}/static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 7 * 86400
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "dashboard.assets.VersionedStorage"},
}
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- the admin's look --------------------------------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Pierwatch",
    "SITE_HEADER": "Pierwatch",
    "SITE_SUBHEADER": _("Administration"),
    "SITE_URL": reverse_lazy("dashboard"),
    "SITE_ICON": lambda request: static("pierwatch/icon.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("pierwatch/icon.svg")},
    ],
    "SITE_DROPDOWN": [{"icon": "arrow_back", "title": _("Back to the dashboard"), "link": reverse_lazy("dashboard")}],
    "SHOW_BACK_BUTTON": True,
    "SIDEBAR": {"show_search": True},
    # --accent of static/pierwatch/tokens.css, from its softest to its deepest
    "COLORS": {
        "primary": {
            "50": "#f0f5fe",
            "100": "#e2ebfc",
            "200": "#c3d6fa",
            "300": "#a3c3ff",
            "400": "#79a9ff",
            "500": "#5b8df0",
            "600": "#1d5bd0",
            "700": "#184cae",
            "800": "#153f8f",
            "900": "#1b2a46",
            "950": "#0b1220",
        }
    },
}
LOG_FORMAT = environment.choice("PIERWATCH_LOG_FORMAT", "text", ("text", "json"))
LOGGING = logs.configuration(LOG_FORMAT)
