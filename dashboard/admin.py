"""The admin of people, keys and schedules. Third-party admins are registered anew, or they look broken in unfold."""

from __future__ import annotations

from typing import Any

from allauth.account.admin import EmailAddressAdmin
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress, EmailConfirmation
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django_celery_beat import admin as beat_admin
from django_celery_beat import models as beat
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from dashboard.models import ApiToken, Profile

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign] # one door: allauth's

admin.site.unregister(
    [
        *(User, Group, EmailAddress),
        *(beat.PeriodicTask, beat.IntervalSchedule, beat.CrontabSchedule, beat.SolarSchedule, beat.ClockedSchedule),
    ]
)
if admin.site.is_registered(EmailConfirmation):
    admin.site.unregister(EmailConfirmation)


@admin.register(User)
class PersonAdmin(UserAdmin, ModelAdmin):  # type: ignore[type-arg,misc]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class PeopleAdmin(GroupAdmin, ModelAdmin):  # type: ignore[misc]
    pass


@admin.register(EmailAddress)
class AddressAdmin(EmailAddressAdmin, ModelAdmin):  # type: ignore[misc]
    pass


class TaskSelect(UnfoldAdminSelectWidget, beat_admin.TaskSelectWidget):  # type: ignore[misc]
    pass


class PeriodicTaskForm(beat_admin.PeriodicTaskForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskSelect()


@admin.register(beat.PeriodicTask)
class PeriodicTaskAdmin(beat_admin.PeriodicTaskAdmin, ModelAdmin):  # type: ignore[misc]
    form = PeriodicTaskForm


@admin.register(beat.CrontabSchedule)
class CrontabAdmin(beat_admin.CrontabScheduleAdmin, ModelAdmin):  # type: ignore[misc]
    pass


@admin.register(beat.ClockedSchedule)
class ClockedAdmin(beat_admin.ClockedScheduleAdmin, ModelAdmin):  # type: ignore[misc]
    pass


@admin.register(beat.IntervalSchedule, beat.SolarSchedule)
class ScheduleAdmin(ModelAdmin):  # type: ignore[misc]
    pass


@admin.register(Profile)
class ProfileAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("user", "language", "time_zone", "theme")
    list_select_related = ("user",)


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):  # type: ignore[misc]
    """Tokens are made where they can be shown once; here they are seen, renamed, shortened and taken away."""

    list_display = ("name", "scope", "owner", "created_at", "expires_at", "last_used_at")
    list_filter = ("scope",)
    list_select_related = ("owner",)
    search_fields = ("name",)
    readonly_fields = ("created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
