"""What `manage.py serve` does before it serves: port, data folder, database, translations, administrator, hosts."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils.translation import gettext as _

from config import folder, translations
from monitoring.models import Host

MIGRATION_LOCK = 0x50696572  # "Pier": the number of the advisory lock that one migrating process holds


def refuse_taken_port(bind: str, port: int) -> None:
    """Find out before the migrations do their work; Daphne's own listening still decides."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind.strip("[]"), port))
        except OSError as error:
            raise cannot_listen(bind, port, error.strerror or str(error)) from None


def cannot_listen(bind: str, port: int, reason: str) -> CommandError:
    text = _("Cannot listen on %(bind)s port %(port)d: %(reason)s. Set PIERWATCH_PORT (or --port) to a free one.")
    return CommandError(text % {"bind": bind, "port": port, "reason": reason})


def claim_data_folder() -> contextlib.AbstractContextManager[object]:
    try:
        return folder.claim(settings.DATA_DIR)
    except folder.FolderInUse as owner:
        text = _(
            "The data folder %(folder)s is in use by process %(pid)s. "
            "Stop that one, or set PIERWATCH_DATA_DIR to another folder."
        )
        raise CommandError(text % {"folder": settings.DATA_DIR, "pid": owner}) from None


def prepare() -> None:
    """Bring database, translations, first administrator and first hosts up to date."""
    translations.compile_translations(settings.LOCALE_PATHS)
    with only_one_migrates():
        call_command("migrate", verbosity=0, interactive=False)
    create_first_administrator()
    if install := getattr(Host.objects, "install_from_environment", None):
        install()
    connections.close_all()


@contextlib.contextmanager
def only_one_migrates() -> Iterator[None]:
    """Make web processes that start together wait for one another (embedded, the data folder is claimed already)."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def create_first_administrator() -> None:
    """Create the administrator that the environment names, when there is none of that name."""
    users = User.objects
    name, password = settings.FIRST_ADMIN_USER, settings.FIRST_ADMIN_PASSWORD
    if name and password and not users.filter(username=name).exists():
        users.create_superuser(username=name, password=password)
