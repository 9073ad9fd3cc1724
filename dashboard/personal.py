"""Language, time zone and appearance of one person.

They live in the Profile and travel as cookies, set when somebody signs in or changes them: every page, the sign-in
page included, is right from its first byte without asking the database.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from asgiref.sync import iscoroutinefunction
from django import forms
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext_lazy as _

from dashboard.models import Profile, Theme

THEME_COOKIE = "pierwatch_theme"
TIME_ZONE_COOKIE = "pierwatch_time_zone"
YEAR = 365 * 86400


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """Personal settings; the empty choice means: as the browser says."""

    time_zone = forms.TypedChoiceField(label=_("Time zone"), required=False, choices=lambda: _zone_choices())  # noqa: PLW0108 defined below

    class Meta:
        model = Profile
        fields = ("language", "time_zone", "theme")


def theme_of(request: HttpRequest) -> str:
    wanted = request.COOKIES.get(THEME_COOKIE, "")
    return wanted if wanted in Theme.values else Theme.AUTO.value


def remember(response: HttpResponseBase, **values: str) -> None:
    """Set the cookies of VALUES (language, time_zone, theme); an empty value takes the cookie away."""
    names = {"language": settings.LANGUAGE_COOKIE_NAME, "time_zone": TIME_ZONE_COOKIE, "theme": THEME_COOKIE}
    where: dict[str, Any] = {"path": settings.LANGUAGE_COOKIE_PATH, "samesite": "Lax"}
    for field, value in values.items():
        if value:
            response.set_cookie(names[field], value, max_age=YEAR, secure=settings.SESSION_COOKIE_SECURE, **where)
        else:
            response.delete_cookie(names[field], **where)


def recall(user: AbstractBaseUser, response: HttpResponseBase) -> None:
    """Bring what USER once chose to the browser that just signed in."""
    profile = Profile.objects.filter(user_id=user.pk).first()
    chosen = {field: getattr(profile, field, "") for field in ("language", "time_zone", "theme")}
    remember(response, **{field: value for field, value in chosen.items() if value})


@sync_and_async_middleware
def time_zone_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Show times in the zone of the cookie; async-capable, so that it holds no thread per open stream."""
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            with timezone.override(_zone(request)):
                answer: Awaitable[HttpResponse] = get_response(request)
                return await answer

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponse:
        with timezone.override(_zone(request)):
            response: HttpResponse = get_response(request)
            return response

    return synchronous


def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo | None:
    name = request.COOKIES.get(TIME_ZONE_COOKIE, "")
    return zoneinfo.ZoneInfo(name) if name in _known_zones() else None


@cache
def _known_zones() -> list[str]:
    return sorted(zoneinfo.available_timezones())


def _zone_choices() -> list[tuple[str, Any]]:
    return [("", _("As the browser says")), *((name, name) for name in _known_zones())]
