"""Quiet hours at a glance, and mutes: silence for a project, stage, instance or kind until a time."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.telling.access import for_readers, may_change, to_change
from monitoring.models.event import kind_choices
from notifications.models import Destination, Mute

SPANS = [
    ("1", gettext_lazy("for 1 hour")),
    ("4", gettext_lazy("for 4 hours")),
    ("tomorrow", gettext_lazy("until tomorrow, 8:00")),
    ("168", gettext_lazy("for a week")),
]


class MuteForm(forms.ModelForm):  # type: ignore[type-arg]
    span = forms.ChoiceField(label=gettext_lazy("How long"), choices=SPANS)

    class Meta:
        model = Mute
        fields = ("project", "stage", "instance", "kind")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("project", "stage", "instance"):
            field = self.fields[name]
            if isinstance(field, forms.ModelChoiceField):
                field.empty_label = str(_("any"))
        self.fields["kind"] = forms.ChoiceField(
            label=self.fields["kind"].label, required=False, choices=lambda: [("", _("any")), *kind_choices()]
        )
        stages = self.fields["stage"]
        if isinstance(stages, forms.ModelChoiceField) and stages.queryset is not None:
            stages.queryset = stages.queryset.select_related("project")


def end_of(span: str) -> datetime:
    """Return when a mute of SPAN (hours, or "tomorrow") ends, in the reader's time zone."""
    now = timezone.localtime()
    if span == "tomorrow":
        return timezone.make_aware(datetime.combine(now.date() + timedelta(days=1), time(8)))
    return now + timedelta(hours=int(span))


@for_readers
def quiet(request: HttpRequest) -> HttpResponse:
    return _shown(request, MuteForm())


def _shown(request: HttpRequest, form: MuteForm) -> HttpResponse:
    now = timezone.now()
    places = [(row, row.quiet_until(now)) for row in Destination.objects.defer("address", "secret", "previous_secret")]
    context = {
        "tab": "quiet",
        "places": places,
        "mutes": Mute.objects.in_force(now).select_related("project", "stage__project", "instance", "by"),
        "form": form,
        "may_change": may_change(request),
    }
    return render(request, "notifications/quiet.html", context)


@to_change
def mute(request: HttpRequest) -> HttpResponse:
    form = MuteForm(request.POST)
    if not form.is_valid():
        return _shown(request, form)
    form.instance.until, form.instance.by_id = end_of(form.cleaned_data["span"]), request.user.pk
    row = form.save()
    messages.success(request, _("Muted until %(time)s.") % {"time": f"{timezone.localtime(row.until):%d.%m. %H:%M}"})
    return redirect("quiet")


@to_change
def unmute(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(Mute, pk=pk).delete()
    messages.success(request, _("Not muted any more."))
    return redirect("quiet")
