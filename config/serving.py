"""The running product: web in the main thread and, embedded, everything else beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from io import StringIO

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command, get_commands
from django.db import connections
from django.utils.translation import gettext as _

from config import startup
from config.asgi import application
from config.embedded import Background, end_now
from config.web import Web
from monitoring.models import Host

Say = Callable[[str], object]
LAST_WORDS_SECONDS = 10


def serve(*, bind: str, port: int, say: Say) -> None:
    """Prepare the data, then serve until a signal; never returns."""
    startup.refuse_taken_port(bind, port)
    with startup.claim_data_folder() if settings.EMBEDDED else contextlib.nullcontext():
        startup.prepare()
        run(bind=bind, port=port, say=say)


def run(*, bind: str, port: int, say: Say) -> None:
    background = Background() if settings.EMBEDDED else None
    lines = list(greeting(bind, port))
    connections.close_all()

    def started() -> None:
        say("\n".join(lines))
        if background:
            background.start()

    web = Web(application, bind=bind, port=port, when_listening=started)
    web.run()
    if web.failure:
        raise startup.cannot_listen(bind, port, web.failure)
    finish(background, say)


def finish(background: Background | None, say: Say) -> None:
    if background and not background.stop(LAST_WORDS_SECONDS):
        say(_("Work under way did not end within %d seconds; it is done again at the next start.") % LAST_WORDS_SECONDS)
    connections.close_all()
    end_now(0)


def greeting(bind: str, port: int) -> Iterator[str]:
    """Yield lines that say where the product is, how to sign in the first time, and what it watches."""
    yield f"\n  Pierwatch {settings.VERSION}   {address(bind, port)}"
    if not User.objects.exists() and "setup_url" in get_commands():
        yield "  " + _("First run, open %s") % first_run_link()
    for name, url in Host.objects.filter(enabled=True).values_list("name", "url"):
        yield "  " + _("Watching %(name)s at %(url)s") % {"name": name, "url": url}
    yield "  " + _("Data in %s. Ctrl-C stops.") % settings.DATA_DIR + "\n"


def address(bind: str, port: int) -> str:
    if port == settings.PORT:
        return settings.PUBLIC_URL
    return f"http://{'127.0.0.1' if bind in ('0.0.0.0', '::') else bind}:{port}"  # noqa: S104 compared, not bound


def first_run_link() -> str:
    link = StringIO()
    call_command("setup_url", stdout=link)
    return link.getvalue().strip()
