"""The first administrator, signing in, and personal settings."""

from __future__ import annotations

from io import StringIO
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from dashboard import setup

pytestmark = pytest.mark.django_db
NEW = {"username": "anna", "password1": "a good passphrase", "password2": "a good passphrase"}


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    cache.clear()


def test_the_command_prints_a_link_that_opens_the_form(client: Client) -> None:
    out = StringIO()
    call_command("setup_url", stdout=out)
    line = out.getvalue()
    link = urlsplit(line.split()[3])

    answer = client.get(f"{link.path}?{link.query}")

    assert line.startswith("Pierwatch is ready: http://127.0.0.1:8000/setup?token=")
    assert line.endswith("  (valid 60 min, single use)\n")
    assert answer.status_code == 200
    assert "Create your administrator" in answer.content.decode()


def test_the_link_makes_one_administrator_signs_in_and_dies(client: Client) -> None:
    token = setup.make_token()

    answer = client.post("/setup", NEW | {"token": token})

    anna = User.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert (anna.username, anna.is_superuser, anna.is_staff) == ("anna", True, True)
    assert client.get("/").status_code == 200
    again = Client().post("/setup", NEW | {"token": token, "username": "eve"})
    assert again.status_code == 403
    assert User.objects.count() == 1


def test_of_two_who_use_the_link_at_once_one_wins() -> None:
    token = setup.make_token()

    assert [setup.claim(token), setup.claim(token)] == [True, False]


def test_the_link_is_worth_nothing_after_an_hour(client: Client) -> None:
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False):
        token = setup.make_token()
    with time_machine.travel("2026-11-23T12:59:59Z", tick=False):
        assert setup.is_valid(token)
    with time_machine.travel("2026-11-23T13:00:02Z", tick=False):
        answer = client.post("/setup", NEW | {"token": token})

    assert answer.status_code == 403
    assert "That setup token is not valid any more." in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("token", ["", "setup", "setup:1abc:forged", "ünicode\0"])
def test_a_wrong_token_is_refused_in_words(client: Client, token: str) -> None:
    answer = client.get("/setup", {"token": token})

    assert answer.status_code == 403
    assert "manage.py setup_url" in answer.content.decode()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"password1": "short", "password2": "short"}, "too short"), ({"password2": "different words"}, "match")],
)
def test_a_bad_password_is_refused_and_the_link_lives_on(client: Client, wrong: dict[str, str], says: str) -> None:
    token = setup.make_token()

    answer = client.post("/setup", NEW | wrong | {"token": token})

    assert says in answer.content.decode()
    assert not User.objects.exists()
    assert setup.is_valid(token)


def test_the_environment_may_name_the_first_administrator_once(settings: Settings) -> None:
    settings.FIRST_ADMIN_USER, settings.FIRST_ADMIN_PASSWORD = "root", "from the environment"

    assert setup.needed()
    assert [setup.ensure_first_administrator(), setup.ensure_first_administrator()] == [True, False]
    assert User.objects.get().check_password("from the environment")
    assert not setup.needed()


def test_signing_in_and_out(client: Client) -> None:
    User.objects.create_user("anna", password="a good passphrase")

    wrong = client.post("/account/login", {"login": "anna", "password": "guess"})
    right = client.post("/account/login?next=/%3Fview=rows", {"login": "anna", "password": "a good passphrase"})

    assert "This username and password do not belong together." in wrong.content.decode()
    assert (right.status_code, right["Location"]) == (302, "/?view=rows")
    assert client.get("/").status_code == 200
    assert client.post("/account/logout").status_code == 302
    assert client.get("/").status_code == 302


def test_guessing_is_slowed_down_in_words(client: Client) -> None:
    User.objects.create_user("anna", password="a good passphrase")
    for _ in range(5):
        client.post("/account/login", {"login": "anna", "password": "guess"})

    answer = client.post("/account/login", {"login": "anna", "password": "a good passphrase"})

    assert "Too many attempts. Try again in 5 minutes." in answer.content.decode()


def test_nobody_signs_up_by_themselves(client: Client) -> None:
    assert client.get("/account/signup").status_code == 404


def test_the_admin_has_the_same_door(client: Client) -> None:
    answer = client.get("/admin/", follow=True)

    assert answer.redirect_chain[-1][0].startswith("/account/login?next=")


def test_somebody_who_is_no_staff_is_told_so_by_the_admin(client: Client) -> None:
    client.force_login(User.objects.create_user("ben", password="a good passphrase"))

    answer = client.get("/admin/login/")

    assert answer.status_code == 403
    assert "Not allowed." in answer.content.decode()


def test_personal_settings_follow_the_person_to_another_browser(client: Client) -> None:
    anna = User.objects.create_user("anna", password="a good passphrase")
    client.force_login(anna)
    chosen = {"language": "ru", "time_zone": "Europe/Berlin", "theme": "dark"}
    assert client.post("/personal", chosen).status_code == 302
    assert 'lang="ru"' in client.get("/personal").content.decode()

    other = Client()
    other.post("/account/login", {"login": "anna", "password": "a good passphrase"})
    shown = other.get("/personal").content.decode()

    assert 'lang="ru"' in shown
    assert 'data-theme="dark"' in shown
    assert other.cookies["pierwatch_time_zone"].value == "Europe/Berlin"


def test_appearance_is_chosen_without_signing_in_and_leads_back_only_to_us(client: Client) -> None:
    answer = client.post("/appearance", {"theme": "dark", "next": "https://evil.example/"})

    assert answer["Location"] == "/"
    assert 'data-theme="dark"' in client.get("/account/login").content.decode()


def test_a_nonsense_appearance_changes_nothing(client: Client) -> None:
    answer = client.post("/appearance", {"theme": "purple", "language": "xx"})

    assert answer.status_code == 302
    assert not answer.cookies


def test_a_csrf_failure_explains_the_address(settings: Settings) -> None:
    browser = Client(enforce_csrf_checks=True)

    answer = browser.post("/account/login", {}, headers={"Origin": "https://watch.example.org"})
    shown = answer.content.decode()

    assert answer.status_code == 403
    assert "Your browser and Pierwatch disagree about the address." in shown
    assert "PIERWATCH_URL=https://watch.example.org" in shown


def test_an_unknown_host_header_is_answered_with_the_fix(client: Client) -> None:
    answer = client.get("/account/login", headers={"Host": "watch.lan"})

    assert answer.status_code == 400
    assert "“watch.lan” is not an allowed address." in answer.content.decode()
