"""Tokens: made once, stored as a hash, checked at each use."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from dashboard import tokens
from dashboard.models import ApiToken, Scope

pytestmark = pytest.mark.django_db


def test_the_database_holds_only_a_hash() -> None:
    row, token = tokens.create("homepage", Scope.READ)
    stored = " ".join(str(value) for value in ApiToken.objects.values_list().get(pk=row.pk))
    assert token not in stored
    assert token.removeprefix("pw_") not in stored
    assert tokens.find(token) == row


def test_a_token_is_found_by_one_query_and_its_use_noted_at_most_once_a_minute(
    django_assert_num_queries: object,
) -> None:
    _row, token = tokens.create("homepage", Scope.READ)
    with time_machine.travel("2026-11-23T10:00:00Z", tick=False) as clock:
        tokens.find(token)
        first = ApiToken.objects.get().last_used_at
        clock.shift(59)
        with django_assert_num_queries(1):
            tokens.find(token)
        assert ApiToken.objects.get().last_used_at == first
        clock.shift(2)
        tokens.find(token)
        assert ApiToken.objects.get().last_used_at > first


@pytest.mark.parametrize("wrong", ["", "pw_", "pw_nonsense", "\ud800", "é" * 10_000])
def test_nonsense_opens_nothing(wrong: str) -> None:
    tokens.create("homepage", Scope.READ)
    assert tokens.find(wrong) is None


def test_an_expired_token_opens_nothing() -> None:
    _row, token = tokens.create("homepage", Scope.READ, expires_at=timezone.now() + timedelta(days=1))
    assert tokens.find(token)
    with time_machine.travel(timezone.now() + timedelta(days=1, seconds=1)):
        assert tokens.find(token) is None


def test_a_token_ends_with_its_owner() -> None:
    owner = User.objects.create_user("anna")
    _row, token = tokens.create("homepage", Scope.READ, owner=owner)
    assert tokens.find(token)
    User.objects.update(is_active=False)
    assert tokens.find(token) is None


@pytest.mark.parametrize(
    ("have", "needed", "enough"),
    [
        (Scope.READ, Scope.READ, True),
        (Scope.READ, Scope.REPORT, False),
        (Scope.REPORT, Scope.REPORT, True),
        (Scope.REPORT, Scope.WRITE, False),
        (Scope.WRITE, Scope.READ, True),
    ],
)
def test_each_scope_includes_the_ones_before_it(have: Scope, needed: Scope, enough: bool) -> None:
    assert have.includes(needed) is enough


def test_the_command_prints_the_token_alone_once() -> None:
    User.objects.create_user("anna")
    out, err = StringIO(), StringIO()
    call_command("create_token", "ci", scope="report", expires=7, user="anna", stdout=out, stderr=err)
    row = tokens.find(out.getvalue().strip())
    assert row is not None
    assert (row.name, row.scope, str(row.owner)) == ("ci", "report", "anna")
    assert timedelta(days=6) < row.expires_at - timezone.now() <= timedelta(days=7)
    assert out.getvalue().strip() not in err.getvalue()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"user": "nobody"}, "nobody"),
        ({"expires": 0}, "--expires"),
    ],
)
def test_the_command_names_what_is_wrong_with_its_options(options: dict[str, object], word: str) -> None:
    with pytest.raises(CommandError, match=word) as raised:
        call_command("create_token", "ci", **options)
    assert raised.value.returncode == 2
    assert not ApiToken.objects.exists()
