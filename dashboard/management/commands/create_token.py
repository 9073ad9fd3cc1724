from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard import tokens
from dashboard.models import Scope


class Command(BaseCommand):
    help = "Make a token for the REST API and print it, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the token is for, such as homepage")
        parser.add_argument("--scope", choices=Scope.values, default=Scope.READ.value)
        parser.add_argument("--expires", type=int, metavar="DAYS", help="days until it stops working; never by default")
        parser.add_argument("--user", metavar="NAME", help="whose token it is: it ends when that user is deactivated")

    def handle(self, *_args: Any, **options: Any) -> None:
        row, token = tokens.create(
            options["name"][:100],
            Scope(options["scope"]),
            owner=_owner(options["user"]),
            expires_at=_expiry(options["expires"]),
        )
        until = f"{row.expires_at:%Y-%m-%d}" if row.expires_at else _("for ever")
        self.stderr.write(
            _("Token “%(name)s” (%(scope)s, valid until: %(until)s). It is not shown again:")
            % {"name": row.name, "scope": row.scope, "until": until}
        )
        self.stdout.write(token)


def _owner(name: str | None) -> Any:
    if not name:
        return None
    user = get_user_model().objects.filter(username=name).first()
    if user is None:
        raise CommandError(_("There is no user “%(name)s”.") % {"name": name}, returncode=2)
    return user


def _expiry(days: int | None) -> datetime | None:
    if days is None:
        return None
    if not 1 <= days <= 36500:
        raise CommandError(_("--expires must be a number of days from 1 to 36500."), returncode=2)
    return timezone.now() + timedelta(days=days)
