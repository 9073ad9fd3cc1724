"""The admin: every registered model has pages that work and look like the rest."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from unfold.admin import ModelAdmin

from dashboard.models import ApiToken
from tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("anna", password="a good passphrase"))
    return client


def registered() -> list[type[Model]]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.mark.parametrize("model", registered(), ids=lambda model: model._meta.label)
def test_each_model_has_a_list_and_a_form_in_our_look(anna: Client, model: type[Model]) -> None:
    world.build(3)
    name = f"{model._meta.app_label}_{model._meta.model_name}"

    listed = anna.get(reverse(f"admin:{name}_changelist"), follow=True)
    form = anna.get(reverse(f"admin:{name}_add"))

    assert isinstance(admin.site.get_model_admin(model), ModelAdmin)
    assert listed.status_code == 200
    assert form.status_code in (200, 403)


def test_the_admin_leads_back_to_the_dashboard(anna: Client) -> None:
    assert "Back to the dashboard" in anna.get("/admin/").content.decode()


def test_a_user_can_be_made_with_a_password(anna: Client) -> None:
    words = {"username": "ben", "password1": "a good passphrase", "password2": "a good passphrase"}
    answer = anna.post("/admin/auth/user/add/", words | {"usable_password": "true"})

    assert answer.status_code == 302
    assert User.objects.get(username="ben").check_password("a good passphrase")


def test_a_token_can_be_taken_away_but_not_made_where_nobody_would_see_it(anna: Client) -> None:
    token = ApiToken.objects.create(name="homepage", hash="0" * 64)

    assert anna.get("/admin/dashboard/apitoken/add/").status_code == 403
    assert anna.post(f"/admin/dashboard/apitoken/{token.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not ApiToken.objects.exists()
