"""The admin of notifications. Deliveries are a log: read, filtered, sent again, never edited."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from monitoring.models import EventKind
from notifications import outbox
from notifications.forms import DestinationForm
from notifications.models import Attempt, Delivery, Destination, KindSetting, Mute, Subscription
from notifications.sender import send_test


class DestinationAdminForm(DestinationForm):
    """The page's form in the admin's dress; here subscriptions are rows of their own."""

    kinds = None  # type: ignore[assignment] # Django's way to drop a declared field
    dress: ClassVar[dict[str, type[forms.Widget]]] = {
        "address": UnfoldAdminTextInputWidget,
        "secret": UnfoldAdminTextInputWidget,
        "time_zone": UnfoldAdminTextInputWidget,
        "language": UnfoldAdminSelectWidget,
        "projects": UnfoldAdminCheckboxSelectMultipleWidget,
        "stages": UnfoldAdminCheckboxSelectMultipleWidget,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, widget in self.dress.items():
            field = self.fields[name]
            field.widget = widget(attrs={"placeholder": field.widget.attrs.get("placeholder", "")})
            if isinstance(field, forms.ChoiceField):
                field.choices = field.choices  # hands them to the new widget


class IdsField(forms.CharField):
    """A list of ids in one line, by comma."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        return [part.strip() for part in (value or "").split(",") if part.strip()]


class SubscriptionForm(forms.ModelForm):  # type: ignore[type-arg]
    projects = IdsField(required=False, label=gettext_lazy("Projects"))
    stages = IdsField(required=False, label=gettext_lazy("Stages"))


class SubscriptionInline(TabularInline):  # type: ignore[misc]
    model = Subscription
    form = SubscriptionForm
    extra = 0
    hide_title = True
    fields = ("kind", "min_severity", "projects", "stages")


@admin.register(Destination)
class DestinationAdmin(ModelAdmin):  # type: ignore[misc]
    form = DestinationAdminForm
    inlines = (SubscriptionInline,)
    list_display = ("name", "format", "where", "enabled", "disabled_reason", "failing_since")
    list_filter = ("format", "enabled")
    search_fields = ("name",)
    readonly_fields = ("where", "disabled_reason", "warning", "failing_since", "added_at")
    actions = ("enable", "disable", "send_a_test")

    @admin.display(description=gettext_lazy("address"))
    def where(self, row: Destination) -> str:
        return row.masked_address if row.pk else "–"

    def save_model(self, request: HttpRequest, obj: Destination, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.new_secret:
            messages.warning(request, _("Signing secret, shown this once: %(secret)s") % {"secret": form.new_secret})

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[Destination]) -> None:
        for row in rows:
            row.switch_on()

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[Destination]) -> None:
        rows.update(enabled=False, disabled_reason=_("Switched off by %(name)s.") % {"name": request.user})

    @admin.action(description=gettext_lazy("Send a test"), permissions=["change"])
    def send_a_test(self, request: HttpRequest, rows: QuerySet[Destination]) -> None:
        for row in rows:
            result = send_test(row, EventKind.PROXY_UNHEALTHY)
            text = _("Delivered in %(ms)d ms.") % {"ms": result.ms} if result.ok else result.error
            messages.add_message(request, messages.SUCCESS if result.ok else messages.ERROR, f"{row}: {text}")


@admin.register(KindSetting)
class KindSettingAdmin(ModelAdmin):  # type: ignore[misc]
    """Which event kinds are told at all. A kind without a row is as its default says."""

    list_display = ("kind", "on")
    list_editable = ("on",)
    list_filter = ("on",)
    search_fields = ("kind",)
    actions = ("enable", "disable")

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[KindSetting]) -> None:
        rows.update(on=True)

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[KindSetting]) -> None:
        rows.update(on=False)


class AttemptInline(TabularInline):  # type: ignore[misc]
    model = Attempt
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "status", "ms", "error", "answer")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("made_at", "status", "destination", "kind", "subject", "tries", "due_at")
    list_filter = ("status", "destination", "kind", "test")
    list_select_related = ("destination", "event")
    search_fields = ("webhook_id", "event__subject", "destination__name")
    date_hierarchy = "made_at"
    inlines = (AttemptInline,)
    actions = ("redeliver", "mute_for_an_hour")

    @admin.display(description=gettext_lazy("subject"))
    def subject(self, row: Delivery) -> str:
        return row.event.subject if row.event else _("(test)")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Say whether this person may send again and mute, although nobody may edit the log."""
        return request.user.has_perm("notifications.change_destination")

    @admin.action(description=gettext_lazy("Send again"), permissions=["act"])
    def redeliver(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        made = [outbox.redeliver(row) for row in rows.select_related("destination")]
        text = ngettext("%(count)d delivery queued again.", "%(count)d deliveries queued again.", len(made))
        messages.success(request, text % {"count": len(made)})

    @admin.action(description=gettext_lazy("Mute what these are about for an hour"), permissions=["act"])
    def mute_for_an_hour(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        until = timezone.now() + timedelta(hours=1)
        events = {row.event for row in rows.select_related("event") if row.event}
        named = {(event.stage_id, event.instance_id, event.kind) for event in events}
        Mute.objects.bulk_create(
            Mute(stage_id=stage, instance_id=instance, kind=kind, until=until, by_id=request.user.pk)
            for stage, instance, kind in named
        )
        messages.success(request, _("Muted until %(time)s.") % {"time": f"{timezone.localtime(until):%H:%M}"})


@admin.register(Mute)
class MuteAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("__str__", "until", "by", "made_at")
    list_filter = ("kind",)
    list_select_related = ("project", "stage__project", "instance", "by")
    autocomplete_fields = ()
    exclude = ("by",)

    def save_model(self, request: HttpRequest, obj: Mute, form: Any, change: bool) -> None:
        obj.by_id = obj.by_id or request.user.pk
        super().save_model(request, obj, form, change)
