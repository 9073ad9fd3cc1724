"""The first administrator's page, and what signing in means here: allauth does it, without sign-up and e-mail."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.forms import LoginForm
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.contrib.messages import success
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from dashboard import personal, setup
from dashboard.models import Profile, Theme


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]
    """allauth's adapter: nobody signs up by themselves, personal settings follow the person, no greetings."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": _("This username and password do not belong together."),
        "too_many_login_attempts": _("Too many attempts. Try again in 5 minutes."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        return None

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **kwargs)
        personal.recall(user, response)
        return response


class SignInForm(LoginForm):  # type: ignore[misc]
    """allauth's form in our words, without placeholders that repeat the labels."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["remember"].label = _("Remember me")
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class AdministratorForm(UserCreationForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("username",)

    def save(self, commit: bool = True) -> User:
        self.instance.is_staff = self.instance.is_superuser = True
        person: User = super().save(commit)
        return person


@never_cache
@sensitive_post_parameters()
def create_administrator(request: HttpRequest) -> HttpResponse:
    token = request.POST.get("token") or request.GET.get("token", "")
    form = AdministratorForm(request.POST or None)
    if not setup.is_valid(token):
        return render(request, "setup.html", {"expired": True}, status=403)
    if not form.is_valid():
        return render(request, "setup.html", {"form": form, "token": token})
    if not setup.claim(token):
        return render(request, "setup.html", {"expired": True}, status=403)
    login(request, form.save(), backend="django.contrib.auth.backends.ModelBackend")
    return redirect("dashboard")


@login_required
def personal_settings(request: HttpRequest) -> HttpResponse:
    person = cast("User", request.user)
    profile = Profile.objects.filter(user=person).first() or Profile(user=person)
    form = personal.ProfileForm(request.POST or None, instance=profile)
    if not form.is_valid():
        return render(request, "personal.html", {"form": form})
    form.save()
    success(request, _("Saved."))
    response = redirect("personal")
    personal.remember(response, **form.cleaned_data)
    return response


@require_POST
def choose_appearance(request: HttpRequest) -> HttpResponseBase:
    """Take `theme` and `language` from the buttons that every page has, signed in or not."""
    languages = [code for code, _name in settings.LANGUAGES]
    offered = {"theme": Theme.values, "language": languages}
    chosen = {field: request.POST[field] for field, known in offered.items() if request.POST.get(field) in known}
    if chosen and request.user.is_authenticated:
        Profile.objects.update_or_create(user=request.user, defaults=chosen)
    response = HttpResponseRedirect(_way_back(request))
    personal.remember(response, **chosen)
    return response


def _way_back(request: HttpRequest) -> str:
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if safe else "/"
